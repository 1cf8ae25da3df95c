"""I-CONSERVE: no frame is lost or gained.

Two halves. The home of the free lists tells its count with every record; the count must follow from the one before. And at the end of a run
every frame that is on no queue must have an owner. "Quiescent" is decided by threads, not by asking the machine to stand still: a frame
that changed hands last before every thread now at work entered the kernel cannot be in the hands of any of them.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import BOUND, NOT_BUSY, PHASE_NAMES, PRIVATE, RELEASED, FreeView, PageView
from protocol.checks.views.pages import Pages
from protocol.pages import NONE
from protocol.records import Head


class Conserve(Check):
    """Statement: free + cache + inactive + active + hold + owned frames are all frames of the machine, and no frame on no queue is without
    an owner.

    Evaluated: the free count at every ``free.take``, ``free.put``, ``free.withhold`` and ``free.aside``; owners of all frames in use once,
    when a run has ended with its work done. Detects: a frame counted twice or not at all, a leak (C25).
    """

    name = "I-CONSERVE"
    domains = ("pages", "free", "threads")
    before = {"free": {r.FREE_TAKE: "taken", r.FREE_PUT: "put", r.FREE_WITHHOLD: "withheld", r.FREE_ASIDE: "aside"}}

    def taken(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """One fewer."""
        self._count(record[5], view.count - 1, f"{page_name(record[1])} was taken", head, index)

    def put(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """One more."""
        self._count(record[3], view.count + 1, f"{page_name(record[1])} was put back", head, index)

    def withheld(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """As many fewer as a fault takes away."""
        self._count(record[2], view.count - record[1], f"{record[1]} frames were withheld", head, index)

    def aside(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """One fewer, or one more."""
        what = "set aside" if record[3] else "put back"
        self._count(record[4], view.count + (-1 if record[3] else 1), f"{page_name(record[1])} was {what} by a fault", head, index)

    def _count(self, told: int, expected: int, what: str, head: Head, index: int) -> None:
        self.evaluated += 1
        if told != expected:
            self.violate(head, index, f"free lists: {told} frames free after {what}, but it must be {expected}")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Every frame in use has an owner."""
        if isinstance(domain, Pages) and ended == "finished":
            for frame, view in sorted(domain.pages.items()):
                if view.touched_ns < active_since_ns:
                    self.evaluated += 1
                    self._owned(frame, view, head)

    def _owned(self, frame: int, view: PageView, head: Head) -> None:
        if view.phase in (PRIVATE, RELEASED):
            self.violate(head, 0, f"{page_name(frame)}: lost: {PHASE_NAMES[view.phase]} since {view.touched_ns} ns, and nobody works on it")
        elif view.phase == BOUND and view.queue == NONE and not (view.object or view.wire or view.hold or view.owner != NOT_BUSY):
            self.violate(head, 0, f"{page_name(frame)}: lost: on no queue, in no object, not wired, not busy since {view.touched_ns} ns")
