"""I-COUNT, I-RESERVE and I-COLOUR: the lists of frames and their counters.

The lists' homes are the free lists' (one lock) and the paging queues' (another), so each is judged by its own records in their order. The
count of cached pages that the free lists' home mirrors is not compared: the kernel reads it without the lock, and it may be on its way.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.state import FreeView, QueuesView
from protocol.identity import address_of
from protocol.pages import ACTIVE, CACHE, CLASS_NAMES, CLASS_NORMAL, CLASS_SYSTEM, HOLD, INACTIVE, QUEUE_NAMES
from protocol.records import Head


class Count(Check):
    """Statement: the counter of every queue is the number of pages on it, over all colours; HOLD is counted with the active queue by the
    kernel and by itself here.

    Evaluated: at every ``page.counts`` (the page daemon reads the queues' counters) and ``free.counts`` (the idle loop and the daemon read
    the free lists'), against the moves since the start. Detects: a page taken off a list that it is not on, or counted twice (C22, C24,
    C25); a scan's marker counted as a page.
    """

    name = "I-COUNT"
    domains = ("queues", "free")
    before = {"queues": {r.PAGE_COUNTS: "queues"}, "free": {r.FREE_COUNTS: "free"}}

    def queues(self, record: Any, view: QueuesView, head: Head, index: int) -> None:
        """INACTIVE, ACTIVE, CACHE and HOLD."""
        for told, queue in zip(record[1:], (INACTIVE, ACTIVE, CACHE, HOLD), strict=True):
            self.evaluated += 1
            if told != view.counts[queue]:
                self.violate(head, index, f"{QUEUE_NAMES[queue]}: the counter says {told} pages, the moves make {view.counts[queue]}")

    def free(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """FREE."""
        self.evaluated += 1
        if record[1] != view.count:
            self.violate(head, index, f"FREE: the counter says {record[1]} frames, the moves make {view.count}")


class Reserve(Check):
    """Statement: an allocation of class NORMAL leaves at least free_reserved frames, one of class SYSTEM at least interrupt_free_min; of
    requests, only those of class INTERRUPT may take the last.

    Evaluated: at every ``free.take`` of the classes NORMAL and SYSTEM. Detects: a user's fault that drains what interrupts need (C08), a
    threshold tested outside the lock under which the frame is taken.
    """

    name = "I-RESERVE"
    domains = ("free",)
    before = {"free": {r.FREE_TAKE: "taken"}}

    def attach(self, domain: Any) -> None:
        """The thresholds are the machine's."""
        limits = domain.machine.thresholds
        self.least = {CLASS_NORMAL: limits.free_reserved, CLASS_SYSTEM: limits.interrupt_free_min}

    def taken(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """What is left."""
        least = self.least.get(record[3])
        if least is not None:
            self.evaluated += 1
            if record[5] < least:
                text = f"class {CLASS_NAMES[record[3]]} leaves {record[5]} frames free, {least} are kept back from it"
                self.violate(head, index, f"{page_name(record[1])}: {text}")


class Colour(Check):
    """Statement: every frame on a list of one colour has that colour, its number modulo the number of colours; and the colour an allocation
    asks for is that of its offset and its object's first colour.

    Evaluated: at every ``free.take``, by whether a list of the colour asked for that was not empty gave a frame of that colour; at every
    ``alloc.colour``. Detects: a colour computed from another object or offset, a finder that passes over the colour's own list (C31, C32).
    """

    name = "I-COLOUR"
    domains = ("free", "facts")
    before = {"free": {r.FREE_TAKE: "taken"}, "facts": {r.ALLOC_COLOUR: "computed"}}

    def attach(self, domain: Any) -> None:
        """The number of colours is the machine's."""
        self.colours: int = domain.machine.colours

    def taken(self, record: Any, view: FreeView, head: Head, index: int) -> None:
        """The colour's own list gives its own frames."""
        if view.buckets:
            self.evaluated += 1
            asked = record[2] % self.colours
            if record[1] % self.colours != asked and view.buckets[asked] > 0:
                left = f"{view.buckets[asked]} frames of it are free"
                self.violate(head, index, f"{page_name(record[1])}: colour {record[1] % self.colours}, asked was {asked}, and {left}")

    def computed(self, record: Any, view: None, head: Head, index: int) -> None:
        """The colour asked for."""
        self.evaluated += 1
        _, _, obj, pindex, colour = record
        wanted = (pindex + (sum(address_of(obj)) if obj else 0)) % self.colours
        if colour != wanted:
            self.violate(head, index, f"{obj or 'a page without an object'} at {pindex}: colour {colour} computed, it is {wanted}")
