"""I-FREE-CLEAN and I-FREE-UNMAPPED: nothing refers to a free frame.

Judged at the instant the frame is put on the free list, and at every later record that would refer to it. The object's half is judged at
the next grant of the object's lock, when posted writes have arrived.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.state import FREE, NOT_BUSY, ObjectView, PageView
from protocol.checks.views.pages import Pages
from protocol.pages import HOLD
from protocol.records import KINDS, Head

_FRAME_FIRST = (
    r.PAGE_BUSY, r.PAGE_FLAGS, r.PAGE_WIRE, r.PAGE_HOLD, r.PAGE_DIRTY, r.PV_ADD, r.FRAME_ZERO, r.FRAME_COPY, r.FRAME_FILL, r.FRAME_STORE,
)  # fmt: skip
"""Records about a frame that stands first in them."""


class FreeClean(Check):
    """Statement: a frame on a free list is in no object, not busy, not wired, not held, not dirty, has no pv entry and no PTE, and nobody
    stores to it.

    Evaluated: at ``page.release`` and ``free.put``; at any record that would make a free frame dirty, busy, wired, held, mapped or
    written to; for soft busy at the later of ``page.release`` and ``object.remove``; for the object's half at the ``lock.acquire`` of the
    object that follows. Detects: a live mapping of a freed page, a page freed while it is wired, busy, held or being sent, one freed but
    left in its object (C09, C11, C24).
    """

    name = "I-FREE-CLEAN"
    domains = ("pages", "objects")
    before = {
        "pages": {r.PAGE_RELEASE: "released", r.FREE_PUT: "put", **dict.fromkeys((*_FRAME_FIRST, r.PTE_SET), "used")},
        "objects": {r.PAGE_RELEASE: "leaves_object", r.OBJECT_REMOVE: "removed", r.LOCK_ACQUIRE: "object_locked"},
    }
    after = {"pages": {r.STORE: "used"}}

    def released(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_free asserts that the page is neither mapped nor wired; its home un-busies it before, and puts a held one on HOLD. Here,
        since the page record goes with all of it."""
        self.evaluated += 1
        faults = (
            (view.pvs or view.ptes, f"mapped{_mappings(view)}"), (view.wire, f"wired {view.wire} times"),
            (view.owner != NOT_BUSY, f"busied by {thread_name(view.owner)}"), (view.cow, f"being sent ({view.cow} in flight)"),
            (view.hold and record[4] != HOLD, f"held {view.hold} times"),
        )  # fmt: skip
        if any(fault for fault, _ in faults):
            self.violate(head, index, f"{page_name(record[1])}: freed while {', '.join(text for fault, text in faults if fault)}")

    def put(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Nothing refers to it."""
        self.evaluated += 1
        if view.ptes or view.pvs or view.wire:
            left = [f"{n} {what}" for n, what in ((view.ptes, "PTEs"), (view.pvs, "pv entries"), (view.wire, "wirings")) if n]
            self.violate(head, index, f"{page_name(record[1])}: put on the free list with {', '.join(left)}{_mappings(view)}")

    def used(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """Nothing may refer to a free frame."""
        self.evaluated += 1
        if view.phase == FREE:
            position = 1 if record[0] in _FRAME_FIRST else 4 if record[0] == r.STORE else 2
            self.violate(head, index, f"{page_name(record[position])}: {KINDS[record[0]].name} while it is on the free list")

    def leaves_object(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """A soft-busy page is not freed: its object has removed it before."""
        self.evaluated += 1
        _, frame, name, pindex, _ = record
        if view.removed_soft.get(pindex) == frame:
            self._soft(frame, name, pindex, head, index)

    def removed(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """Nor is one that its object removes after, whatever the way of the two messages."""
        _, pindex, frame = record
        if view.released.get(pindex) == frame:
            self.evaluated += 1
            if view.resident.get(pindex, (frame, 0))[1]:
                self._soft(frame, head[3], pindex, head, index)

    def _soft(self, frame: int, name: str, pindex: int, head: Head, index: int) -> None:
        self.violate(head, index, f"{page_name(frame)}: freed while soft-busy in {name} at {pindex}")

    def object_locked(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """By the next grant of the object's lock, what was freed has left the object."""
        if record[6] == 1 and view.released:
            for pindex, frame in sorted(view.released.items()):
                self.evaluated += 1
                if view.resident.get(pindex, (0, 0))[0] == frame:
                    self.violate(head, index, f"{page_name(frame)}: freed but still resident in {record[2]} at {pindex}")


def _mappings(view: PageView) -> str:
    if not view.links:
        return ""
    pmap, vpn = next(iter(view.links))
    return f" ({pmap} va {vpn << 12:#x})"


class FreeUnmapped(Check):
    """Statement: no CPU's TLB has a translation to a frame on a free list.

    Evaluated: at ``free.put`` and at ``tlb.fill``. Detects: a frame that left its owner before the shootdown covering it was acknowledged
    (C10 when wrong, C11, C20, R02), an address-space switch that loses a CPU from the set of targets (R03). Translations of the kernel's
    windows are not looked at.
    """

    name = "I-FREE-UNMAPPED"
    domains = ("pages",)
    before = {"pages": {r.FREE_PUT: "put", r.TLB_FILL: "filled"}}

    def attach(self, domain: Any) -> None:
        """Messages name the CPUs."""
        self.pages: Pages = domain

    def put(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """No TLB maps the frame."""
        self.evaluated += 1
        if view.tlb:
            where = "; ".join(self._mapped(*entry) for entry in self.pages.tlb.where(record[1]))
            self.violate(head, index, f"{page_name(record[1])}: on the free list but {where}")

    def _mapped(self, cpu: str, pmap: str, vpn: int) -> str:
        shooting = self.pages.tlb.covering(pmap, vpn)
        begun = f"shootdown by {thread_name(shooting[0])} not acknowledged" if shooting else "no shootdown under way"
        return f"{cpu}'s TLB still maps it ({pmap} va {vpn << 12:#x}; {begun})"

    def filled(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """No TLB gets a translation to a free frame."""
        self.evaluated += 1
        if view.phase == FREE:
            _, pmap, vpn, frame, _ = record
            self.violate(head, index, f"{page_name(frame)}: on the free list but enters {head[3]}'s TLB ({pmap} va {vpn << 12:#x})")
