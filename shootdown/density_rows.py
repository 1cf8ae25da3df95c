"""Rows of the density table in a file, one JSON object per line: a table of a thousand seeds takes hours, and is continued where it ended.

A row is taken from the file only if it is of the same case, the same seeds and the same version of the model; another row of the same
change stays in the file and is not told. A line is appended when its row is complete, so an interrupted table has lost one row at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cluster.errors import InputError
from cluster.plan import MODEL_VERSION
from shootdown.density import Case, densities

Row = dict[str, Any]
KEY = ("id", "scenario", "sets", "ignores", "first", "seeds", "model")
"""Fields that say what a row is of."""


def key_of(case: Case, seeds: range) -> Row:
    """What the row of a case over these seeds has in its fields ``KEY``."""
    values = (case.id, case.scenario, list(case.sets), list(case.ignores), seeds.start, len(seeds), MODEL_VERSION)
    return dict(zip(KEY, values, strict=True))


def read_rows(path: Path) -> list[Row]:
    """The rows in a file; none if there is no file yet. Raises InputError for what cannot be read and for a line that is no row."""
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); allowed: rows that density --keep has written", key=str(path)) from error
    return [_row(path, number, line) for number, line in enumerate(lines, start=1)]


def _row(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or any(field not in row for field in (*KEY, "slug", "met", "first_seed", "spoke")):
        sentence = f"{path}, line {number}: found {line[:60]!r}, allowed: a row that density --keep has written"
        raise InputError(sentence, key=f"{path}:{number}", found=line[:60])
    return row


def rows(wanted: Sequence[Case], seeds: range, jobs: int, keep: Path | None = None) -> Iterator[Row]:
    """A row for each case, from the file where it has it, run and appended otherwise."""
    had = read_rows(keep) if keep else []
    if keep:
        _append(keep, "")  # that it cannot be written is said before anything is run
    for case in wanted:
        key = key_of(case, seeds)
        row = next((row for row in had if all(row[field] == key[field] for field in KEY)), None)
        if row is None:
            (density,) = densities([case], seeds, jobs)
            row = {**key, **density.as_json()}
            if keep:
                _append(keep, json.dumps(row) + "\n")
        yield row


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}); allowed: a file in a directory that is there", key=str(path)) from error
