"""I-SINGLE-OWNER, I-TREE and I-NOABA: whose a page is, and whether everybody agrees.

A page's own word of its owner is kept by the paging queues' home, the object's list by the object, the tables by the page table. The first
and the last are written by calls, so they are compared at once; the object's list is written by posts and is compared when the object's
lock is next granted.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.state import BOUND, PHASE_NAMES, PRIVATE, ObjectView, PageView
from protocol.identity import is_pte_object
from protocol.records import Head


class SingleOwner(Check):
    """Statement: a frame has at most one owner: the free list, the thread that took it, an object, a page table. (Of a page-table page
    that belongs to its pmap's object, as on alpha before C14, the two are one.)

    Evaluated: at every ``free.take`` and ``free.put``, at every ``page.bind``, at every ``page.rebind`` into an object, and at every
    ``pt.install``. Detects: a frame that two allocations, or an allocation and contigmalloc, both took (C24); one put on the free list
    while it is somebody's.
    """

    name = "I-SINGLE-OWNER"
    domains = ("pages",)
    before = {
        "pages": {
            r.FREE_TAKE: "taken", r.PAGE_BIND: "bound", r.PAGE_REBIND: "inserted", r.PT_INSTALL: "installed", r.FREE_PUT: "freed",
        },
    }  # fmt: skip

    def attach(self, domain: Any) -> None:
        """The form in force says where page-table pages belong."""
        self.tables_in_objects = domain.kernel.get("C14") == "pte-object"

    def taken(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The free list's frame becomes a thread's."""
        self.evaluated += 1
        if view.table or view.phase in (PRIVATE, BOUND):
            owner = "another allocation that has taken it" if view.phase == PRIVATE else _owner(view)
            self.violate(head, index, f"{page_name(record[1])}: taken from the free list, but it belongs to {owner}")

    def bound(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A frame becomes a page."""
        self.evaluated += 1
        if view.phase == BOUND:
            self.violate(head, index, f"{page_name(record[1])}: allocated to {record[2] or 'no object'}, but it belongs to {_owner(view)}")

    def inserted(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A page goes into an object, from another or from none."""
        if record[2]:
            self.evaluated += 1
            if view.table or view.phase != BOUND:
                self.violate(head, index, f"{page_name(record[1])}: inserted in {record[2]}, but it belongs to {_owner(view)}")

    def installed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A page becomes a page-table page."""
        self.evaluated += 1
        elsewhere = view.object and not (self.tables_in_objects and is_pte_object(view.object))
        if view.table or elsewhere or view.phase != BOUND:
            self.violate(head, index, f"{page_name(record[3])}: made a page-table page of {head[3]}, but it belongs to {_owner(view)}")

    def freed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A frame goes back: its record has been dropped, or it never had one."""
        self.evaluated += 1
        if view.table or view.phase == BOUND:
            self.violate(head, index, f"{page_name(record[1])}: put on the free list, but it belongs to {_owner(view)}")


def _owner(view: PageView) -> str:
    if view.table:
        return f"the page table {view.table}"
    if view.phase != BOUND:
        return f"nobody ({PHASE_NAMES[view.phase]})"
    return f"{view.object} at {view.pindex}" if view.object else "whoever allocated it without an object"


class Tree(Check):
    """Statement: the pages that an object's tree reaches are those on its list and those that name it as their owner, and
    resident_page_count is their number.

    Evaluated: at every ``object.tree``, which counts list and tree; for each page that came or went, at the ``lock.acquire`` of the object
    that follows. Detects: a page beside another that no lookup finds (C23, C24), a removal without the lock that loses pages (C15). The
    list's order by offset is that of the index it is kept in, and cannot be broken here.
    """

    name = "I-TREE"
    domains = ("objects",)
    before = {"objects": {r.OBJECT_TREE: "walked", r.LOCK_ACQUIRE: "locked"}}

    def walked(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """The list is gone through."""
        self.evaluated += 1
        _, resident, reachable = record
        if resident != reachable:
            self.violate(head, index, f"{head[3]}: resident_page_count is {resident}, but the tree reaches {reachable} pages")
        elif resident != len(view.resident):
            self.violate(head, index, f"{head[3]}: resident_page_count is {resident}, but {len(view.resident)} pages were put in")

    def locked(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """Whoever held the lock before has finished."""
        if record[6] == 1:
            self.evaluated += 1
            if view.halves:
                for (pindex, frame), half in sorted(view.halves.items()):
                    found = "on its list, but names another owner" if half > 0 else "not on its list, but names it as its owner"
                    self.violate(head, index, f"{record[2]}: {page_name(frame)} at {pindex} is {found}")


class NoAba(Check):
    """Statement: a thread that goes on with a page it saw before it dropped a lock finds it the same: allocated, in that object, at that
    offset.

    Evaluated: at every ``believes``, and when a transition of a page ends. Detects: a page trusted after a sleep or a wait for memory
    although it was freed, renamed or used again meanwhile (C12, C13, C22, C25, C26, C33, R01). An offset of -1 is one the thread does not
    rely on.
    """

    name = "I-NOABA"
    domains = ("pages",)
    before = {"pages": {r.BELIEF: "believes", r.TRANSITION: "ends"}}

    def believes(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The thread has its lock again."""
        _, thread, frame, obj, pindex = record
        self._judge(thread, frame, obj, pindex, view, head, index)

    def ends(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """It has the object's lock again, and goes on."""
        _, thread, frame, obj, pindex, begins = record
        if not begins:
            self._judge(thread, frame, obj, pindex, view, head, index)

    def _judge(self, thread: int, frame: int, obj: str, pindex: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.phase != BOUND or view.object != obj or pindex not in (-1, view.pindex):
            where = obj if pindex < 0 else f"{obj} at {pindex}"
            self.violate(head, index, f"{page_name(frame)}: {thread_name(thread)} takes it for that of {where}, but it is {_now(view)}")


def _now(view: PageView) -> str:
    if view.phase != BOUND:
        return PHASE_NAMES[view.phase]
    return f"that of {view.object} at {view.pindex}" if view.object else "in no object"
