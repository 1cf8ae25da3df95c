"""Locks, sleeping and waking (vm-facts 2.5; model notes 5).

A lock's name is the name of its home. ``LockGrant`` comes when the lock is the thread's; ``LockWait`` tells a thread that asked for a
sleep mutex or sx lock that it must wait, so that its CPU deschedules it; a spin waiter is told too, so that who waits for whom is known,
but keeps its CPU.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Message, Op

EXCLUSIVE, SHARED, TRY, TRY_SHARED, UPGRADE, SPIN = range(6)
MODE_NAMES = ("exclusive", "shared", "try", "try-shared", "upgrade", "spin")


class LockRequest(Message, tag=10, gc=False):
    """Ask the receiver for its lock in ``mode``. Answered by LockGrant, LockWait then LockGrant, or (try, upgrade) LockFail."""

    word: ClassVar[str] = "lock-request"
    thread: int
    mode: int


class LockGrant(Message, tag=11, gc=False):
    """The sender's lock belongs to ``thread``; ``fence`` counts the lock's grants."""

    word: ClassVar[str] = "lock-grant"
    thread: int
    fence: int


class LockWait(Message, tag=12, gc=False):
    """The sender's lock is held by thread ``owner`` (-1: by readers); ``thread`` is queued and deschedules; a spin waiter (mode SPIN) is
    only told."""

    word: ClassVar[str] = "lock-wait"
    thread: int
    owner: int


class LockFail(Message, tag=13, gc=False):
    """A try-lock found the lock taken by ``owner``, or an upgrade found another reader."""

    word: ClassVar[str] = "lock-fail"
    thread: int
    owner: int


class Unlock(Message, tag=14, gc=False):
    """``thread`` gives the receiver's lock back; ``fence`` is the grant it gives back. Never answered."""

    word: ClassVar[str] = "unlock"
    thread: int
    fence: int


class Sleep(Message, tag=15, gc=False):
    """Enqueue ``thread`` on ``chan`` and, in the same step, release the receiver's lock (msleep with PDROP, grant ``fence``).

    Answered by Woken at the channel's next wake-up. The receiver is the home of the interlock.
    """

    word: ClassVar[str] = "sleep"
    thread: int
    chan: str
    fence: int


class Woken(Message, tag=16, gc=False):
    """``thread`` was taken off ``chan`` by a wake-up."""

    word: ClassVar[str] = "woken"
    thread: int
    chan: str


class Unsleep(Message, tag=17, gc=False):
    """A timed sleep ran out: take ``thread`` off ``chan`` if it is still there (answered by Woken either way)."""

    word: ClassVar[str] = "unsleep"
    thread: int
    chan: str


class Wakeup(Op, tag=18, gc=False):
    """Wake every sleeper on ``chan`` of the receiver. Value: how many."""

    word: ClassVar[str] = "wakeup"
    chan: str
