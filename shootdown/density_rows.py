"""Rows of the density table in a file, one JSON object per line: a table of a thousand seeds takes hours, and is continued where it ended.

A row is taken from the file only if it is of the same case, the same seeds and the same version of the model; another row of the same
change stays in the file and is not told. A line is appended when its row is complete, so an interrupted table has lost one row at most:
the beginning of a line that a kill leaves at the end of the file is told, cut off, and its row run again. Anything else that is no row is
refused, since it may be another file, which is not for this module to mend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from cluster.errors import InputError, RunError
from cluster.plan import MODEL_VERSION
from cluster.scenario.read import special
from cluster.scenario.refusal import Place, refusal_of
from shootdown.density import Case, densities
from shootdown.density_form import KEY, DensityRow, Row

BEGINNING = b'{"id": "'
"""What every line begins with, and a half-written one as far as it goes."""


def key_of(case: Case, seeds: range) -> Row:
    """What the row of a case over these seeds has in its fields ``KEY``."""
    values = (case.id, case.scenario, list(case.sets), list(case.ignores), seeds.start, len(seeds), MODEL_VERSION)
    return dict(zip(KEY, values, strict=True))


def read_rows(path: Path) -> tuple[list[Row], int]:
    """The rows in a file, none if there is no file yet, and how many bytes at its end are the beginning of one more.

    Raises InputError for what cannot be read and for a line that is no row.
    """
    whole, end, rest = _bytes(path).rpartition(b"\n")
    lines = whole.split(b"\n") if end else []
    half = _half_written(rest)
    if rest and not half:
        lines.append(rest)
    return [_row(path, number, line) for number, line in enumerate(lines, start=1)], len(rest) if half else 0


def _bytes(path: Path) -> bytes:
    allowed = "a file that density --keep has written, or one that is not there yet"
    if found := special(path):
        raise InputError(f"{path}: --keep: found {found}, allowed: {allowed}", file=str(path), key="--keep", found=found, allowed=allowed)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        sentence = f"{path}: --keep: cannot be read: found {error.strerror}, allowed: {allowed}"
        raise InputError(sentence, file=str(path), key="--keep", found=error.strerror, allowed=allowed) from error


def _half_written(line: bytes) -> bool:
    """Is it the beginning of a row? A whole JSON value is not, whatever it is."""
    if not line.startswith(BEGINNING[: len(line)]):
        return False
    try:
        json.loads(line)
    except ValueError:
        return True
    except RecursionError:
        pass
    return False


class Line(Place):
    """One line of a file, whatever is wrong there."""

    def __init__(self, file: str, number: int) -> None:
        super().__init__(file)
        self.number = number

    def of(self, key: str) -> tuple[str, int | None]:
        """The line."""
        return self.file, self.number


def _row(path: Path, number: int, line: bytes) -> Row:
    place = Line(str(path), number)
    try:
        row: Row = json.loads(line)
    except (ValueError, RecursionError):
        row = {}
    if not isinstance(row, dict) or not row:
        raise place.refuse("--keep", line.decode("latin-1")[:60], "a row that density --keep has written")
    try:
        DensityRow.model_validate(row)
    except ValidationError as error:
        raise refusal_of(error, DensityRow, place) from None
    return row


def rows(
    wanted: Sequence[Case], seeds: range, jobs: int, keep: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Iterator[Row]:
    """A row for each case, from the file where it has it, run and appended otherwise; ``tell`` hears what was lost of the file."""
    had = _kept(keep, tell) if keep else []
    for case in dict.fromkeys(wanted):
        key = key_of(case, seeds)
        row = next((row for row in had if all(row[field] == key[field] for field in KEY)), None)
        if row is None:
            (density,) = densities([case], seeds, jobs)
            row = {**key, **density.as_json()}
            if keep:
                _append(keep, row)
        yield row


def _kept(path: Path, tell: Callable[[str], None]) -> list[Row]:
    """The rows of a file, which from now on ends where a line does. That it cannot be written is said before anything is run."""
    found, half = read_rows(path)
    try:
        with path.open("ab") as file:
            if half:
                file.truncate(file.seek(0, os.SEEK_END) - half)
            _end_line(path, file.fileno())
    except OSError as error:
        allowed = "a file in a directory that is there"
        sentence = f"{path}: --keep: cannot be written: found {error.strerror}, allowed: {allowed}"
        raise InputError(sentence, file=str(path), key="--keep", found=error.strerror, allowed=allowed) from error
    if half:
        tell(
            f"{path}, line {len(found) + 1}: half a row, of a table that was interrupted while it was written; it is cut off and run again"
        )
    return found


def _append(path: Path, row: Row) -> None:
    """Write a whole line, on a line of its own, or nothing. Raises RunError."""
    line = json.dumps(row).encode() + b"\n"
    try:
        with path.open("ab", buffering=0) as file:
            _end_line(path, file.fileno())
            size = file.seek(0, os.SEEK_END)
            try:
                written = file.write(line)
            except OSError:
                file.truncate(size)
                raise
            if written != len(line):
                file.truncate(size)
                raise OSError(0, f"only {written} of {len(line)} bytes were taken")
    except OSError as error:
        raise RunError(
            f"{path}: the row of {row['id']} cannot be written: {error.strerror}", file=str(path), found=error.strerror
        ) from error


def _end_line(path: Path, descriptor: int) -> None:
    """Put an end to the last line if it has none: an editor may have left it so."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        last = file.read(1)
    if last not in (b"", b"\n"):
        os.write(descriptor, b"\n")
