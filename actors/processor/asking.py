"""Requests to homes, locks and sleeping: what a thread says to the homes of the state it works on.

Locks are recorded here, where their holder is, so that a thread's acquisitions and releases stand in its own order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from actors.home import Home
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.pmaps import Pmap
from actors.kernel.requests import (
    Acquire,
    Call,
    Create,
    KernelPanic,
    Owned,
    Post,
    Release,
    Request,
    SleepOn,
)
from actors.processor.driver import WAIT
from actors.processor.interrupts import Interrupts
from actors.processor.thread import Thread
from protocol.identity import child_name
from protocol.locks import class_of, may_recurse
from protocol.messages.locks import SPIN, TRY, TRY_SHARED, UPGRADE, LockRequest, Sleep, Unlock
from protocol.messages.processor import RESUME, TIMEOUT
from protocol.messages.queues import CHAN_FREE
from protocol.messages.space import Walk
from protocol.records import LOCK_ACQUIRE, LOCK_FAIL, LOCK_RELEASE, LOCK_WAIT, OBJECT_NEW, SLEEP

SORTS = ("sleep mutex", "sx")
"""What witness calls a mutex, and a lock whose holder may sleep."""
CREATED: dict[str, Callable[..., Home]] = {"object": VmObject, "map": VmMap, "pmap": Pmap}
"""What a CPU can create, by the first word of its name."""


class Asking(Interrupts, kw_only=True):
    """Talks to homes."""

    requests_by: ClassVar[dict[type[Request], str]] = {
        Call: "do_call",
        Post: "do_post",
        Acquire: "do_acquire",
        Release: "do_release",
        Owned: "do_owned",
        SleepOn: "do_sleep",
        Create: "do_create",
    }

    def do_call(self, thread: Thread, request: Call) -> Any:
        """Send the operation; its Reply resumes the thread."""
        op = request.op
        op.thread, op.held = thread.tid, thread.held
        if type(op) is Walk:
            thread.walk_generation = self.tlb.generation
        self.port.send(request.to, op)
        if request.deschedule:
            self.deschedule(thread, f"{request.to} {op.word}")
        else:
            thread.waiting_since = self.clock.now
        return WAIT

    def do_post(self, thread: Thread, request: Post) -> Any:
        """Send the operation; nobody answers."""
        op = request.op
        op.thread, op.held, op.reply = thread.tid, thread.held, False
        self.port.send(request.to, op)
        return None

    def do_create(self, thread: Thread, request: Create) -> Any:
        """Create a home here; its name says so."""
        kind = request.kind
        number = self.made[kind] = self.made.get(kind, 0) + 1
        name = child_name(kind, number, self.name, request.label)
        home = CREATED[kind](name=name, service_ns=self.machine.costs.service_ns, **request.fields)
        home.equip(self.tables.kernel)
        self.port.spawn(home)
        if isinstance(home, VmObject):
            self.record((OBJECT_NEW, name, home.type, home.size, home.refs, home.backing, home.backing_offset))
        return name

    # Locks ------------------------------------------------------------------------------------------------------------------

    def do_acquire(self, thread: Thread, request: Acquire) -> Any:
        """Ask the lock's home, unless the thread holds the lock already."""
        lock, mode = request.lock, request.mode
        if lock in thread.since and mode != UPGRADE:
            return self._reacquire(thread, lock, mode)
        thread.want, thread.want_mode, thread.contended = lock, mode, False
        thread.waiting_since = self.clock.now
        self.port.send(lock, LockRequest(thread.tid, mode))
        return WAIT

    def _reacquire(self, thread: Thread, lock: str, mode: int) -> Any:
        if may_recurse(lock, self.tables.kernel):
            depth = thread.depths[lock] = thread.depths.get(lock, 0) + 1
            self.record((LOCK_ACQUIRE, thread.tid, lock, mode, thread.fence_of(lock), 0, depth + 1))
            if thread.spins and mode not in (SPIN, TRY, TRY_SHARED):
                raise KernelPanic(_blockable(lock))
            return True
        if mode in (TRY, TRY_SHARED):
            self.record((LOCK_FAIL, thread.tid, lock, thread.tid))
            return False
        # The kernel's assertion comes before the wait; without it the thread would wait for itself, which is what is put on record.
        self.record((LOCK_WAIT, thread.tid, lock, thread.tid))
        known = class_of(lock)
        if known.sleepable:
            raise KernelPanic(f"recursed on non-recursive sx {known.type} @ {lock}")
        how = "mtx_lock_spin" if known.spin else "_mtx_lock_sleep"
        raise KernelPanic(f"{how}: recursed on non-recursive mutex {known.type} @ {lock}")

    def do_owned(self, thread: Thread, request: Owned) -> Any:
        """A thread knows its own locks."""
        return request.lock in thread.since

    def granted(self, thread: Thread, lock: str, fence: int) -> None:
        """The lock is the thread's from now on, whatever else the CPU is doing."""
        mode = thread.want_mode
        if mode == UPGRADE:
            thread.held = tuple((name, fence if name == lock else old) for name, old in thread.held)
        else:
            thread.held = (*thread.held, (lock, fence))
        now = self.clock.now
        thread.since[lock] = now
        waited_ns = now - thread.waiting_since if thread.contended else 0
        self.record((LOCK_ACQUIRE, thread.tid, lock, mode, fence, waited_ns, 1))
        if mode == SPIN:
            thread.spins += 1
        elif thread.spins:
            self.refuse_to_block(thread, lock)
        thread.waiting_since = -1
        thread.want = ""

    def refuse_to_block(self, thread: Thread, lock: str) -> None:
        """Rule 1 of witness: with a spin lock held no lock is acquired that may put the thread to sleep, whether it is free or not.

        The kernel panics before it asks for the lock; here the home has been asked already, for the record of what was tried.
        """
        if thread.want_mode not in (TRY, TRY_SHARED):
            self.panic(thread.tid, _blockable(lock))

    def do_release(self, thread: Thread, request: Release) -> Any:
        """Give a lock back. Leaving the last spin lock lets pending interrupts in."""
        lock = request.lock
        if thread.depths and thread.depths.get(lock):
            thread.depths[lock] -= 1
            self.record((LOCK_RELEASE, thread.tid, lock, thread.fence_of(lock), 0, thread.depths[lock] + 1))
            return None
        fence = self._drop(thread, lock)
        self.port.send(lock, Unlock(thread.tid, fence))
        if thread.spins and class_of(lock).spin:
            thread.spins -= 1
            if self.pending and not thread.spins:
                return self._interrupted(thread)
        return None

    def _interrupted(self, thread: Thread) -> Any:
        """Interrupts were waiting for the last spin lock to go: take them, and go on when they are over."""
        self.take_pending()
        if self.clock.now >= self.until_ns:
            return None
        thread.woke = None
        self.set_timer(thread, RESUME, self.until_ns - self.clock.now)
        return WAIT

    def _drop(self, thread: Thread, lock: str) -> int:
        """The thread no longer holds ``lock``; the fence it held it with."""
        since = thread.since.pop(lock, -1)
        if since < 0:
            raise KernelPanic(f"mutex {class_of(lock).type} not owned at {lock}")
        held = thread.held
        name, fence = held[-1]
        if name == lock:
            thread.held = held[:-1]
        else:
            fence = thread.fence_of(lock)
            thread.held = tuple(pair for pair in held if pair[0] != lock)
        self.record((LOCK_RELEASE, thread.tid, lock, fence, self.clock.now - since, 0))
        return fence

    def do_sleep(self, thread: Thread, request: SleepOn) -> Any:
        """msleep: the interlock's home enqueues the thread and releases the lock in one step."""
        lock = request.interlock
        if thread.depths.get(lock):
            raise KernelPanic(f"mutex {class_of(lock).type} recursed at msleep ({request.chan})")
        fence = self._drop(thread, lock)
        self.record((SLEEP, thread.tid, request.chan, lock))
        self.port.send(lock, Sleep(thread.tid, request.chan, fence))
        thread.timed_out = False
        thread.stamp += 1
        if request.timeout_ns:
            self.set_timer(thread, TIMEOUT, request.timeout_ns)
        self.deschedule(thread, f"{lock} {request.chan}")
        if request.timeout_ns:
            thread.waiting_since = -1
        if request.chan == CHAN_FREE:
            thread.memory_waits += 1
        return WAIT


def _blockable(lock: str) -> str:
    return f"blockable sleep lock ({SORTS[class_of(lock).sleepable]}) {class_of(lock).type} @ {lock}"
