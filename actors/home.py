"""A home: an actor that owns a lock, the state the lock protects, and the channels on which threads sleep with it.

The lock's protocol (engine notes 5): a request is granted at once or queued; release grants to the head of the queue (spin: to a waiter
drawn from the home's keyed stream, unfair like test-and-set). Grants are counted, and the count is the fence that proves ownership.
Operations arrive as :class:`~protocol.messages.base.Op`; their handlers take the operation and return a value, and the table that
:meth:`Home.bind` makes sends the reply; text in answer to a posted operation is the kernel's refusal, and the asker panics with it. A
sleep enqueues and releases in one handler, so no wake-up can be lost between the two.

Whatever a home says because it was asked (grant, wait, refusal, reply, wake-up) leaves ``service_ns`` after the request came. Letting the
home be busy for that long was rejected: it would make every home a queueing server, and a cache line serves the next reader at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from actors.actor import Actor, Handler, Port
from protocol.guards import NO_LOCK, RESIDENT, RESIDENT_GUARDS, LockSets, guard_of, in_words
from protocol.identity import kind_of
from protocol.messages import Message, Op, Reply, Value
from protocol.messages.locks import (
    EXCLUSIVE,
    SHARED,
    SPIN,
    TRY,
    TRY_SHARED,
    UPGRADE,
    LockFail,
    LockGrant,
    LockRequest,
    LockWait,
    Sleep,
    Unlock,
    Unsleep,
    Wakeup,
    Woken,
)
from protocol.messages.processor import Assertion
from protocol.records import UNGUARDED, WAKEUP


class Serving(NamedTuple):
    """How a home serves an operation: by which method, and which field's guard is asked for ("" for none)."""

    method: str
    field: str = ""
    shared: bool = False
    reads: bool = False


def locked(method: str, field: str) -> Serving:
    """Served to a thread that holds what the field's guard asks of a writer; to others too, but that is recorded."""
    return Serving(method, field)


def reading(method: str, field: str) -> Serving:
    """As :func:`locked`, with what the guard asks of a reader."""
    return Serving(method, field, reads=True)


def shared(method: str, field: str) -> Serving:
    """A read that the home's own lock, held shared, is enough for."""
    return Serving(method, field, shared=True, reads=True)


def unlocked(method: str) -> Serving:
    """Served without a lock: hardware, atomic operations, private frames, and reads that the kernel's threads declare as peeks."""
    return Serving(method)


OpTable = dict[type[Op], Serving]
"""Which operations a home serves, and how: the guard of a field is data, since kernel variants differ in it (law 3)."""

Waiter = tuple[str, int, int]
"""(CPU, thread, mode)."""


READING, TRYING = frozenset((SHARED, TRY_SHARED)), frozenset((TRY, TRY_SHARED))


class Home(Actor, kw_only=True):
    """An actor with a lock and sleep channels.

    Subclasses list in ``ops`` the operations that are answered at once (the method's result is the answer), and in ``handlers`` those
    that are answered later or not at all (the method takes the message and its sender).
    """

    ops: ClassVar[OpTable] = {}
    handlers: ClassVar[dict[type[Message], str]] = {
        LockRequest: "lock_request",
        Unlock: "unlock",
        Sleep: "sleep",
        Unsleep: "unsleep",
    }

    service_ns: int = 0
    """What the home spends before it answers."""
    fence: int = 0
    owner: int = -1
    readers: dict[int, int] = {}
    """Thread to fence of each shared holder."""
    waiters: list[Waiter] = []
    sleepers: dict[str, list[tuple[str, int]]] = {}
    """Channel to (CPU, thread) of each sleeper, in the order of going to sleep."""
    seconds: tuple[tuple[int, int], ...] = ()
    """(thread, fence) of each owner that a fault has made beside the first, by the same grant."""

    def equip(self, forms: Mapping[str, str]) -> None:
        """Give the home the forms of the kernel in force, which decide the guards of some fields. Before it is bound."""
        self.forms = forms

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine; operations are wrapped so that what their handler returns is the reply."""
        table = super().bind(port)
        self.send = port.send
        table[Wakeup] = self._serve(unlocked("wakeup"))
        for message, serving in self.ops.items():
            table[message] = self._serve(serving)
        return table

    def _serve(self, serving: Serving) -> Handler:
        """A handler that asks for the guard, performs the operation, and answers it if an answer is wanted."""
        method, field = getattr(self, serving.method), serving.field
        home, name, send, service_ns = self, self.name, self.send, self.service_ns
        needed = self._needed(serving)

        def serve_unlocked(op: Any, sender: str) -> None:
            value = method(op)
            if op.reply:
                send(sender, Reply(op.thread, value), service_ns)
            elif type(value) is str:
                send(sender, Assertion(op.thread, value), service_ns)

        def serve_shared(op: Any, sender: str) -> None:
            if (name, home.readers.get(op.thread, -1)) not in op.held and not home.holds(op):
                home.unguarded(op, field)
            serve_unlocked(op, sender)

        def serve_guarded(op: Any, sender: str) -> None:
            home.ask(op, field, needed)
            serve_unlocked(op, sender)

        def serve_locked(op: Any, sender: str) -> None:
            # The hot path: holds() and serve_unlocked() written out.
            if home.owner != op.thread or (name, home.fence) not in op.held:
                home.unguarded(op, field)
            value = method(op)
            if op.reply:
                send(sender, Reply(op.thread, value), service_ns)
            elif type(value) is str:
                send(sender, Assertion(op.thread, value), service_ns)

        if not field or needed == NO_LOCK:
            return serve_unlocked
        if needed != ((kind_of(name),),):
            return serve_guarded
        return serve_shared if serving.shared else serve_locked

    def _needed(self, serving: Serving) -> LockSets:
        """The guard of the field that an operation reads or writes, under the forms in force; a field without one is under the home's
        own lock."""
        kind = kind_of(self.name)
        if serving.field not in RESIDENT_GUARDS.get(kind, {}):
            return ((kind,),) if serving.field else NO_LOCK
        guard = guard_of(kind, serving.field, RESIDENT, getattr(self, "forms", None))
        return guard.read if serving.reads else guard.write

    def tell(self, cpu: str, message: Message) -> None:
        """Say something to a CPU, ``service_ns`` from now."""
        self.send(cpu, message, self.service_ns)

    def answer(self, cpu: str, op: Op, value: Value) -> None:
        """The reply to an operation whose handler is not one of ``ops``, if a reply is wanted."""
        if op.reply:
            self.tell(cpu, Reply(op.thread, value))

    # The lock -------------------------------------------------------------------------------------------------------------

    def lock_request(self, message: LockRequest, sender: str) -> None:
        """Grant, queue, or refuse. A spin waiter, too, is told whom it waits for; it keeps its CPU all the same."""
        thread, mode = message.thread, message.mode
        if mode == UPGRADE:
            self._upgrade(thread, sender)
        elif self.owner == -1 and (not self.readers or (mode in READING and not self.waiters)):
            self._grant(sender, thread, mode)
        elif mode in TRYING:
            self.tell(sender, LockFail(thread, self.owner))
        else:
            self.waiters.append((sender, thread, mode))
            self.tell(sender, LockWait(thread, self.owner))

    def _grant(self, cpu: str, thread: int, mode: int) -> None:
        self.fence = fence = self.fence + 1
        if mode in READING:
            self.readers[thread] = fence
        else:
            self.owner = thread
        self.send(cpu, LockGrant(thread, fence), self.service_ns)

    def _upgrade(self, thread: int, sender: str) -> None:
        """sx upgrade: succeeds only for the sole reader; otherwise fails and the shared lock is kept."""
        if len(self.readers) == 1 and thread in self.readers and self.owner == -1:
            del self.readers[thread]
            self._grant(sender, thread, EXCLUSIVE)
        else:
            self.tell(sender, LockFail(thread, self.owner))

    def unlock(self, message: Unlock | Sleep, sender: str) -> None:
        """Release and hand over. (A sleep is an unlock, too.) Only the owner with its present grant can release."""
        thread, fence = message.thread, message.fence
        if self.owner == thread and self.fence == fence:
            self.owner = -1
        elif self.readers.get(thread) == fence:
            del self.readers[thread]
        else:
            self.record((UNGUARDED, "lock", self.name, thread, "release by its owner"))
            return
        if self.waiters:
            self._hand_over()

    def _hand_over(self) -> None:
        """Grant to those who may have the lock now: one exclusive waiter, or the readers at the head of the queue."""
        while self.waiters and self.owner == -1:
            index = 0
            if self.waiters[0][2] == SPIN and len(self.waiters) > 1:
                index = self.port.stream("spin").below(len(self.waiters))
            cpu, thread, mode = self.waiters[index]
            if mode != SHARED and self.readers:
                return
            del self.waiters[index]
            self._grant(cpu, thread, mode)

    # Proofs (law 3): reads that the kernel makes without a lock are declared by the thread that makes them, not asked for here ----------

    def holds(self, op: Op) -> bool:
        """Does the asking thread hold this home's lock exclusively, by its present grant?"""
        return self.owner == op.thread and (self.name, self.fence) in op.held

    def guarded(self, op: Op, needed: LockSets) -> bool:
        """Does the asking thread hold one of these sets of locks: the home's own by its present grant, others by their names?"""
        return any(all(self.has_lock(kind, op) for kind in kinds) for kinds in needed)

    def ask(self, op: Op, field: str, needed: LockSets) -> None:
        """Record an access whose thread does not hold what is needed; it is performed all the same, as in :meth:`unguarded`."""
        if not self.guarded(op, needed):
            self.record((UNGUARDED, field, self.name, op.thread, in_words(needed)))

    def has_lock(self, kind: str, op: Op) -> bool:
        """Does the thread hold the lock of this kind that the operation's subject is under? A home that knows which one says so."""
        if kind == kind_of(self.name):
            return self.holds(op)
        return any(kind_of(name) == kind for name, _ in op.held)

    def unguarded(self, op: Op, field: str) -> None:
        """Record an access without the lock; it is performed all the same, so that an old protocol can do its damage."""
        self.record((UNGUARDED, field, self.name, op.thread, self.name))

    # Sleeping -------------------------------------------------------------------------------------------------------------

    def sleep(self, message: Sleep, sender: str) -> None:
        """Enqueue the thread on the channel and release the interlock, in one step."""
        self.sleepers.setdefault(message.chan, []).append((sender, message.thread))
        self.slept(message.chan)
        self.unlock(message, sender)

    def slept(self, chan: str) -> None:
        """Called when a thread has been put on ``chan``, before its interlock is released. (VM_WAIT wakes the page daemon here.)"""

    def unsleep(self, message: Unsleep, sender: str) -> None:
        """A timed sleep ran out."""
        queue = self.sleepers.get(message.chan, [])
        if (sender, message.thread) in queue:
            queue.remove((sender, message.thread))
            if not queue:
                del self.sleepers[message.chan]
            self.tell(sender, Woken(message.thread, message.chan))

    def wakeup(self, op: Wakeup) -> Value:
        """Wake every sleeper on a channel. No lock is asked: wakeup() needs none."""
        return self.wake_all(op.chan)

    def wake_all(self, chan: str) -> int:
        """Wake every sleeper on ``chan``; returns how many there were."""
        queue = self.sleepers.pop(chan, None)
        if not queue:
            return 0
        self.record((WAKEUP, chan, tuple(thread for _, thread in queue)))
        for cpu, thread in queue:
            self.tell(cpu, Woken(thread, chan))
        return len(queue)
