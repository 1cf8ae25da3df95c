"""I-CACHE: what a page on the cache queue must be, so that it can be freed at once by whoever needs a frame."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import PageView
from protocol.pages import CACHE, UNMANAGED
from protocol.records import Head


class Cache(Check):
    """Statement: a page on the cache queue is clean, unmapped, not wired, managed, and belongs to an object.

    Evaluated: when a page moves to the cache queue, and at every record that changes one of these while it is there. Detects: a page
    dirtied through a mapping that was still live when it was found clean (C20, C21), an illegal page among those that may be taken (C17).
    """

    name = "I-CACHE"
    domains = ("pages",)
    after = {
        "pages": {
            r.PAGE_QUEUE: "queued", r.PAGE_DIRTY: "changed", r.PV_ADD: "changed", r.PAGE_WIRE: "changed", r.PAGE_FLAGS: "changed",
            r.PAGE_REBIND: "changed", r.PTE_SET: "mapped",
        },
    }  # fmt: skip

    def queued(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """On arrival."""
        if record[3] == CACHE:
            self._judge(record[1], view, head, index)

    def changed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """While it is there."""
        if view.queue == CACHE:
            self._judge(record[1], view, head, index)

    def mapped(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A PTE is entered for it."""
        if view.queue == CACHE:
            self._judge(record[2], view, head, index)

    def _judge(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        faults = (
            (view.dirty, "dirty"), (view.pvs or view.ptes, "mapped"), (view.wire, "wired"), (view.flags & UNMANAGED, "unmanaged"),
            (not view.object, "in no object"),
        )  # fmt: skip
        if any(fault for fault, _ in faults):
            self.violate(head, index, f"{page_name(frame)}: on the cache queue but {', '.join(word for fault, word in faults if fault)}")
