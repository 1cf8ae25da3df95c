"""What a reader of records knows of threads at any moment: which one a CPU runs, which locks it holds, how deep its routines are nested.

Kept while the log streams by, so its size is the number of threads, not the length of the trace. A log that begins in the middle of a run
learns a thread's locks at its next ``enter`` or ``leave``, which name all that are held.

What a home did, it did for the thread that ran when the message was *sent*: a write that is posted arrives after the thread may have left
the CPU. The message's cause is the event in which the CPU sent it, and in one event a CPU works for one thread, since a switch ends in an
event of its own; so it is enough to remember for the latest events of each CPU who ran in them.
"""

from __future__ import annotations

from typing import Any

from protocol import records as kinds
from protocol.identity import kind_of
from protocol.messages.locks import UPGRADE
from protocol.records import KINDS, Head, Record

_THREAD_AT = {number: kind.fields.index("thread") + 1 for number, kind in KINDS.items() if "thread" in kind.fields}
_OF_RUNNING = frozenset({kinds.TLB_FILL, kinds.TLB_EVICT, kinds.IPI_SEND, kinds.TASK_STEP})
"""Records of a CPU that name no thread and are always the running thread's doing (a flush may be an interrupt's)."""
NOBODY = -1
EVENTS_MAX = 64
"""How many events of a CPU are remembered: what it sends is on its way for a few of them."""


class Threads:
    """Follows records in key order."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._ran: dict[str, dict[tuple[str, int], int]] = {}
        """By CPU: who ran in each of its latest events."""
        self._held: dict[int, list[str]] = {}
        self._routines: dict[int, int] = {}

    def event(self, head: Head) -> None:
        """Take in that an event is handled; its records follow."""
        actor = head[3]
        running = self._running.get(actor)
        if running is None:
            return
        ran = self._ran.setdefault(actor, {})
        ran[head[4], head[5]] = running
        if len(ran) > EVENTS_MAX:
            del ran[next(iter(ran))]

    def thread_of(self, head: Head, record: Any) -> tuple[int | None, bool]:
        """(the thread the record is about or was made for, whether the record itself says so); None if nobody knows."""
        at = _THREAD_AT.get(record[0])
        if at is not None:
            return (None if record[at] == NOBODY else record[at]), True
        actor, sender = head[3], head[4]
        if kind_of(actor) == "cpu":
            return (self._running.get(actor) if record[0] in _OF_RUNNING else None), False
        return self._ran.get(sender, {}).get((head[6], head[7]), self._running.get(sender)), False

    def depth(self, thread: int | None) -> int:
        """How far a record of this thread is indented: locks held plus routines entered."""
        return len(self._held.get(thread, ())) + self._routines.get(thread, 0) if thread is not None else 0

    def held(self, thread: int) -> list[str]:
        """The locks the thread holds, in the order of acquisition."""
        return list(self._held.get(thread, ()))

    def before(self, record: Record) -> None:
        """Take in what makes the record itself stand further left: a release, a routine's end."""
        if record[0] == kinds.LOCK_RELEASE:
            self._released(record)
        elif record[0] == kinds.LEAVE:
            self._routine(record, -1)

    def after(self, actor: str, record: Record) -> None:
        """Take in what makes the following records stand further right, and who runs."""
        number: Any = record[0]
        fields: Any = record
        if number == kinds.LOCK_ACQUIRE:
            if fields[3] != UPGRADE:
                self._held.setdefault(fields[1], []).append(fields[2])
        elif number == kinds.ENTER:
            self._routine(record, 1)
        elif number == kinds.SWITCH:
            self._runs(actor, fields[2])
            return
        if number in _THREAD_AT and number != kinds.WAKE and kind_of(actor) == "cpu":
            self._runs(actor, fields[_THREAD_AT[number]])

    def _runs(self, cpu: str, thread: int) -> None:
        if thread == NOBODY:
            self._running.pop(cpu, None)
        else:
            self._running[cpu] = thread

    def _released(self, record: Any) -> None:
        held = self._held.get(record[1], [])
        for at in range(len(held) - 1, -1, -1):
            if held[at] == record[2]:
                del held[at]
                return

    def _routine(self, record: Any, change: int) -> None:
        thread, held = record[1], record[4]
        self._routines[thread] = max(0, self._routines.get(thread, 0) + change)
        self._held[thread] = _with_recursion(self._held.get(thread, []), held)


def _with_recursion(known: list[str], held: tuple[str, ...]) -> list[str]:
    """The locks a record names as held, each as often as it was known to be held."""
    return known if list(dict.fromkeys(known)) == list(held) else list(held)
