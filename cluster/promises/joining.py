"""Recorded page faults beside what became of them in the model: the steps of the compiled workload joined with the trace's records.

A task's thread bears its number, and between two ``task.step`` records of a thread everything it does belongs to the first; so the join
needs no times. It is a second way to the figures of the summary, which come from counting records alone.

Copy on write write-protects a page; the first store into it faults, and the fault copies the page, or moves it up if nobody else can want
it any more, which the kernel counts as the same (v_cow_faults). Where a collapse has moved the page up before, the fault only makes it
writable, and the kernel counts a soft fault. A recording tells no difference, so here all three went through copy on write; the kernel's
own count is in the summary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from protocol.pages import PTE_RW
from protocol.records import FAULT_DONE, PAGE_REBIND, PAGE_RELEASE, PTE_SET, STORE, TASK_STEP, TLB_HIT, Entry
from protocol.workload import Access, Workload


class Outcome(NamedTuple):
    """What a recorded fault was in the model. ``line`` of the recording; ``how``: soft, zero-fill, cow, hard, or hit; ``cow``: it went
    through copy on write, hard or not: the page was copied or moved up, by this fault or by a collapse before it."""

    line: int
    task: int
    write: bool
    present: bool
    how: str
    cow: bool


class MovedUp:
    """Pages that were moved to the object in front and have not been stored to since, and which of their mappings became writable."""

    def __init__(self) -> None:
        self._moved: dict[int, set[int]] = {}

    def rebound(self, frame: int, obj: str, old: str) -> None:
        """A page changed its owner: from one object to another, it was moved up."""
        if obj and old:
            self._moved[frame] = set()

    def released(self, frame: int) -> None:
        """The page is no more."""
        self._moved.pop(frame, None)

    def entered(self, vpn: int, frame: int, bits: int, old_frame: int, old_bits: int) -> None:
        """A mapping of the same page, write-protected until now, became writable."""
        if frame in self._moved and frame == old_frame and bits & PTE_RW and not old_bits & PTE_RW:
            self._moved[frame].add(vpn)

    def stored(self, vpn: int, frame: int) -> bool:
        """Was this the first store into such a page, through a mapping that was write-protected?"""
        return vpn in self._moved.pop(frame, ())


def joined(workload: Workload, batches: Iterable[Iterable[Entry]]) -> list[Outcome]:
    """The outcome of every recorded fault that was replayed, in the order of beginning. ``batches`` are the trace's, in key order."""
    found: dict[tuple[int, int], Outcome] = {}
    current: dict[int, int] = {}
    pages = MovedUp()
    record: Any
    for batch in batches:
        for entry in batch:
            for record in entry[2]:
                number = record[0]
                if number == TASK_STEP:
                    _, task, index, _, _ = record
                    current[task] = index
                    _begin(workload, task, index, found)
                elif number == FAULT_DONE:
                    _, thread, vpn, how, _, cow = record
                    _end(workload, thread, current.get(thread, -1), vpn, how, cow, found)
                elif number == TLB_HIT:
                    _, thread, vpn, _ = record
                    _end(workload, thread, current.get(thread, -1), vpn, "hit", False, found)
                elif number == STORE:
                    if pages.stored(record[3], record[4]):
                        _unprotected(workload, record[1], current.get(record[1], -1), record[3], found)
                else:
                    _follow(pages, record)
    return list(found.values())


def _follow(pages: MovedUp, record: Any) -> None:
    """What a record says of pages that are moved up."""
    if record[0] == PTE_SET:
        pages.entered(*record[1:])
    elif record[0] == PAGE_REBIND:
        pages.rebound(record[1], record[2], record[4])
    elif record[0] == PAGE_RELEASE:
        pages.released(record[1])


def _unprotected(workload: Workload, task: int, index: int, vpn: int, found: dict[tuple[int, int], Outcome]) -> None:
    """The store that a soft fault was for went to a page that had been moved up."""
    ended = found.get((task, index))
    if ended is not None and ended.how == "soft":
        step = workload.tasks[task].steps[index]
        assert isinstance(step, Access), "only accesses are begun"
        if step.vpn == vpn:
            found[task, index] = ended._replace(cow=True)


def _begin(workload: Workload, task: int, index: int, found: dict[tuple[int, int], Outcome]) -> None:
    step = workload.tasks[task].steps[index]
    if isinstance(step, Access) and step.recorded:
        found[task, index] = Outcome(step.line, task, step.write, step.present, "", False)


def _end(workload: Workload, task: int, index: int, vpn: int, how: str, cow: bool, found: dict[tuple[int, int], Outcome]) -> None:
    """The first outcome on the step's own page counts: a page touched again afterwards is not what was recorded."""
    begun = found.get((task, index))
    if begun is None or begun.how:
        return
    step = workload.tasks[task].steps[index]
    assert isinstance(step, Access), "only accesses are begun"
    if step.vpn == vpn:
        found[task, index] = begun._replace(how=how, cow=cow)
