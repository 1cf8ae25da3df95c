"""I-LOCKSET and I-REMOVE-OBJ: accesses and their guards (protocol.guards).

The home of a field asks for the field's guard when it performs an operation, from the locks and grants that the operation names, and
records an access without it; the check need not know who holds what. That is exact whatever the latencies are: the home that answers is the
home of the lock, or was told the locks by the thread itself.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
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
        self.violate(head, index, f"{subject}: {thread_name(thread)} accesses {field} without {needed}")

    def peeked(self, record: Any, view: None, head: Head, index: int) -> None:
        """A declared unlocked read."""
        self.evaluated += 1
        if record[1] not in PEEKS:
            self.violate(head, index, f"{thread_name(record[2])} reads {record[1]} without a lock, which is not among the declared reads")


class RemoveObject(Check):
    """Statement: whoever removes a page from its object owns the object's lock.

    Evaluated: at every ``object.remove``, and at every ``page.release`` and ``page.rebind`` that takes a page out of an object: the home
    has found the lock missing if it says so in the same step. Detects: a removal that races with a lookup (C15).
    """

    name = "I-REMOVE-OBJ"
    domains = ("objects", "pages")
    before = {
        "objects": {r.UNGUARDED: "unguarded", r.OBJECT_REMOVE: "removed"},
        "pages": {r.UNGUARDED: "unguarded", r.PAGE_RELEASE: "released", r.PAGE_REBIND: "released"},
    }

    bare: tuple[str, int, int] = ("", 0, -1)
    """(sender, number) of the last event in which the object's guard was missing, and the thread."""

    def unguarded(self, record: Any, view: None, head: Head, index: int) -> None:
        """The lock of an object, or of the object that a page names, is not held."""
        if record[1] in _RESIDENCE:
            self.bare = (head[4], head[5], record[3])

    def removed(self, record: Any, view: object, head: Head, index: int) -> None:
        """The object's half."""
        self._judge(record[2], head[3], head, index)

    def released(self, record: Any, view: Any, head: Head, index: int) -> None:
        """The page's half."""
        if view.object:
            self._judge(record[1], view.object, head, index)

    def _judge(self, frame: int, obj: str, head: Head, index: int) -> None:
        self.evaluated += 1
        sender, number, thread = self.bare
        if number == head[5] and sender == head[4]:
            self.violate(head, index, f"{page_name(frame)}: removed from {obj} by {thread_name(thread)}: mutex vm object not owned")


_RESIDENCE = ("memq", "object")
"""Fields that a removal writes."""
