"""Locks that are given to somebody else while their holder holds them.

An occasion is a request for a lock that another thread holds exclusively: only then is there anything to give away.
"""

from __future__ import annotations

from typing import Any

from actors.faults.base import Table, Trigger
from actors.home import Home
from protocol.faults import Fault
from protocol.messages import Op
from protocol.messages.locks import EXCLUSIVE, SPIN, LockGrant, LockRequest, Sleep, Unlock


def released_early(home: Home, table: Table, fault: Fault, trigger: Trigger) -> None:
    """lock-released-early: the lock is taken from its holder, who does not know, and given to whoever asks for it.

    The lock word says who owns it: what the old holder still does under the lock is done without it, and so is its release, which is
    refused as no owner's. I-LOCKSET speaks at each, and whatever the lock kept whole may break.
    """
    request = table[LockRequest]

    def give_away(message: LockRequest, sender: str) -> None:
        if _held_by_another(home, message) and trigger.turn():
            trigger.fired(f"taken from thread {home.owner}, who holds it, for thread {message.thread}")
            home.owner = -1
        request(message, sender)

    table[LockRequest] = give_away


def granted_twice(home: Home, table: Table, fault: Fault, trigger: Trigger) -> None:
    """lock-granted-twice: two threads have one and the same grant of a lock, as when its word is written without a bus lock.

    Both truly own it: no access of either lacks a guard, and each releases what it got. So I-LOCKSET is silent, and only what the lock kept
    whole tells: of an object's lock, a second page for one offset (the panic of its insertion, and I-TREE: the page names an object that
    does not have it).
    """
    request, unlock, holds, unguarded = table[LockRequest], home.unlock, home.holds, home.unguarded

    def grant_again(message: LockRequest, sender: str) -> None:
        if _held_by_another(home, message) and trigger.turn():
            trigger.fired(f"granted to thread {message.thread}, while thread {home.owner} holds it")
            home.seconds += ((message.thread, home.fence),)
            home.tell(sender, LockGrant(message.thread, home.fence))
        else:
            request(message, sender)

    def is_second(op: Op) -> bool:
        return any(thread == op.thread and (home.name, fence) in op.held for thread, fence in home.seconds)

    def unlock_either(message: Unlock | Sleep, sender: str) -> None:
        mine = (message.thread, message.fence)
        if mine in home.seconds:
            home.seconds = tuple(second for second in home.seconds if second != mine)
        else:
            unlock(message, sender)

    def unguarded_unless_second(op: Op, field: str) -> None:
        if not is_second(op):
            unguarded(op, field)

    patched: Any = home
    patched.holds = lambda op: holds(op) or is_second(op)
    patched.unguarded = unguarded_unless_second
    patched.unlock = table[Unlock] = unlock_either
    table[LockRequest] = grant_again


def _held_by_another(home: Home, message: LockRequest) -> bool:
    return home.owner not in (-1, message.thread) and message.mode in (EXCLUSIVE, SPIN)
