"""I-ZERO and I-ZERO-IMMUT: what PG_ZERO says, and when it may be said."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import HELD, OTHER, ZEROS, FreeView, PageView
from protocol.pages import ZERO
from protocol.records import Head


class Zero(Check):
    """Statement: a free frame with PG_ZERO is all zero, and zero_count is the number of such frames.

    Evaluated: at every ``free.put`` and ``free.take`` of a frame with PG_ZERO, by what was last put into the frame; the count at every
    ``free.counts``. Detects: a page freed as zero that somebody has written to, whose next owner would see that content (C18).
    """

    name = "I-ZERO"
    domains = ("pages", "free")
    before = {"pages": {r.FREE_PUT: "put", r.FREE_TAKE: "taken"}, "free": {r.FREE_COUNTS: "counted"}}

    def put(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_free_zero, or the idle loop."""
        if record[2]:
            self.evaluated += 1
            if view.content != ZEROS:
                self.violate(head, index, f"{page_name(record[1])}: put on the free list as zero, but it is not known to be")

    def taken(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Nobody wrote to it while it was free."""
        if record[4]:
            self.evaluated += 1
            if view.content == OTHER:
                self.violate(head, index, f"{page_name(record[1])}: taken off the free list as zero, but it was stored to")

    def counted(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """zero_count, of a home whose frames were heard of from the start."""
        if view.buckets:
            self.evaluated += 1
            if record[3] != view.zeroed:
                self.violate(head, index, f"free lists: zero_count is {record[3]}, but {view.zeroed} free frames are zero")


class ZeroImmutable(Check):
    """Statement: PG_ZERO does not change from a page's allocation to its free.

    Evaluated: at every ``page.flags`` of an allocated page. Detects: a caller that clears the flag, for which it takes the page-queues lock
    or lengthens a hold of it (C18's old form, where this is broken and expected to be).
    """

    name = "I-ZERO-IMMUT"
    domains = ("pages",)
    before = {"pages": {r.PAGE_FLAGS: "changed"}}

    def changed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Another flag, or this one."""
        self.evaluated += 1
        if (record[2] ^ record[3]) & ZERO:
            self.findings.after_entry.append(lambda: self._in_use(record, view, head, index))

    def _in_use(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The free of a held page clears the flag in the step that puts it on HOLD."""
        if view.phase != HELD:
            what = "set" if record[3] & ZERO else "cleared"
            self.violate(head, index, f"{page_name(record[1])}: PG_ZERO {what} while the page is in use")
