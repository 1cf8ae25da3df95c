"""I-BUSY-XOR: BUSY has one owner. All its records come from the paging queues' home, so they are exact in their order."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.state import NOT_BUSY, PageView
from protocol.records import Head


class BusyXor(Check):
    """Statement: BUSY has exactly one owner; nobody sets it while it is set, nobody clears it while it is clear, and only its owner clears
    it.

    Evaluated: at every ``page.busy`` and ``page.unbusy``. Detects: a page busied twice, un-busied twice, or un-busied by another thread
    (C03, C04).
    """

    name = "I-BUSY-XOR"
    domains = ("pages",)
    before = {"pages": {r.PAGE_BUSY: "busy", r.PAGE_UNBUSY: "unbusy"}}

    def busy(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Clear before it is set."""
        self.evaluated += 1
        _, frame, thread = record
        if view.owner != NOT_BUSY:
            self.violate(head, index, f"{page_name(frame)}: busied by {thread_name(thread)} while busied by {thread_name(view.owner)}")

    def unbusy(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Set before it is cleared, and by whom it was set."""
        self.evaluated += 1
        _, frame, thread = record
        if view.owner == NOT_BUSY:
            self.violate(head, index, f"{page_name(frame)}: page not busy, but un-busied by {thread_name(thread)}")
        elif view.owner != thread:
            self.violate(
                head,
                index,
                f"{page_name(frame)}: un-busied by {thread_name(thread)}, but it is {thread_name(view.owner)} that made it busy",
            )
