"""What a kernel routine promises of locks: which it wants held when it begins, and what it has given back when it ends (vm-facts 3).

A contract speaks of kinds of lock, the check that reads it (I-LOCKRESTORE) of the very locks: a routine that comes back with another
object's lock than it was called with has kept no promise. A routine that enters and leaves without having declared anything promises to
leave the locks as it found them. Contracts stand beside the routines, in the kernel's room, and are given to the checks by whoever makes
them; that the checks import the kernel was rejected, since then no trace could be checked without it.

Here are the contracts of routines that record when they begin and end. The others look at their locks themselves, at every call, and make
one record when a promise is not kept (``actors/kernel/contracts.py``); both say it in the same words, which are here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from protocol.identity import kind_of


class Contract(msgspec.Struct, frozen=True):
    """The locks of one routine, by the kinds of their homes (``object``, ``pq``)."""

    entry: tuple[str, ...] = ()
    """Kinds that must be held on entry."""
    nothing_else: bool = False
    """No other kind may be held on entry, as where the routine sleeps."""
    drops: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(outcome in words, kinds given back): with this outcome the routine leaves without the locks of these kinds; with any other, with all
    that it found."""
    subject: int = -1
    """Which argument of the enter record names the object whose very lock is wanted; -1: any object's lock will do. So it will where the
    caller names none."""
    either: tuple[str, ...] = ()
    """With these held, the others need not be."""
    without: tuple[str, ...] = ()
    """Kinds that must not be held on entry."""

    def given_back(self, outcome: object) -> tuple[str, ...]:
        """The kinds that the routine has given back when it leaves with this outcome."""
        return next((kinds for word, kinds in self.drops if word == outcome), ())

    def missing(self, arguments: Sequence[Any], held: Iterable[str]) -> list[str]:
        """What it wants of a caller who gives it these arguments and holds these locks, and he has not got."""
        names = [*held]
        kinds = [kind_of(lock) for lock in names]
        if self.either and all(kind in kinds for kind in self.either):
            return []
        very = str(arguments[self.subject]) if 0 <= self.subject < len(arguments) else ""
        wanted = [very if very and kind == kind_of(very) else kind for kind in self.entry]
        return [word for word in wanted if word not in names and word not in kinds]

    def unwanted(self, held: Iterable[str]) -> list[str]:
        """The kinds that its caller holds, and should not."""
        kinds = map(kind_of, held)
        return [kind for kind in kinds if kind in self.without or (self.nothing_else and kind not in self.entry)]


AS_FOUND = Contract()
"""Of a routine that declares nothing."""


def entered_text(missing: Sequence[str], over: Sequence[str]) -> str:
    """Of a routine that began without locks it wants, or with some that it does not."""
    return f"entered {_with(missing, 'without')}{' and ' if missing and over else ''}{_with(over, 'with')}"


def left_text(held: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    """Of a routine that ended with other locks, or deeper or less deep ones, than it was to leave with."""
    return f"leaves with {_locks(held)}, but it was to leave with {_locks(wanted)}"


def _with(kinds: Sequence[str], word: str) -> str:
    return f"{word} the lock of {', '.join(kinds)}" if kinds else ""


def _locks(held: Mapping[str, int]) -> str:
    return ", ".join(lock if depth == 1 else f"{lock} (depth {depth})" for lock, depth in held.items()) or "no lock"
