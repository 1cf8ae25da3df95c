"""What every check is made of: the violation, the derived fact, and the base class that counts.

A check is a predicate on (record, view): the view of its domain is kept up to date by one object per domain, and the check is called with
the record and the view just before or just after the record is applied. It reads nothing else, so that a domain's records can be judged on
any worker. Checks that keep a copy of the machine each were rejected: sixteen dictionaries would be updated per record where five do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from protocol.records import Head, Record

Key = tuple[int, int, int, str, str, int]
"""The key of an event: (time, class, tie, receiver, sender, sequence)."""

Derived = tuple[Key, int, int, int, str, tuple[Any, ...]]
"""(event key, index of the record, role, running number, word, fields): a fact that one shard found and that only all shards together can
judge.

The first four fields are unique, so a plain sort is the order of the records whatever the shards were."""

Hook = Callable[[Any, Any, Head, int], None]
"""(record, view of its subject, event head, index of the record in its entry)."""


class Violation(msgspec.Struct, frozen=True, array_like=True):
    """A check that failed, keyed by the record that broke it.

    ``event`` is the (sender, sequence) of the event whose entry holds the record at position ``index``; ``order`` is that event's (class,
    tie). What is only seen at the end of a run has actor "end" and event ("end", 0).
    """

    check: str
    time_ns: int
    actor: str
    event: tuple[str, int]
    index: int
    message: str
    order: tuple[int, int] = (1, 0)

    @property
    def key(self) -> Key:
        """The key of the event that broke the check."""
        return (self.time_ns, *self.order, self.actor, *self.event)

    @property
    def rank(self) -> tuple[Key, int, str, str]:
        """The total order in which violations are listed: by key, record, check, message."""
        return (self.key, self.index, self.check, self.message)

    def as_json(self) -> dict[str, object]:
        """What ``--json`` prints of it."""
        return {"check": self.check, "time_ns": self.time_ns, "actor": self.actor, "event": list(self.event), "message": self.message}


class Findings:
    """Where checks and views put what they find during one slice."""

    __slots__ = ("after_entry", "derived", "late_ns", "stalled_ns", "violations")

    def __init__(self, late_ns: int = 0, stalled_ns: int = 0) -> None:
        self.late_ns = late_ns
        """The longest that a message of this run may be on its way, declared delays included."""
        self.stalled_ns = stalled_ns
        """For how long a CPU may do nothing, by declared faults."""
        self.after_entry: list[Callable[[], None]] = []
        """Judgements that must wait until all records of the current entry are applied."""
        self.violations: list[Violation] = []
        self.derived: list[Derived] = []

    def settle(self) -> None:
        """The entry is over: make the judgements that waited for it."""
        for judge in self.after_entry:
            judge()
        self.after_entry.clear()

    def derive(self, head: Head, index: int, role: int, word: str, *fields: Any) -> None:
        """A fact for the global stage. One record and role is judged by one shard only, so the running number depends on nothing but the
        record."""
        key = head[:6]
        number = 0
        if self.derived:
            last = self.derived[-1]
            if last[0] == key and last[1] == index and last[2] == role:
                number = last[3] + 1
        self.derived.append((key, index, role, number, word, fields))


class Check:
    """Base of all checks.

    ``name`` is the invariant's; ``domains`` the views it reads; ``before`` and ``after`` map, for each of them, record numbers to the
    methods called with the view as it is before and after the record is applied. ``evaluated`` counts the evaluations that could have
    failed, ``violations`` those that did.
    """

    name: ClassVar[str] = ""
    domains: ClassVar[tuple[str, ...]] = ()
    before: ClassVar[dict[str, dict[int, str]]] = {}
    after: ClassVar[dict[str, dict[int, str]]] = {}

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.evaluated = 0
        self.violations = 0

    def attach(self, domain: Any) -> None:
        """A view this check reads has been built. For checks that look things up for a message or at the end."""

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """The run has ended; called once for each view the check reads. ``active_since_ns``: since when some thread has been at work in the
        kernel."""

    def violate(self, head: Head, index: int, message: str) -> None:
        """The record at ``index`` of the entry with this head breaks the invariant."""
        self.violations += 1
        self.findings.violations.append(Violation(self.name, head[0], head[3], (head[4], head[5]), index, message, (head[1], head[2])))


END_HEAD_ACTOR = "end"


def end_head(now: int) -> Head:
    """The head under which the end of a run is judged: after every event of its time."""
    return (now, 2, 0, END_HEAD_ACTOR, END_HEAD_ACTOR, 0, "", 0)


def thread_name(thread: int) -> str:
    """A thread in the words of a message."""
    return f"thread {thread}" if thread >= 0 else "nobody"


def page_name(frame: int) -> str:
    """A page in the words of a message."""
    return f"vm page {frame:#x}"


__all__ = ["END_HEAD_ACTOR", "Check", "Derived", "Findings", "Hook", "Key", "Record", "Violation", "end_head", "page_name", "thread_name"]
