"""How commands speak: results on stdout, everything else on stderr, and with ``--json`` exactly one JSON value for every ending.

A command that is asked for JSON prints it once, as its last act; an error prints its own value
instead (:func:`print_error`), so there are never two.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cluster.errors import ShootdownError

DONE, DIFFERS, BAD_INPUT, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit statuses (the contract of the command line)."""


def printable(text: object) -> str:
    """Text whose control characters cannot move a cursor or colour a screen: names in recordings are under the recorded user's control."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode("ascii") for c in str(text))


def say(*lines: str) -> None:
    """Lines of a result, on stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def note(*lines: str) -> None:
    """Lines that are no result (progress, hints, logs), on stderr. If that takes nothing, what the command did stands all the same."""
    sys.stdout.flush()
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        to_nowhere(sys.stderr)


def to_nowhere(stream: TextIO) -> None:
    """From now on nothing comes of what is written there, and the interpreter's own last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_json(value: Any) -> None:
    """The one JSON value of a command."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def print_error(error: ShootdownError, as_json: bool) -> None:
    """The error's sentence on stderr, and its JSON on stdout if that was asked for."""
    if as_json:
        print_json({"error": error.as_json()})
    note(f"shootdown: {printable(error)}")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], indent: int = 2) -> list[str]:
    """Aligned columns under a head; numbers to the right. rich's tables were rejected: they cost 80 ms and cannot be cut with awk."""
    cells = [tuple(map(printable, head)), *(tuple(printable(_number(cell)) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    right = [all(_numeric(row[column]) for row in cells[1:]) and len(cells) > 1 for column in range(len(head))]
    lines = []
    for row in cells:
        parts = [cell.rjust(width) if left else cell.ljust(width) for cell, width, left in zip(row, widths, right, strict=True)]
        lines.append((" " * indent + "  ".join(parts)).rstrip())
    return lines


def _number(cell: object) -> object:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else cell


def _numeric(cell: str) -> bool:
    return not cell or cell[0].isdigit() or (cell[0] in "-+" and cell[1:2].isdigit())


def counted(number: int, thing: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def few(number: float) -> str:
    """A mean for people: one decimal where that says something."""
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def duration(ns: int) -> str:
    """Virtual or wall time for people: ``1,234 ns``, ``12.3 us``, ``1.25 s``."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:,.0f} {unit}"
    return f"{ns} ns"
