"""I-CONSERVE: no frame is lost or gained.

Two halves. The home of the free lists tells its count with every record; the count must follow from the one before. And at the end of a run
every frame that is on no queue must have an owner. "Quiescent" is decided by threads, not by asking the machine to stand still: a frame
that changed hands last before every thread now at work entered the kernel cannot be in the hands of any of them.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import BOUND, HELD, NOT_BUSY, PHASE_NAMES, PRIVATE, RELEASED, FreeView, PageView
from protocol.checks.views.pages import Pages
from protocol.pages import FICTITIOUS, NONE
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
            found = f"{PHASE_NAMES[view.phase]} since {view.touched_ns} ns, and nobody works on it"
        elif view.phase == HELD and not view.hold:
            found = f"on the hold queue, and held by nobody since {view.touched_ns} ns"
        elif view.phase == BOUND and view.queue == NONE and not (view.object or view.hold or view.owner != NOT_BUSY or _wirer(view)):
            wired = f"wired {view.wire} times by nobody that is known" if view.wire else "not wired"
            found = f"on no queue, in no object, {wired}, not busy since {view.touched_ns} ns"
        else:
            return
        self.violate(head, 0, f"{page_name(frame)}: lost: {found}")


def _wirer(view: PageView) -> bool:
    """Is the page wired by somebody who needs no object for it: the page table whose page it is (or has been: I-PTREF's business), a
    zero-copy send of a page that a store has taken out of its object, a device whose memory it is? The kernel's own wired memory, zones and
    contiguous runs, belongs to the kernel's objects."""
    return view.wire > 0 and bool(view.table or view.unlinked or view.cow or view.flags & FICTITIOUS)
