"""How a fault gets into a part of the machine: one actor's own methods and dispatch table are replaced when it is added to its engine.

A fault acts by the mechanism itself: a flush really leaves the entry, two threads really own the lock. The actor that is concerned gets
other methods, on the instance, and nobody else pays for it; a branch in every handler was rejected, for an undisturbed run would pay too.
What a fault remembers is in the actor's fields, in messages under way, or with its trigger (``cluster.faults.watch``): the replaced
methods hold nothing, and are put in place again after a restore.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Protocol

from actors.actor import Handler
from protocol.faults import Fault
from protocol.identity import kind_of
from protocol.messages import Message
from protocol.messages.faults import Begins

Table = dict[type[Message], Handler]


class Trigger(Protocol):
    """Decides when the fault takes effect at one actor. Occasions are counted there, in the order of the actor's events."""

    def turn(self) -> bool:
        """Here is an occasion, in the event being handled: is it one of which the predicate speaks, and its turn?"""

    def fired(self, what: str) -> None:
        """It takes effect in the event being handled: count it and put it on record."""


Fit = Callable[[Any, Table, Fault, Trigger], None]
"""Puts a fault into an actor, of which the table is the dispatch table."""


def begins(table: Table, fault: Fault, begin: Callable[[], None]) -> None:
    """Let ``begin`` be called when the fault begins; other faults of the same actor begin as before."""
    others = table.get(Begins)

    def handle(message: Begins, sender: str) -> None:
        if message.fault == fault.name:
            begin()
        elif others is not None:
            others(message, sender)

    table[Begins] = handle


def under_way(fault: Fault, now_ns: int) -> bool:
    """Does a fault with a beginning and a duration (0: for good) act at this time?"""
    over = fault.duration_ns and now_ns >= fault.at_ns + fault.duration_ns
    return fault.at_ns <= now_ns and not over and not (fault.heal_ns and now_ns >= fault.heal_ns)


def lasting(fault: Fault, now_ns: int, ns: int) -> int:
    """How long something lasts that begins now and would last ``ns``: not beyond the time from which on no fault acts."""
    return max(1, min(ns, fault.heal_ns - now_ns)) if fault.heal_ns else ns


def is_lock(pattern: str, lock: str) -> bool:
    """Is the lock meant: by its class, its name, or a pattern of names?"""
    return pattern == kind_of(lock) or fnmatchcase(lock, pattern)
