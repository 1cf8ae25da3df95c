"""I-BUSY-LOCKED, I-BUSY-ONLY and I-BUSY-VISIBLE: what BUSY is for.

BUSY is there for whoever finds the page while its object's lock is dropped. So it must be set whenever that is so, and setting it for a
removal under the lock is work that nobody can see.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.routing import PAGE, THREAD
from protocol.checks.state import NOT_BUSY, PageView, ThreadView
from protocol.checks.views.pages import Pages
from protocol.identity import PAGE_QUEUES
from protocol.pages import ALLOC_NOBUSY, BUSY, CACHE
from protocol.records import Head


class BusyLocked(Check):
    """Statement: a page on the cache queue is neither busy nor soft-busy, unless the thread that made it busy holds the page-queues lock or
    its object's.

    Evaluated: when a page moves to the cache queue and when I/O begins on one that is there; for a cached page that is made busy, whenever
    its thread gives a lock back. Detects: a window in which an allocator or a scan finds a busy page among those that may be taken (C28).
    """

    name = "I-BUSY-LOCKED"
    domains = ("pages", "threads")
    after = {
        "pages": {r.PAGE_QUEUE: "queued", r.OBJECT_IO: "counted"},
        "threads": {r.LOCK_RELEASE: "released", r.SLEEP: "released", r.PAGE_CACHED_BUSY: "busied"},
    }

    def queued(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_cache refuses a page that is busy. One that leaves the queue is nobody's concern any more; its thread is not heard of."""
        if record[2] == CACHE and view.queue != CACHE and view.owner != NOT_BUSY:
            self.findings.derive(head, index, PAGE, "uncached", record[1])
        if view.queue == CACHE:
            self.evaluated += 1
            if view.owner != NOT_BUSY or view.soft:
                self.violate(head, index, f"{page_name(record[1])}: put on the cache queue while {_busy(view)}")

    def counted(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """No I/O begins on a page that may be taken at any moment."""
        if view.queue == CACHE:
            self.evaluated += 1
            if record[4] > record[3]:
                self.violate(head, index, f"{page_name(record[2])}: I/O begins on it while it is on the cache queue")

    def busied(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """A cached page is made busy."""
        self.findings.derive(head, index, THREAD, "cached", record[1])

    def released(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The thread that made a cached page busy lets go. Whether the page is on the queue still, the global stage knows."""
        if view.cached and PAGE_QUEUES not in view.held:
            for frame, obj in sorted(view.cached.items()):
                self.evaluated += 1
                if obj not in view.held:
                    del view.cached[frame]
                    self.findings.derive(head, index, THREAD, "exposed", frame, record[1], obj)


def _busy(view: PageView) -> str:
    return "soft-busy" if view.owner == NOT_BUSY else f"busied by {thread_name(view.owner)}"


class BusyOnly(Check):
    """Statement: vm_page_remove never clears a BUSY that was set in the same hold of the locks, and an allocation that asked for a page
    that is not busy gets none that is.

    Evaluated: at every ``page.release`` and ``page.rebind``, which have cleared BUSY if a ``page.unbusy`` of the same page precedes them in
    the same step; at every ``page.bind`` that asked for VM_ALLOC_NOBUSY. Detects: BUSY set only to be cleared (C01's and C02's old forms,
    where this is broken and expected to be). "The same hold" is one grant of the page-queues lock, which lies within one of the object's.
    """

    name = "I-BUSY-ONLY"
    domains = ("pages",)
    before = {"pages": {r.PAGE_UNBUSY: "cleared", r.PAGE_RELEASE: "removed", r.PAGE_REBIND: "removed"}}
    after = {"pages": {r.PAGE_BIND: "bound"}}

    last: tuple[int, str, int, int, int] = (-1, "", 0, 0, 0)
    """(frame, sender and number of the event, thread, grant in which BUSY was set) of the last BUSY cleared by its owner."""

    def attach(self, domain: Any) -> None:
        """Grants of the page-queues lock are counted by the view."""
        self.pages: Pages = domain

    def cleared(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Perhaps by a removal: the next record of the step will tell."""
        if view.owner == record[2]:
            self.last = (record[1], head[4], head[5], record[2], view.busied)

    def removed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The page leaves its object."""
        self.evaluated += 1
        frame, sender, number, thread, busied = self.last
        if frame == record[1] and number == head[5] and sender == head[4] and busied == self.pages.state.hold:
            text = f"{thread_name(thread)} made it busy only to remove it under the same locks"
            self.violate(head, index, f"{page_name(frame)}: {text}")

    def bound(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_alloc."""
        if record[7] & ALLOC_NOBUSY:
            self.evaluated += 1
            if record[5] & BUSY:
                self.violate(head, index, f"{page_name(record[1])}: allocated busy, but asked for was one that is not")


class BusyVisible(Check):
    """Statement: while a page is being filled, mapped, moved or written with its object's lock dropped, it is busy or soft-busy, or in no
    object.

    Evaluated: at every ``page.transition`` that begins, and at every record that ends BUSY or I/O on a page of which one is under way, or
    puts it into an object. Detects: a page that others may find, free or map while it is in nobody's hands (C01 and C02 where they are done
    wrongly, C33).
    """

    name = "I-BUSY-VISIBLE"
    domains = ("pages",)
    before = {"pages": {r.PAGE_REBIND: "inserted"}}
    after = {"pages": {r.TRANSITION: "begins", r.PAGE_UNBUSY: "ends", r.OBJECT_IO: "io"}}

    def begins(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The object's lock is about to be dropped."""
        if record[5]:
            self.evaluated += 1
            if not _visible(view):
                text = f"{thread_name(record[1])} drops {record[3]} with it in transition, but it is not busy"
                self.violate(head, index, f"{page_name(record[2])}: {text}")

    def ends(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """BUSY is cleared; the page may leave its object in the same step."""
        if view.moving:
            self.findings.after_entry.append(lambda: self._left(record[1], view, head, index))

    def inserted(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A page that was in no object is in one now: it may be found."""
        if view.moving and record[2] and not view.object:
            self.findings.after_entry.append(lambda: self._found(record, view, head, index))

    def _found(self, record: Any, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.moving and not _visible(view):
            text = f"put into {record[2]}, still in transition and not busy"
            self.violate(head, index, f"{page_name(record[1])}: {text}")

    def io(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """I/O has ended."""
        if view.moving and not record[4]:
            self._left(record[2], view, head, index)

    def _left(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.moving and not _visible(view):
            self.violate(head, index, f"{page_name(frame)}: no longer busy, but still in transition with its object's lock dropped")


def _visible(view: PageView) -> bool:
    return view.owner != NOT_BUSY or view.soft > 0 or not view.object
