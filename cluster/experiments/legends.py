"""What is said under a picture: only what applies to the one above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cluster.experiments.stretches import Sought, names_pages
from cluster.experiments.telling import Step

_KERNEL_THREAD = re.compile(r"participant \S+ as (k([0-9]+)\.[0-9]+)$")


def legend(lines: Sequence[str], found: Sequence[Step], sought: Sought) -> str:
    """The legend of a picture, from its lines, the steps it is of and what it had to show."""
    return " ".join(_sentences(lines, found, sought))


def _sentences(lines: Sequence[str], found: Sequence[Step], sought: Sought) -> Iterator[str]:
    begin = "Where it begins to go wrong" if sought.picture.begins else "From before the first step that differs"
    yield f"{begin}, to {_end(found, sought)}{' and on to what comes too late' if sought.picture.ends else ''}."
    if any(line.strip().startswith("activate") for line in lines):
        yield "A bar on a home lasts as long as its lock is held."
    if any("●" in line for line in lines):
        yield "● marks what the figure counts."
    if names_pages(found, sought):
        yield "Pages that the violation does not name are left out, and threads that do nothing to those it names."
    yield from _kernel_threads(lines)


def _end(found: Sequence[Step], sought: Sought) -> str:
    if sought.costs:
        return "the steps that cost"
    if sought.shows and any(step.spoken for step in found):
        return "the violation"
    return "the first steps that the figure counts" if any(step.counted for step in found) else "the end of the run"


def _kernel_threads(lines: Sequence[str]) -> Iterator[str]:
    drawn = [match for line in lines if (match := _KERNEL_THREAD.search(line))]
    if drawn:
        who = " and ".join(f"`{match[1]}` is a kernel thread of CPU {match[2]}" for match in drawn)
        yield f"{who}: a daemon or an interrupt's thread."
