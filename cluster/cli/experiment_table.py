"""The table of ``shootdown experiments``: a row as soon as it is known, so its widths are set beforehand and not by what is in it.

120 columns, plain text; on a terminal the head and what is not reproduced stand out.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shootdown.experimenting import Reproduction

WIDTH = 120
COLUMNS = (("id", 3), ("change", 22), ("kind", 11), ("before", 7), ("after", 7), ("unit", 12), ("ok", 3))
SPOKE_WIDTH = WIDTH - sum(width + 2 for _, width in COLUMNS)
_RIGHT = ("before", "after")
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def head() -> str:
    """The head of the table."""
    return _lit(_row([name for name, _ in COLUMNS], "what spoke before | after"), _BOLD)


def row(done: Reproduction) -> Iterator[str]:
    """A row, and under it why it is not reproduced."""
    change, figure = done.experiment.change, done.experiment.table.figure
    before, after = (_number(done.arms[arm].figure) for arm in ("before", "after"))
    cells = [change.id, change.slug, change.kinds[0], before, after, figure.unit, "yes" if done.reproduced else "NO"]
    first, *more = textwrap.wrap(_spoke(done), SPOKE_WIDTH) or [""]
    lines = [_row(cells, first), *(_row([""] * len(COLUMNS), rest) for rest in more)]
    yield from (line if done.reproduced else _lit(line, _RED) for line in lines)
    for reason in done.against:
        yield from textwrap.wrap(reason, WIDTH, initial_indent="     ", subsequent_indent="       ")


def _spoke(done: Reproduction) -> str:
    """What spoke in the two arms, that which each must show first; where nothing spoke after, only what spoke before."""
    before, after = (", ".join(_ordered(done, arm)) for arm in ("before", "after"))
    return f"{before or 'nothing'} | {after}" if after else before


def _ordered(done: Reproduction, arm: str) -> list[str]:
    shows, spoke = done.experiment.arms[arm].shows, done.arms[arm].spoke
    return [name for name in shows if name in spoke] + sorted(spoke - set(shows))


def _number(figure: int | None) -> str:
    return "-" if figure is None else f"{figure:,}"


def _row(cells: list[str], spoke: str) -> str:
    parts = [cell.rjust(width) if name in _RIGHT else cell.ljust(width) for cell, (name, width) in zip(cells, COLUMNS, strict=True)]
    return "  ".join([*parts, spoke]).rstrip()


def _lit(line: str, how: str) -> str:
    return f"{how}{line}{_PLAIN}" if sys.stdout.isatty() else line
