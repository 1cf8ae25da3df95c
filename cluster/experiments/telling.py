"""A run of an arm as steps: who did what to which page, lock and mapping, up to the words that the arm is expected to show.

The records that are steps of a protocol, in words (:mod:`cluster.experiments.phrases`); costs, counters and bookkeeping are left out,
unless they are what the experiment counts. How much of it is told, and how, is the business of :mod:`cluster.experiments.stories` and
:mod:`cluster.experiments.diagrams`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cluster.experiments.form import PANIC
from cluster.experiments.measures import Said, Seen, seen
from cluster.experiments.phrases import phrase, with_pages
from cluster.inspect.escape import escaped
from cluster.inspect.lines import thread_name
from cluster.recording.stored import StoredRun
from protocol import records as kinds
from protocol.records import KINDS, Record
from protocol.workload import Kernel, decode

LEFT_OUT = frozenset(
    {
        kinds.COMPUTE, kinds.SWITCH, kinds.TASK_END, kinds.PAGE_ACT, kinds.PT_REFS, kinds.OBJECT_REFS, kinds.OBJECT_PIP,
        kinds.OBJECT_FLAGS, kinds.OBJECT_TREE, kinds.OBJECT_NEW, kinds.FREE_COUNTS, kinds.PAGE_COUNTS, kinds.PAGES_NEEDED, kinds.LOOP,
        kinds.ALLOC_COLOUR, kinds.MAP_ADD, kinds.MAP_OBJECT, kinds.PT_INSTALL, kinds.PT_REMOVE, kinds.BELIEF,
        kinds.TRANSITION, kinds.ARRAY, kinds.PAGE_CACHED_BUSY,
    }
)  # fmt: skip
"""Records that are no step of a protocol, or tell what another record tells."""


class Step(NamedTuple):
    """One step: when, by whom (a task, a kernel thread, or the actor alone), at which home, and what."""

    time_ns: int
    who: str
    where: str
    kind: str
    text: str
    spoken: bool = False
    """A check speaks, or the kernel panics: ``kind`` is its name."""
    counted: bool = False
    """The experiment's figure counts this."""
    event: str = ""
    """The identity of the event in which it was made, ``sender:seq``."""
    cause: str = ""
    """The identity of the event that was being handled when that one was sent."""


class Telling(NamedTuple):
    """What steps are made from besides the run."""

    said: Sequence[Said]
    tasks: Mapping[str, int]
    """Threads by the names of their tasks."""
    until: Sequence[str] = ()
    """Checks: the run is told until each of them has spoken, to its end if one does not or there is none."""
    counts: Callable[[Seen], bool] | None = None
    ends: Callable[[Step], bool] | None = None
    """The run is told beyond ``until``, to the first such step."""


class Cast(NamedTuple):
    """Who acts, and in what: tasks by number, and the kernel routines that their steps call, by task and step."""

    tasks: Mapping[int, str]
    routines: Mapping[tuple[int, int], str]


def cast_of(run: StoredRun, tasks: Mapping[str, int]) -> Cast:
    """The cast of a run. A record names a step only by its number, so what it calls is read from the workload beside the trace."""
    path = run.path / run.manifest.plan.workload_path
    workload = decode(path.read_bytes()) if path.is_file() else None
    routines = {
        (number, index): step.routine
        for number, task in enumerate(workload.tasks if workload is not None else ())
        for index, step in enumerate(task.steps)
        if isinstance(step, Kernel)
    }
    return Cast({number: name for name, number in tasks.items()}, routines)


def steps(run: StoredRun, telling: Telling) -> Iterator[Step]:
    """The steps of a run in order, and what was spoken where it was."""
    cast = cast_of(run, telling.tasks)
    names = cast.tasks
    words: dict[tuple[int, str], list[Step]] = {}
    for word in telling.said:
        words.setdefault((word.time_ns, word.event), []).append(_word(word, names))
    last = _last(telling)
    over = False
    for event, found in _events(seen(run)):
        panicked, ends = "", telling.ends is None
        for one in found:
            if one.record[0] == kinds.PANIC and one.thread is not None:
                panicked = _thread(one.thread, names)
            counted = telling.counts is not None and telling.counts(one)
            if one.record[0] != kinds.PANIC and (counted or one.record[0] not in LEFT_OUT):
                step = _step(one, cast, counted)
                ends = ends or (telling.ends is not None and telling.ends(step))
                yield step
        yield from (word._replace(who=panicked) if word.kind == PANIC and panicked else word for word in words.get(event, ()))
        over = over or event == last
        if over and ends:
            return
    yield from (_word(one, names) for one in telling.said if one.event == "end:0")


def _last(telling: Telling) -> tuple[int, str] | None:
    """The event at which the last of the checks told up to speaks for the first time."""
    firsts: dict[str, Said] = {}
    for one in telling.said:
        firsts.setdefault(one.check, one)
    if not telling.until or any(name not in firsts for name in telling.until):
        return None
    word = max((firsts[name] for name in telling.until), key=lambda one: one.time_ns)
    return word.time_ns, word.event


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


def _step(one: Seen, cast: Cast, counted: bool) -> Step:
    head = one.entry[0]
    who = head[3] if one.thread is None else _thread(one.thread, cast.tasks)
    if one.record[0] == kinds.SHOOT_ACK:
        who = head[4]  # the CPU that was interrupted, not the thread that happened to run there
    kind = KINDS[int(one.record[0])].name  # type: ignore[call-overload]
    event, cause = f"{head[4]}:{head[5]}", f"{head[6]}:{head[7]}"
    return Step(head[0], who, head[3], kind, _text(one.record, kind, cast), counted=counted, event=event, cause=cause)


def _text(record: Record, kind: str, cast: Cast) -> str:
    """The record in words, tasks by their names; a step inside the kernel with the routine that it calls."""
    text = phrase(record)
    if kind == "task.step":
        routine = cast.routines.get((record[1], record[2]), "")  # type: ignore[arg-type]
        return f"{text} {routine}".rstrip()
    if kind.startswith("task."):
        return re.sub(r"\btask (\d+)\b", lambda found: f"task {escaped(cast.tasks.get(int(found[1]), found[1]))}", text)
    return text


def _thread(number: int, names: Mapping[int, str]) -> str:
    return escaped(names.get(number) or thread_name(number))


def _word(one: Said, names: Mapping[int, str]) -> Step:
    """What a check said, with threads by their names."""
    return Step(one.time_ns, one.check, one.actor, one.check, named(one.message, names), spoken=True, event=one.event)


def named(message: str, names: Mapping[int, str]) -> str:
    """A message with the threads that it numbers by the names of their tasks, and pages as everywhere else."""
    return re.sub(r"\bthread (\d+)\b", lambda found: f"thread {_thread(int(found[1]), names)}", with_pages(escaped(message)))
