"""A figure taken from a stored run: a metric, records counted or summed, the distance from a fault to its detection, a list of decisions.

Records are attributed to threads as the log attributes them, so that "acquires of the page-queues lock inside vm_page_grab by task A" can
be asked of any run. Counters in the kernel's code were rejected: a figure must come from what happened, not from what a form says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from cluster.errors import InputError
from cluster.experiments.expressions import ALLOWED, ExpressionError, evaluate
from cluster.experiments.form import PANIC, FigureTable, MessagesTable, RecordsTable
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
            threads.event(head)
            for record in entry[2]:
                thread, _ = threads.thread_of(head, record)
                stack = routines.setdefault(thread, []) if thread is not None else []
                if record[0] == kinds.ENTER:
                    stack.append(str(record[2]))
                yield Seen(entry, record, thread, tuple(stack))
                if record[0] == kinds.LEAVE and stack:
                    stack.pop()
                threads.before(record)
                threads.after(head[3], record)


class Names(NamedTuple):
    """What a measure may name: threads by the names of their tasks, and what expressions know."""

    tasks: Mapping[str, int]
    known: Mapping[str, int]


def measured(figure: FigureTable, run: StoredRun, metrics: Mapping[str, int], names: Names) -> int:
    """The figure of one run that is a metric or made of records or messages. Raises InputError for a task or number that is none."""
    if figure.records is not None:
        return _of_records(figure, figure.records, run, names)
    if figure.messages is not None:
        return _of_messages(figure.messages, run)
    return metrics[figure.metric]


def counted_by(metric: str) -> RecordsTable | None:
    """The records that a metric counts, where it counts records of one kind."""
    return RecordsTable(kind=_COUNTED_BY[metric]) if metric in _COUNTED_BY else None


_COUNTED_BY = {"ipi.delivered": "ipi.deliver", "ipi.sent": "ipi.send", "tlb.shootdowns": "shootdown.begin"}


def _of_records(figure: FigureTable, wanted: RecordsTable, run: StoredRun, names: Names) -> int:
    takes = matcher(wanted, names)
    field = figure.sum or figure.max
    values = [1 if not field else _integer(named(found.record).get(field), field) for found in seen(run) if takes(found)]
    return max(values, default=0) if figure.max else sum(values)


def _of_messages(wanted: MessagesTable, run: StoredRun) -> int:
    return sum(
        fnmatchcase(entry[0][3], wanted.actor) and any(fnmatchcase(entry[1], word) for word in wanted.words)
        for batch in run.trace.entries(0, None, None)
        for entry in batch
    )


def _integer(value: object, field: str) -> int:
    if isinstance(value, int):
        return int(value)
    raise InputError(f"figure: field {field!r} is no number in these records", key="figure", found=field, allowed="a field of numbers")


def matcher(wanted: RecordsTable, names: Names) -> Callable[[Seen], bool]:
    """A predicate on records. Raises InputError for a task that does not exist, or a bound that is no expression."""
    numbers = {number for number, kind in KINDS.items() if fnmatchcase(kind.name, wanted.kind)}
    threads = {thread for task, thread in names.tasks.items() if fnmatchcase(task, wanted.task)}
    if wanted.task and not threads:
        key = "figure.records.task"
        raise InputError(f"{key}: no task is called {wanted.task!r}", key=key, found=wanted.task, allowed=list(names.tasks))
    where = {field: _bound(value, names.known) for field, value in wanted.where.items()}

    def takes(found: Seen) -> bool:
        if found.record[0] not in numbers or (threads and found.thread not in threads):
            return False
        if wanted.within and wanted.within not in found.routines:
            return False
        if not fnmatchcase(found.entry[0][3], wanted.actor):
            return False
        fields = named(found.record) if where else {}
        return all(fits(fields.get(field)) for field, fits in where.items())

    return takes


def _bound(value: int | str | bool, known: Mapping[str, int]) -> Callable[[object], bool]:
    """A predicate on a field: equal to a value, like a pattern, or below or above an expression."""
    if not isinstance(value, str):
        return lambda found: found == value
    if value[:1] in "<>" and value:
        limit = _limit(value, known)
        if value[0] == "<":
            return lambda found: isinstance(found, int) and found < limit
        return lambda found: isinstance(found, int) and found > limit
    return lambda found: fnmatchcase(str(found), value)


def _limit(text: str, known: Mapping[str, int]) -> int:
    try:
        return evaluate(text[1:], known)
    except ExpressionError as error:
        key = "figure.records.where"
        raise InputError(f"{key}: {error}; found {text}, allowed: < or >, {ALLOWED}", key=key, found=text, allowed=ALLOWED) from None


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


class Distance(NamedTuple):
    """How far it is from a fault to its detection."""

    events: int
    ns: int


def distance(figure: FigureTable, run: StoredRun, said: Sequence[Said], names: Names) -> Distance | None:
    """From where the distance begins to the word that ends it; None if either is missing."""
    words = [word for word in said if not figure.until or word.check in figure.until]
    if not words:
        return None
    word = min(words, key=lambda one: one.time_ns)
    begins = _beginnings(figure, run, names)
    if not begins:
        return None
    begun = begins[0] if figure.since is not None else begins[-1]
    count = next((n for n, (head, _) in enumerate(_events(run), 1) if (head[0], f"{head[4]}:{head[5]}") == (word.time_ns, word.event)), 0)
    return Distance((count or _count(run)) - begun[0], word.time_ns - begun[1])


def _beginnings(figure: FigureTable, run: StoredRun, names: Names) -> list[tuple[int, int]]:
    """(number of the event, its time) of each record from which the distance may be measured: injections, or else faults that fired."""
    if figure.since is not None:
        takes = matcher(figure.since, names)
        return [(number, entry[0][0]) for number, entry in _numbered(run) if any(takes(found) for found in _seen_in(entry))]
    found: dict[int, list[tuple[int, int]]] = {kinds.INJECTED: [], kinds.FAULT_FIRED: []}
    for number, entry in _numbered(run):
        for record in entry[2]:
            if record[0] == kinds.INJECTED or record[0] == kinds.FAULT_FIRED:
                found[record[0]].append((number, entry[0][0]))
    return found[kinds.INJECTED] or found[kinds.FAULT_FIRED][:1]


def _numbered(run: StoredRun) -> Iterator[tuple[int, Entry]]:
    number = 0
    for batch in run.trace.entries(0, None, None):
        for entry in batch:
            number += 1
            yield number, entry


def _seen_in(entry: Entry) -> Iterator[Seen]:
    """The records of an entry, without what is known of threads."""
    return (Seen(entry, record, None, ()) for record in entry[2])


def _count(run: StoredRun) -> int:
    return sum(1 for _ in _numbered(run))


def _events(run: StoredRun) -> Iterator[tuple[Head, list[Record]]]:
    for batch in run.trace.entries(0, None, None):
        for head, _, records in batch:
            yield head, records


def decisions(run: StoredRun, wanted: list[str]) -> list[Record]:
    """The records of these kinds in order, without their times: what was decided."""
    numbers = {number for number, kind in KINDS.items() if any(fnmatchcase(kind.name, pattern) for pattern in wanted)}
    return [record for _, records in _events(run) for record in records if record[0] in numbers]
