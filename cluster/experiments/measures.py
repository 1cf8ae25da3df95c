"""A figure taken from a stored run: a metric, records counted or summed, the distance from a fault to its detection, a list of decisions.

Records are attributed to threads as the log attributes them, so that "acquires of the page-queues lock inside vm_page_grab by task A" can
be asked of any run. Counters in the kernel's code were rejected: a figure must come from what happened, not from what a form says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from cluster.errors import InputError
from cluster.experiments.form import PANIC, FigureTable, RecordsTable
from cluster.inspect.threads import Threads
from cluster.recording.stored import StoredRun
from protocol import records as kinds
from protocol.records import KINDS, Entry, Head, Record, named


class Seen(NamedTuple):
    """A record with what is known of it."""

    entry: Entry
    record: Record
    thread: int | None
    routines: tuple[str, ...]


def seen(run: StoredRun) -> Iterator[Seen]:
    """The records of a run in order, each with the thread it was made for and the kernel routines that the thread is in."""
    threads, routines = Threads(), dict[int, list[str]]()
    for batch in run.trace.entries(0, None, None):
        for entry in batch:
            head = entry[0]
            for record in entry[2]:
                thread, _ = threads.thread_of(head[3], head[4], record)
                stack = routines.setdefault(thread, []) if thread is not None else []
                if record[0] == kinds.ENTER:
                    stack.append(str(record[2]))
                yield Seen(entry, record, thread, tuple(stack))
                if record[0] == kinds.LEAVE and stack:
                    stack.pop()
                threads.before(record)
                threads.after(head[3], record)


def measured(figure: FigureTable, run: StoredRun, metrics: Mapping[str, int], tasks: Mapping[str, int]) -> int:
    """The figure of one run that is a metric or made of records; ``tasks`` gives threads by task name.

    Raises InputError for a name that is none.
    """
    if figure.records is not None:
        return _of_records(figure, figure.records, run, tasks)
    if figure.metric not in metrics:
        raise InputError(f"figure.metric: no metric is called {figure.metric!r}", key="figure.metric", found=figure.metric)
    return metrics[figure.metric]


def _of_records(figure: FigureTable, wanted: RecordsTable, run: StoredRun, tasks: Mapping[str, int]) -> int:
    takes = matcher(wanted, tasks)
    field = figure.sum or figure.max
    values = [1 if not field else _integer(named(found.record).get(field), field) for found in seen(run) if takes(found)]
    return max(values, default=0) if figure.max else sum(values)


def _integer(value: object, field: str) -> int:
    if isinstance(value, int):
        return int(value)
    raise InputError(f"figure: field {field!r} is no number in these records", key="figure", found=field, allowed="a field of numbers")


def matcher(wanted: RecordsTable, tasks: Mapping[str, int]) -> Callable[[Seen], bool]:
    """A predicate on records. Raises InputError for a kind, task or field that does not exist."""
    numbers = {number: kind for number, kind in KINDS.items() if fnmatchcase(kind.name, wanted.kind)}
    if not numbers:
        raise InputError(f"figure.records: no kind of record is called {wanted.kind!r}", key="figure.records.kind", found=wanted.kind)
    if wanted.task and wanted.task not in tasks:
        key = "figure.records.task"
        raise InputError(f"{key}: no task is called {wanted.task!r}", key=key, found=wanted.task, allowed=list(tasks))
    for field in wanted.where:
        if not any(field in kind.fields for kind in numbers.values()):
            raise InputError(f"figure.records: {wanted.kind} has no field {field!r}", key="figure.records.where", found=field)
    task = tasks.get(wanted.task)

    def takes(found: Seen) -> bool:
        if found.record[0] not in numbers or (task is not None and found.thread != task):
            return False
        if wanted.within and wanted.within not in found.routines:
            return False
        if not fnmatchcase(found.entry[0][3], wanted.actor):
            return False
        return not wanted.where or _fits(named(found.record), wanted.where)

    return takes


def _fits(fields: Mapping[str, object], where: Mapping[str, int | str | bool]) -> bool:
    for name, value in where.items():
        found = fields.get(name)
        if isinstance(value, str):
            if not fnmatchcase(str(found), value):
                return False
        elif found != value:
            return False
    return True


class Said(NamedTuple):
    """Something that spoke: a check or the modelled kernel, and where."""

    check: str
    time_ns: int
    actor: str
    event: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """As ``run --json`` prints a violation."""
        return self._asdict()


def panics_of(run: StoredRun) -> list[Said]:
    """The panics of the modelled kernel, as words of the check ``panic``."""
    return [
        Said(PANIC, head[0], head[3], f"{head[4]}:{head[5]}", str(record[2]))
        for head, records in _events(run)
        for record in records
        if record[0] == kinds.PANIC
    ]


def distance(run: StoredRun, word: Said | None, unit: str) -> int | None:
    """Events, or ns, from the last injected state (or the first fault that fired) to ``word``; None if either is missing."""
    if word is None:
        return None
    begun: tuple[int, int] | None = None
    injected = False
    count = 0
    for head, records in _events(run):
        count += 1
        numbers = {record[0] for record in records}
        if kinds.INJECTED in numbers or (kinds.FAULT_FIRED in numbers and begun is None and not injected):
            begun, injected = (count, head[0]), injected or kinds.INJECTED in numbers
        if begun is not None and head[0] == word.time_ns and f"{head[4]}:{head[5]}" == word.event:
            break
    if begun is None:
        return None
    return count - begun[0] if unit == "events" else word.time_ns - begun[1]


def _events(run: StoredRun) -> Iterator[tuple[Head, list[Record]]]:
    for batch in run.trace.entries(0, None, None):
        for head, _, records in batch:
            yield head, records


def decisions(run: StoredRun, wanted: list[str]) -> list[Record]:
    """The records of these kinds in order, without their times: what was decided."""
    numbers = {number for number, kind in KINDS.items() if any(fnmatchcase(kind.name, pattern) for pattern in wanted)}
    return [record for _, records in _events(run) for record in records if record[0] in numbers]
