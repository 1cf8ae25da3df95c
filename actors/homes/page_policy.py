"""Which queue a page belongs on, its flags, wiring and mappings (vm-facts 3.7, 3.8, 3.14): each operation under the page-queues lock.

One message per primitive of the kernel. Messages that do a whole step of the page daemon were rejected: the interleavings to be studied lie
between these primitives.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import OpTable, locked, reading, unlocked
from actors.homes.page_life import PageLife
from protocol.messages import Value
from protocol.messages.pages import (
    Activate,
    BootSlab,
    CowCount,
    Deactivate,
    MakeCache,
    SetAct,
    SetDirty,
    SetFlags,
    SetWriteable,
    Unwire,
    Wire,
)
from protocol.messages.pvs import Harvest, PvAdd, PvCount, PvDel, PvRequeue, Pvs
from protocol.messages.queues import Requeue
from protocol.pages import (
    ACTIVE,
    BUSY,
    CACHE,
    FICTITIOUS,
    FIRST_FRAME,
    INACTIVE,
    NONE,
    REFERENCED,
    UNMANAGED,
    VALID_ALL,
    WINATCFLS,
    WRITEABLE,
)
from protocol.records import PAGE_COW, PAGE_WIRE, PV_ADD, PV_DEL, PV_REQUEUE, UNGUARDED


class PagePolicy(PageLife, kw_only=True):
    """Operations on allocated pages that neither begin nor end them."""

    ops: ClassVar[OpTable] = {
        **PageLife.ops,
        Activate: locked("activate", "queue"),
        Deactivate: locked("deactivate", "queue"),
        MakeCache: locked("make_cache", "queue"),
        Requeue: locked("requeue", "queue"),
        SetWriteable: locked("set_writeable", "flags"),
        SetFlags: locked("change_flags", "flags"),
        SetAct: locked("change_act", "act_count"),
        SetDirty: locked("change_dirty", "dirty"),
        Wire: locked("wire", "wire_count"),
        Unwire: locked("unwire", "wire_count"),
        BootSlab: unlocked("boot_slab"),
        CowCount: locked("cow_count", "cow"),
        PvAdd: locked("pv_add", "pv_list"),
        PvDel: locked("pv_del", "pv_list"),
        Pvs: reading("pvs", "pv_list"),
        PvRequeue: reading("pv_requeue", "pv_list"),  # the order of a list changes under the page queues alone; what is on it does not
        Harvest: locked("harvest", "dirty"),
        PvCount: reading("count_pvs", "page"),
    }

    # Queues ---------------------------------------------------------------------------------------------------------------

    def activate(self, op: Activate) -> Value:
        """vm_page_activate."""
        self.activate_page(op.frame, (self.pages.get(op.frame) or self.stray(op, op.frame)))
        return None

    def deactivate(self, op: Deactivate) -> Value:
        """vm_page_deactivate."""
        self.deactivate_page(op.frame, (self.pages.get(op.frame) or self.stray(op, op.frame)), op.head)
        return None

    def make_cache(self, op: MakeCache) -> Value:
        """vm_page_cache; its caller has removed the mappings."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        if page.flags & (BUSY | UNMANAGED) or op.soft or page.hold or page.wire:
            return (False, False)
        if page.queue == CACHE:
            return (True, False)
        if page.dirty:
            return f"vm_page_cache: caching a dirty page, pindex: {page.pindex}"
        self.move(frame, page, CACHE)
        return (True, self.needed)

    def requeue(self, op: Requeue) -> Value:
        """vm_pageq_requeue, with what the scans write at the same time. A page on no queue stays off."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        if op.act >= 0:
            self.set_act(frame, page, op.act)
        if op.clear_referenced:
            self.set_flags(frame, page, page.flags & ~REFERENCED)
        self.move(frame, page, page.queue)
        return None

    # Flags and counts -----------------------------------------------------------------------------------------------------

    def set_writeable(self, op: SetWriteable) -> Value:
        """Step 6 of a fault."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        self.set_flags(frame, page, page.flags | WRITEABLE)
        if op.dirty:
            self.set_dirty(frame, page, VALID_ALL)
        return None

    def change_flags(self, op: SetFlags) -> Value:
        """vm_page_flag_set and vm_page_flag_clear; BUSY has operations of its own and is left alone here."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        self.set_flags(op.frame, page, (page.flags | op.set) & ~op.clear)
        return None

    def change_act(self, op: SetAct) -> Value:
        """m->act_count, as the page daemon's scans leave it; the flag is cleared that has been looked at for it."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        self.set_act(op.frame, page, op.act)
        if op.clear_referenced:
            self.set_flags(op.frame, page, page.flags & ~REFERENCED)
        return None

    def change_dirty(self, op: SetDirty) -> Value:
        """vm_page_dirty, vm_page_undirty."""
        self.set_dirty(op.frame, (self.pages.get(op.frame) or self.stray(op, op.frame)), op.dirty)
        return None

    def wire(self, op: Wire) -> Value:
        """vm_page_wire: the first wiring takes a managed page off its queue; a fictitious one is not counted, since C16."""
        frame = op.frame
        if frame < FIRST_FRAME:
            self._wire_below(op)
            return None
        page = self.pages.get(frame) or self.stray(op, frame)
        if op.pinned and page.flags & FICTITIOUS:
            return None
        if page.wire == 0 and not page.flags & UNMANAGED:
            self.move(frame, page, NONE)
        self.record((PAGE_WIRE, frame, page.wire, page.wire + 1))
        page.wire += 1
        return None

    def _wire_below(self, op: Wire) -> None:
        """A wire count is written where there is no page record but the header of UMA's boot-time slab: one more of its items is free."""
        self.record((UNGUARDED, "vm_page_array", f"page.{op.frame}", op.thread, "an index in the array"))
        self.below += 1

    def boot_slab(self, op: BootSlab) -> Value:
        """What the slab says."""
        return self.below

    def unwire(self, op: Unwire) -> Value:
        """vm_page_unwire: the last one puts a managed page on ACTIVE or INACTIVE."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        if op.pinned and page.flags & FICTITIOUS:
            return None
        if page.wire <= 0:
            return f"vm_page_unwire: invalid wire count: {page.wire}"
        self.record((PAGE_WIRE, frame, page.wire, page.wire - 1))
        page.wire -= 1
        if page.wire == 0 and not page.flags & UNMANAGED:
            if not op.activate:
                self.set_flags(frame, page, page.flags & ~WINATCFLS)
            self.move(frame, page, ACTIVE if op.activate else INACTIVE)
        return None

    def cow_count(self, op: CowCount) -> Value:
        """Zero-copy sends begin (+) or end (-)."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        if op.delta:
            self.record((PAGE_COW, op.frame, page.cow, page.cow + op.delta))
            page.cow += op.delta
        return page.cow

    # Mappings -------------------------------------------------------------------------------------------------------------

    def pv_add(self, op: PvAdd) -> Value:
        """pmap_insert_entry."""
        (self.pages.get(op.frame) or self.stray(op, op.frame)).pvs.append((op.pmap, op.vpn))
        self.pv_entries += 1
        self.record((PV_ADD, op.frame, op.pmap, op.vpn))
        return None

    def pv_del(self, op: PvDel) -> Value:
        """pmap_remove_entry with the bits harvested from the PTE. The last mapping takes WRITEABLE with it (2.2)."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        entry = (op.pmap, op.vpn)
        if entry in page.pvs:
            page.pvs.remove(entry)
            self.pv_entries -= 1
            self.record((PV_DEL, frame, op.pmap, op.vpn, op.accessed, op.modified))
        if op.modified:
            self.set_dirty(frame, page, VALID_ALL)
        gained = REFERENCED if op.accessed else 0
        self.set_flags(frame, page, (page.flags | gained) & ~(0 if page.pvs else WRITEABLE))
        return len(page.pvs)

    def harvest(self, op: Harvest) -> Value:
        """A and M of a PTE that stays, or whose pv entry is gone already."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        if op.modified:
            self.set_dirty(op.frame, page, VALID_ALL)
        if op.accessed:
            self.set_flags(op.frame, page, page.flags | REFERENCED)
        return None

    def pvs(self, op: Pvs) -> Value:
        """The page's mappings, in the order of its list: oldest first, but for those that ts_referenced has looked at."""
        page = self.pages.get(op.frame)
        return tuple(page.pvs) if page else ()

    def pv_requeue(self, op: PvRequeue) -> Value:
        """Whose A bits were looked at comes last the next time."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        if 0 < op.entries < len(page.pvs):
            page.pvs = page.pvs[op.entries :] + page.pvs[: op.entries]
            self.record((PV_REQUEUE, op.frame, op.entries))
        return None

    def count_pvs(self, op: PvCount) -> Value:
        """pv_entry_count."""
        return self.pv_entries
