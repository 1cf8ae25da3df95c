"""A home: an actor that owns a lock, the state the lock protects, and the channels on which threads sleep with it.

The lock's protocol (engine notes 5): a request is granted at once or queued; release grants to the head of the queue (spin: to a waiter drawn
from the home's keyed stream, unfair like test-and-set). Grants are counted, and the count is the fence that proves ownership. Operations
arrive as :class:`~protocol.messages.base.Op`; their handlers take the operation and return a value, and the table that :meth:`Home.bind` makes
sends the reply. A sleep enqueues and releases in one handler, so no wake-up can be lost between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from actors.actor import Actor, Handler, Port
from protocol.locks import class_of
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
from protocol.records import UNGUARDED, WAKEUP

Waiter = tuple[str, int, int]
"""(CPU, thread, mode)."""


class Home(Actor, kw_only=True):
    """An actor with a lock and sleep channels. Subclasses list their operations in ``ops``: type to method name."""

    ops: ClassVar[dict[type[Op], str]] = {}
    handlers: ClassVar[dict[type[Message], str]] = {
        LockRequest: "lock_request",
        Unlock: "unlock",
        Sleep: "sleep",
        Unsleep: "unsleep",
    }

    fence: int = 0
    owner: int = -1
    readers: dict[int, int] = {}
    """Thread to fence of each shared holder."""
    waiters: list[Waiter] = []
    sleepers: dict[str, list[tuple[str, int]]] = {}

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine; operations are wrapped so that what their handler returns is the reply."""
        table = super().bind(port)
        for message, method in {**self.ops, Wakeup: "wakeup"}.items():
            table[message] = _serving(getattr(self, method), port)
        return table

    # The lock -------------------------------------------------------------------------------------------------------------

    def lock_request(self, message: LockRequest, sender: str) -> None:
        """Grant, queue, or refuse."""
        thread, mode = message.thread, message.mode
        if mode == UPGRADE:
            self._upgrade(thread, sender)
        elif self._free_for(mode):
            self._grant(sender, thread, mode)
        elif mode in (TRY, TRY_SHARED):
            self.port.send(sender, LockFail(thread, self.owner))
        else:
            self.waiters.append((sender, thread, mode))
            if mode != SPIN:
                self.port.send(sender, LockWait(thread, self.owner))

    def _free_for(self, mode: int) -> bool:
        if self.owner != -1:
            return False
        if mode in (SHARED, TRY_SHARED):
            return not self.waiters
        return not self.readers

    def _grant(self, cpu: str, thread: int, mode: int) -> None:
        self.fence += 1
        if mode in (SHARED, TRY_SHARED):
            self.readers[thread] = self.fence
        else:
            self.owner = thread
        self.port.send(cpu, LockGrant(thread, self.fence))

    def _upgrade(self, thread: int, sender: str) -> None:
        """sx upgrade: succeeds only for the sole reader; otherwise fails and the shared lock is kept."""
        if len(self.readers) == 1 and thread in self.readers and self.owner == -1:
            del self.readers[thread]
            self._grant(sender, thread, EXCLUSIVE)
        else:
            self.port.send(sender, LockFail(thread, self.owner))

    def unlock(self, message: Unlock, sender: str) -> None:
        """Release and hand over."""
        self._release(message.thread, message.fence)

    def _release(self, thread: int, fence: int) -> None:
        if self.readers.get(thread) == fence:
            del self.readers[thread]
        elif self.owner == thread and self.fence == fence:
            self.owner = -1
        else:
            self.record((UNGUARDED, "lock", self.name, thread, "release by its owner"))
            return
        self.released(thread)
        self._hand_over()

    def released(self, thread: int) -> None:
        """Called when ``thread`` has given the lock back, before it is handed on. (An sx map counts its timestamp here.)"""

    def _hand_over(self) -> None:
        while self.waiters and self.owner == -1:
            index = 0
            if class_of(self.name).spin and len(self.waiters) > 1:
                index = self.port.stream("spin").below(len(self.waiters))
            cpu, thread, mode = self.waiters[index]
            if mode != SHARED and self.readers:
                return
            del self.waiters[index]
            self._grant(cpu, thread, mode)

    def guarded(self, op: Op, *fields: str) -> bool:
        """Does the asking thread hold this home's lock? If not, that is recorded, and the access is performed all the same (law 3)."""
        if (self.owner == op.thread and (self.name, self.fence) in op.held) or op.thread in self.readers:
            return True
        for field in fields:
            self.record((UNGUARDED, field, self.name, op.thread, self.name))
        return False

    # Sleeping -------------------------------------------------------------------------------------------------------------

    def sleep(self, message: Sleep, sender: str) -> None:
        """Enqueue the thread on the channel and release the interlock, in one step."""
        self.sleepers.setdefault(message.chan, []).append((sender, message.thread))
        self._release(message.thread, message.fence)

    def unsleep(self, message: Unsleep, sender: str) -> None:
        """A timed sleep ran out."""
        queue = self.sleepers.get(message.chan, [])
        if (sender, message.thread) in queue:
            queue.remove((sender, message.thread))
            if not queue:
                del self.sleepers[message.chan]
            self.port.send(sender, Woken(message.thread, message.chan))

    def wakeup(self, op: Wakeup) -> Value:
        """Wake every sleeper on a channel."""
        return self.wake_all(op.chan)

    def wake_all(self, chan: str) -> int:
        """Wake every sleeper on ``chan``; returns how many there were."""
        queue = self.sleepers.pop(chan, None)
        if not queue:
            return 0
        self.record((WAKEUP, chan, tuple(thread for _, thread in queue)))
        for cpu, thread in queue:
            self.port.send(cpu, Woken(thread, chan))
        return len(queue)


def _serving(method: Callable[[Any], Value], port: Port) -> Handler:
    """A handler that performs an operation and answers it if an answer is wanted."""
    send = port.send

    def serve(op: Any, sender: str) -> None:
        value = method(op)
        if op.reply:
            send(sender, Reply(op.thread, value))

    return serve
