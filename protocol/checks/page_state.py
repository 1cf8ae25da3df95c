"""I-WIRED, I-UNMANAGED, I-FICT and I-ACT: fields of one page that must agree.

They are all the paging queues' home's, which writes them under one lock, so its records are exact in their order and each rule is judged at
every record that could break it. In the kernel the fields are written one after the other under the lock; here the step that must come
first (off the queue, then wired) does come first, so nothing need be excused.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import PageView
from protocol.pages import ACTIVE, CACHE, FICTITIOUS, INACTIVE, MARKER, NONE, QUEUE_NAMES, UNMANAGED
from protocol.records import Head

_PAGING = (ACTIVE, INACTIVE, CACHE)


class Wired(Check):
    """Statement: a page that is wired and not fictitious is on no queue.

    Evaluated: at every ``page.wire`` that leaves the page wired, and at every ``page.queue`` onto a queue. Detects: a wiring that is not
    counted where it was made, an unwiring of another page (C16), a page the reclaim loops can neither use nor lay aside (C17).
    """

    name = "I-WIRED"
    domains = ("pages",)
    after = {"pages": {r.PAGE_WIRE: "wired", r.PAGE_QUEUE: "queued"}}

    def wired(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A wiring more, or less."""
        if view.wire > 0:
            self.evaluated += 1
            if view.queue != NONE:
                self._speak(record[1], view, head, index)

    def queued(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """It is put on a queue."""
        if view.queue != NONE:
            self.evaluated += 1
            if view.wire > 0:
                self._speak(record[1], view, head, index)

    def _speak(self, frame: int, view: PageView, head: Head, index: int) -> None:
        if not view.flags & FICTITIOUS:
            self.violate(head, index, f"{page_name(frame)}: wired {view.wire} times and on {QUEUE_NAMES[view.queue]}")


class Unmanaged(Check):
    """Statement: an unmanaged page, of whose mappings the kernel keeps no list, is on none of the queues from which pages are taken away.

    Evaluated: at every ``page.queue`` onto ACTIVE, INACTIVE or CACHE, and at every ``page.flags`` that makes a page unmanaged. Detects: a
    page that a scan would free although it may be mapped (C17).
    """

    name = "I-UNMANAGED"
    domains = ("pages",)
    after = {"pages": {r.PAGE_QUEUE: "queued", r.PAGE_FLAGS: "flagged"}}

    def queued(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """It is put on a paging queue."""
        if view.queue in _PAGING:
            self.evaluated += 1
            if view.flags & UNMANAGED:
                self._speak(record[1], view, head, index)

    def flagged(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_unmanage."""
        if record[3] & ~record[2] & UNMANAGED:
            self.evaluated += 1
            if view.queue in _PAGING:
                self._speak(record[1], view, head, index)

    def _speak(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.violate(head, index, f"{page_name(frame)}: unmanaged and on {QUEUE_NAMES[view.queue]}")


class Fictitious(Check):
    """Statement: a fictitious page that is no scan's marker is wired once for the whole of its life, and is never on a queue.

    Evaluated: at every ``page.bind``, ``page.wire``, ``page.queue`` and ``page.flags`` of a fictitious page. Detects: a wiring of device
    memory that is counted in the fake page and taken back from a real one (C16). No recording maps a device's memory; the generator
    kernel_mix does.
    """

    name = "I-FICT"
    domains = ("pages",)
    after = {"pages": {r.PAGE_BIND: "changed", r.PAGE_WIRE: "changed", r.PAGE_QUEUE: "changed", r.PAGE_FLAGS: "changed"}}

    def changed(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Whatever of it changes."""
        if view.flags & (FICTITIOUS | MARKER) == FICTITIOUS:
            self.evaluated += 1
            if view.wire != 1:
                self.violate(head, index, f"{page_name(record[1])}: fictitious and wired {view.wire} times")
            if view.queue != NONE:
                self.violate(head, index, f"{page_name(record[1])}: fictitious and on {QUEUE_NAMES[view.queue]}")


class Activity(Check):
    """Statement: a page's act_count is between 0 and 64.

    Evaluated: at every ``page.act``. Detects: a scan that counts below zero or beyond the kernel's limit; no change of the table, but every
    scan of the active queue relies on it.
    """

    name = "I-ACT"
    domains = ("facts",)
    before = {"facts": {r.PAGE_ACT: "counted"}}

    def counted(self, record: Any, view: None, head: Head, index: int) -> None:
        """Aged or used."""
        self.evaluated += 1
        if not 0 <= record[3] <= ACT_MAX:
            self.violate(head, index, f"{page_name(record[1])}: act_count {record[3]}, which is not between 0 and {ACT_MAX}")


ACT_MAX = 64
"""The kernel's ACT_MAX."""
