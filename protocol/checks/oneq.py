"""I-ONEQ: a frame is in exactly one place.

The home of the free lists and the home of the paging queues each know half of a frame's place. Every move is judged against the composite
of both, which is exact because a frame passes between them only by causally ordered steps: taken, bound, released, put back.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import BOUND, FREE, HELD, PHASE_NAMES, PRIVATE, RELEASED, PageView
from protocol.pages import HOLD, LEGAL_MOVES, NONE, QUEUE_NAMES
from protocol.records import Head


class OneQueue(Check):
    """Statement: every frame's queue names exactly one list, the frame is linked there once and nowhere else, and moves only as
    LEGAL_MOVES in protocol/pages.py allows.

    Evaluated: at every record of a frame's place: ``free.take``, ``page.bind``, ``page.queue``, ``page.release``, ``free.put``. Detects: a
    frame allocated twice or freed twice, a page queued while it is on another queue, a frame bound that was never taken (C24, C28, C29).
    """

    name = "I-ONEQ"
    domains = ("pages",)
    before = {
        "pages": {r.FREE_TAKE: "take", r.FREE_PUT: "put", r.PAGE_BIND: "bind", r.PAGE_QUEUE: "queue", r.PAGE_RELEASE: "release"},
    }

    def take(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Only a free frame is taken."""
        self._expect((FREE,), record, view, head, index, "taken from the free lists")

    def bind(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Only a frame just taken becomes a page."""
        self._expect((PRIVATE,), record, view, head, index, "bound as a page")

    def release(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Only a page is released."""
        self._expect((BOUND,), record, view, head, index, "released")

    def put(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Only a frame that its page record has left goes back; one on HOLD only when nobody holds it any more."""
        if view.phase == HELD and view.hold:
            self.evaluated += 1
            self.violate(head, index, f"{page_name(record[1])}: put on the free list while hold count is {view.hold}")
            return
        self._expect((RELEASED, PRIVATE, HELD), record, view, head, index, "put on the free list")

    def queue(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The page moves from where it is, along a legal arrow."""
        self.evaluated += 1
        _, frame, old, new = record
        if view.phase not in (BOUND, HELD):
            place = PHASE_NAMES[view.phase]
            self.violate(head, index, f"{page_name(frame)}: moved to {QUEUE_NAMES[new]} while it is {place}")
        elif old != view.queue:
            found = QUEUE_NAMES[view.queue]
            self.violate(
                head, index, f"{page_name(frame)}: taken off {QUEUE_NAMES[old]} and put on {QUEUE_NAMES[new]}, but it is on {found}"
            )
        elif (old, new) not in LEGAL_MOVES and not (old == HOLD and new == NONE):
            self.violate(head, index, f"{page_name(frame)}: moved from {QUEUE_NAMES[old]} to {QUEUE_NAMES[new]}, which no operation does")

    def _expect(self, phases: tuple[int, ...], record: Any, view: PageView, head: Head, index: int, what: str) -> None:
        self.evaluated += 1
        if view.phase not in phases:
            self.violate(head, index, f"{page_name(record[1])}: {what} while it is {PHASE_NAMES[view.phase]}{_on_queue(view)}")


def _on_queue(view: PageView) -> str:
    return f" on {QUEUE_NAMES[view.queue]}" if view.phase == BOUND and view.queue else ""
