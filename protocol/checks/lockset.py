"""I-LOCKSET and I-REMOVE-OBJ: accesses and their guards (protocol.guards).

The home of a field asks for the field's guard when it performs an operation, from the locks and grants that the operation names, and
records an access without it; the check need not know who holds what. That is exact whatever the latencies are: the home that answers is the
home of the lock, or was told the locks by the thread itself.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.views.locks import Locks
from protocol.guards import PEEKS
from protocol.records import Head


class LockSet(Check):
    """Statement: every access to a field holds the locks that the guard table gives for its phase and for a read or a write; a read without
    a lock is one of those that the kernel declares.

    Evaluated: at every operation of which a home asks for a guard, and at every ``peek``. Detects: a field read or written under the wrong
    lock or none (C05, C09, C11, C15, C22, C30), a lock given back by a thread that does not own it (C12, C13). The homes ask and the check
    counts: an access whose guard is held leaves no record of it.
    """

    name = "I-LOCKSET"
    domains = ("facts",)
    before = {"facts": {r.UNGUARDED: "unguarded", r.PEEK: "peeked"}}

    def unguarded(self, record: Any, view: None, head: Head, index: int) -> None:
        """An access without its guard, performed all the same."""
        _, field, subject, thread, needed = record
        self.violate(head, index, f"{subject}: {thread_name(thread)} accesses {field} without {both(needed)}")

    def peeked(self, record: Any, view: None, head: Head, index: int) -> None:
        """A declared unlocked read."""
        self.evaluated += 1
        if record[1] not in PEEKS:
            self.violate(head, index, f"{thread_name(record[2])} reads {record[1]} without a lock, which is not among the declared reads")


def both(needed: str) -> str:
    """What an access lacks, where it may lack one of two and hold the other."""
    return f"both {needed}" if " and " in needed else needed


class RemoveObject(Check):
    """Statement: whoever removes a page from its object owns the object's lock.

    Evaluated: at every ``object.remove``, and at every ``page.release`` and ``page.rebind`` that takes a page out of an object. The home
    has found a lock missing if it says so in the same step; where it asks for two, the object's and the page queues', it is asked here
    which. Detects: a removal that races with a lookup (C15).
    """

    name = "I-REMOVE-OBJ"
    domains = ("locks", "objects")
    before = {
        "objects": {r.UNGUARDED: "unguarded", r.OBJECT_REMOVE: "removed", r.PAGE_RELEASE: "released", r.PAGE_REBIND: "rebound"},
    }

    bare: tuple[Head | None, int] = (None, -1)
    """The last event in which the object's guard was missing, and the thread. Asked within that event only: it is no state."""

    def attach(self, domain: Any) -> None:
        """Who holds an object's lock: a page leaves its object by a call, so the thread holds then what it held when it asked."""
        if isinstance(domain, Locks):
            self.holders = domain.holders

    def unguarded(self, record: Any, view: None, head: Head, index: int) -> None:
        """A lock of an object's, or of those that a page's word of its owner is under, is not held."""
        if record[1] in _RESIDENCE:
            self.bare = (head, record[3])

    def removed(self, record: Any, view: object, head: Head, index: int) -> None:
        """The object's half. Its list has one lock."""
        self.evaluated += 1
        if self._is_bare(head):
            self._speak(record[2], head[3], head, index)

    def released(self, record: Any, view: object, head: Head, index: int) -> None:
        """The page's half, when it is freed."""
        self._page(record[1], record[2], head, index)

    def rebound(self, record: Any, view: object, head: Head, index: int) -> None:
        """The page's half, when it is renamed or left to its user."""
        self._page(record[1], record[4], head, index)

    def _page(self, frame: int, obj: str, head: Head, index: int) -> None:
        self.evaluated += 1
        if self._is_bare(head) and self.bare[1] not in self.holders.get(obj, ()):
            self._speak(frame, obj, head, index)

    def _is_bare(self, head: Head) -> bool:
        return self.bare[0] == head

    def _speak(self, frame: int, obj: str, head: Head, index: int) -> None:
        self.violate(head, index, f"{page_name(frame)}: removed from {obj} by {thread_name(self.bare[1])}: mutex vm object not owned")


_RESIDENCE = ("memq", "object")
"""Fields that a removal writes."""
