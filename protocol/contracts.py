"""What a kernel routine promises of locks: which it wants held when it begins, and what it has given back when it ends (vm-facts 3).

A contract speaks of kinds of lock, the check that reads it (I-LOCKRESTORE) of the very locks: a routine that comes back with another
object's lock than it was called with has kept no promise. A routine that enters and leaves without having declared anything promises to
leave the locks as it found them. Contracts stand beside the routines, in the kernel's room, and are given to the checks by whoever makes
them; that the checks import the kernel was rejected, since then no trace could be checked without it.
"""

from __future__ import annotations

import msgspec


class Contract(msgspec.Struct, frozen=True):
    """The locks of one routine, by the kinds of their homes (``object``, ``pq``)."""

    entry: tuple[str, ...] = ()
    """Kinds that must be held on entry."""
    nothing_else: bool = False
    """No other kind may be held on entry, as where the routine sleeps."""
    drops: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(outcome in words, kinds given back): with this outcome the routine leaves without the locks of these kinds; with any other, with all
    that it found."""

    def given_back(self, outcome: object) -> tuple[str, ...]:
        """The kinds that the routine has given back when it leaves with this outcome."""
        return next((kinds for word, kinds in self.drops if word == outcome), ())


AS_FOUND = Contract()
"""Of a routine that declares nothing."""
