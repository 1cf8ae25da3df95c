"""I-DIRTY and I-COW: what is stored must not be lost, and what is being sent must not change.

Stores are noted by the CPUs as they complete. A store through a TLB entry completes before its CPU answers the shootdown that takes the
entry away, and the page is found clean, write-protected or unmapped after that, so the order is exact.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import BOUND, PageView
from protocol.checks.views.pages import Pages
from protocol.pages import CACHE, PTE_RW
from protocol.records import Head


class Dirty(Check):
    """Statement: a page that is cached, or freed without its owner having given it up, holds no completed store that has not been written
    back.

    Evaluated: when a page moves to the cache queue, and when one is released that was put there, or that vm_page_try_to_free has found
    clean, and has not been used since. Detects: a modified bit lost between page table and page (C11), a page found clean while it could
    still be stored to (C20, C21), a write-out of which only a part has reached the device. A page that is freed with its mapping, its
    file's end or its object is given up by its owner, stores and all. Stores are those of users, through their mappings: what the kernel
    or a device has written into a page is not counted.
    """

    name = "I-DIRTY"
    domains = ("pages",)
    before = {"pages": {r.PAGE_RELEASE: "released"}}
    after = {"pages": {r.PAGE_QUEUE: "queued"}}

    def queued(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_cache."""
        if view.queue == CACHE:
            self.evaluated += 1
            if view.unsaved:
                self._speak(record[1], "cached", view, head, index)

    def released(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Taken for another use."""
        if view.reclaimable:
            self.evaluated += 1
            if view.unsaved:
                self._speak(record[1], "freed", view, head, index)

    def _speak(self, frame: int, what: str, view: PageView, head: Head, index: int) -> None:
        whose = f"{view.object} at {view.pindex}" if view.object else "no object"
        self.violate(head, index, f"{page_name(frame)}: lost write: {what} with a completed store that was not written back ({whose})")


class Cow(Check):
    """Statement: a page of which a zero-copy send is in flight has no writable mapping; when its last send is complete the network's wiring
    of it is gone.

    Evaluated: when a send begins or the last one ends, and when a page that is being sent is mapped writable, each at the ``lock.acquire``
    of the page-queues lock that follows. Detects: a store into what is on the wire (C03, C04, C08, R05, R09). No recording sends a page
    without copying it; the generator kernel_mix does.
    """

    name = "I-COW"
    domains = ("pages",)
    before = {"pages": {r.PAGE_COW: "counted", r.LOCK_ACQUIRE: "queues_locked"}}
    after = {"pages": {r.PTE_SET: "mapped", r.PTE_BITS: "allowed"}}

    def attach(self, domain: Any) -> None:
        """What is to be judged at the next grant is kept by the view."""
        self.pages: Pages = domain

    def counted(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_cowsetup and vm_page_cowclear."""
        self.pages.state.sent[record[1]] = -1 if record[3] > 0 else view.wire

    def mapped(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """pmap_enter."""
        if view.cow > 0 and record[3] & PTE_RW:
            self.pages.state.sent[record[2]] = -1

    def allowed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A mapping gets its right to write back."""
        if view.cow > 0 and record[4] & ~record[3] & PTE_RW:
            self.pages.state.sent[record[2]] = -1

    def queues_locked(self, record: Any, view: None, head: Head, index: int) -> None:
        """Whoever held the page-queues lock before has finished."""
        sent = self.pages.state.sent
        if sent:
            for frame, wirings in sorted(sent.items()):
                page = self.pages.pages.get(frame)
                if page is not None and page.phase == BOUND:
                    self._judge(frame, wirings, page, head, index)
            sent.clear()

    def _judge(self, frame: int, wirings: int, page: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if page.cow > 0 and page.writable > 0:
            self.violate(head, index, f"{page_name(frame)}: being sent ({page.cow} in flight), but mapped writable {page.writable} times")
        elif page.cow == 0 and wirings > 0 and page.wire >= wirings:
            self.violate(head, index, f"{page_name(frame)}: its last send is complete, but it is still wired for it ({page.wire})")
