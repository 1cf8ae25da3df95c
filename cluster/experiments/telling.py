"""A run of an arm told step by step: who did what to which page, lock and mapping, up to the first word that was spoken.

The log's own words (cluster.inspect.lines) for the records that are steps of a protocol; costs, counters and bookkeeping are left out. What
only sets the scene is counted, not told: the telling begins shortly before the first thread that the script holds, or calls a routine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cluster.experiments.measures import Said, Seen, seen
from cluster.inspect.escape import escaped
from cluster.inspect.lines import thread_name, what
from cluster.recording.stored import StoredRun
from protocol import records as kinds
from protocol.records import KINDS

LEFT_OUT = frozenset(
    {
        kinds.COMPUTE, kinds.SWITCH, kinds.TASK_END, kinds.PAGE_ACT, kinds.PT_REFS, kinds.OBJECT_REFS, kinds.OBJECT_PIP,
        kinds.OBJECT_FLAGS, kinds.OBJECT_TREE, kinds.OBJECT_NEW, kinds.FREE_COUNTS, kinds.PAGE_COUNTS, kinds.PAGES_NEEDED, kinds.LOOP,
        kinds.ALLOC_COLOUR, kinds.PMAP_ACTIVE, kinds.MAP_ADD, kinds.MAP_OBJECT, kinds.PT_INSTALL, kinds.PT_REMOVE, kinds.BELIEF,
        kinds.TRANSITION, kinds.ARRAY,
    }
)  # fmt: skip
"""Records that are no step of a protocol, or tell what another record tells."""
LEAD_STEPS, HEAD_STEPS, TAIL_STEPS = 16, 40, 44
"""Steps told before the first thread is held, from there on, and before the end."""


class Step(NamedTuple):
    """One step: when, by whom (a task, a kernel thread, or the actor alone), at which home, and what."""

    time_ns: int
    who: str
    where: str
    kind: str
    text: str
    spoken: bool = False


def steps(run: StoredRun, said: Sequence[Said], tasks: Mapping[str, int]) -> Iterator[Step]:
    """The steps of a run in order, and what was spoken where it was; the first panic or violation ends it with the event it belongs to."""
    names = {number: name for name, number in tasks.items()}
    words = {(word.time_ns, word.event): [w for w in said if (w.time_ns, w.event) == (word.time_ns, word.event)] for word in said}
    last = min(words) if words else None
    for event, found in _events(seen(run)):
        for one in found:
            if one.record[0] not in LEFT_OUT:
                yield _step(one, names)
        if event in words:
            yield from (Step(word.time_ns, word.check, word.actor, word.check, word.message, True) for word in words[event])
        if event == last:
            return
    yield from (Step(word.time_ns, word.check, word.actor, word.check, word.message, True) for word in said if word.event == "end:0")


def _events(found: Iterable[Seen]) -> Iterator[tuple[tuple[int, str], list[Seen]]]:
    """The records by the event in which they were made, as (time, "sender:seq")."""
    batch: list[Seen] = []
    key: tuple[int, str] | None = None
    for one in found:
        head = one.entry[0]
        event = (head[0], f"{head[4]}:{head[5]}")
        if event != key and key is not None:
            yield key, batch
            batch = []
        key = event
        batch.append(one)
    if key is not None:
        yield key, batch


def _step(one: Seen, names: Mapping[int, str]) -> Step:
    head = one.entry[0]
    who = head[3] if one.thread is None else names.get(one.thread) or thread_name(one.thread)
    return Step(head[0], who, head[3], KINDS[int(one.record[0])].name, what(one.record))  # type: ignore[call-overload]


def told(run: StoredRun, said: Sequence[Said], tasks: Mapping[str, int]) -> list[str]:
    """The steps as lines, those that nobody needs to read as counts."""
    found = list(steps(run, said, tasks))
    start = max(0, _begins(found) - LEAD_STEPS)
    lines = [_line(step) for step in found[start:]]
    if len(lines) > HEAD_STEPS + TAIL_STEPS:
        lines = [*lines[:HEAD_STEPS], _left_out(len(lines) - HEAD_STEPS - TAIL_STEPS), *lines[-TAIL_STEPS:]]
    return [_left_out(start), *lines] if start else lines


def _begins(found: Sequence[Step]) -> int:
    """Where the story begins: the first thread held, or else the first routine that a script calls."""
    held = (number for number, step in enumerate(found) if step.kind == "held")
    called = (number for number, step in enumerate(found) if step.kind == "task.step" and "operation=kernel" in step.text)
    return next(held, next(called, 0))


def _left_out(count: int) -> str:
    return f"{'':>12}  ... {count} steps ..."


def _line(step: Step) -> str:
    if step.spoken:
        return f"{step.time_ns:>12,}  *** {step.kind}: {escaped(step.text)}"
    return f"{step.time_ns:>12,}  {escaped(step.who):<12} {step.text}"
