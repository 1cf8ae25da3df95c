"""Recorded page faults beside what became of them in the model: the steps of the compiled workload joined with the trace's records.

A task's thread bears its number, and between two ``task.step`` records of a thread everything it does belongs to the first; so the join
needs no times. It is a second way to the figures of the summary, which come from counting records alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from protocol.records import FAULT_DONE, TASK_STEP, TLB_HIT, Entry
from protocol.workload import Access, Workload


class Outcome(NamedTuple):
    """What a recorded fault was in the model. ``line`` of the recording; ``how``: soft, zero-fill, cow, hard, or hit; ``cow``: it went
    through copy on write, hard or not."""

    line: int
    task: int
    write: bool
    present: bool
    how: str
    cow: bool


def joined(workload: Workload, batches: Iterable[Iterable[Entry]]) -> list[Outcome]:
    """The outcome of every recorded fault that was replayed, in the order of beginning. ``batches`` are the trace's, in key order."""
    found: dict[tuple[int, int], Outcome] = {}
    current: dict[int, int] = {}
    record: Any
    for batch in batches:
        for entry in batch:
            for record in entry[2]:
                if record[0] == TASK_STEP:
                    _, task, index, _, _ = record
                    current[task] = index
                    _begin(workload, task, index, found)
                elif record[0] == FAULT_DONE:
                    _, thread, vpn, how, _, cow = record
                    _end(workload, thread, current.get(thread, -1), vpn, how, cow, found)
                elif record[0] == TLB_HIT:
                    _, thread, vpn, _ = record
                    _end(workload, thread, current.get(thread, -1), vpn, "hit", False, found)
    return list(found.values())


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
