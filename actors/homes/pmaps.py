"""An address space's page table: PTEs with the bits that hardware sets, page-table pages, pm_active (vm-facts 3.14, 3.15; model notes 4).

pm_active lives with the PTEs although no lock protects it: a switcher sets its bit and then walks, an initiator writes a PTE and then reads
the set, and one actor puts the two in line. A real radix tree of tables was rejected: only which tables exist and how many entries each
holds can be seen.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import ClassVar

import msgspec

from actors.actor import Handler, Port
from actors.home import Home, OpTable, locked, reading, unlocked
from actors.homes.indexes import Indexes
from protocol.messages import Message, Op, Row, Value
from protocol.messages.space import (
    ActiveCpus,
    ActiveMask,
    PtDrop,
    PteClear,
    PteObject,
    PteProtect,
    PteSwap,
    PteTest,
    PtFind,
    PtHold,
    PtInstall,
    PtNeed,
    Range,
    ResidentCount,
    SetActive,
    Walk,
)
from protocol.pages import PTE_A, PTE_M, PTE_RW, PTE_V
from protocol.paging import PAGING
from protocol.records import FRAME_STORE, PMAP_ACTIVE, PT_INSTALL, PT_REFS, PT_REMOVE, PTE_BITS, PTE_CLEAR, PTE_SET, UNGUARDED


class Table(msgspec.Struct, array_like=True):
    """A page-table page: its frame, and the number of valid entries in it."""

    frame: int
    entries: int = 0


class Pmap(Home, kw_only=True):
    """A pmap. ``paging`` is a key of :data:`~protocol.paging.PAGING`."""

    ops: ClassVar[OpTable] = {
        Walk: unlocked("walk"),
        PtNeed: reading("pt_need", "page_table"),
        PtInstall: locked("pt_install", "page_table"),
        PtFind: reading("pt_find", "page_table"),
        PtHold: locked("pt_hold", "page_table_refs"),
        PtDrop: locked("pt_drop", "page_table"),
        PteObject: unlocked("pte_object_name"),
        PteSwap: locked("pte_swap", "pte"),
        PteClear: locked("pte_clear", "pte"),
        PteProtect: locked("pte_protect", "pte_bits"),
        PteTest: locked("pte_test", "pte_bits"),
        Range: reading("range", "pte"),
        ResidentCount: unlocked("resident_count"),
        SetActive: unlocked("set_active"),
        ActiveMask: unlocked("active_mask"),
        ActiveCpus: unlocked("active_cpus"),
    }

    paging: str = "amd64"
    ptes: dict[int, tuple[int, int]] = {}
    """vpn to (frame, bits)."""
    index: Indexes = msgspec.field(default_factory=Indexes)
    """The keys of ``ptes``, in order."""
    tables: list[dict[int, Table]] = []
    """Per level (0 unused), slot to page-table page."""
    pte_object: str = ""
    """pm_pteobj: the object whose pages the page-table pages are (alpha before C14)."""
    active: list[int] = []
    """pm_active: the CPUs on which the address space is loaded, ascending."""

    def __post_init__(self) -> None:
        """A new pmap has its root and no other table."""
        if not self.tables:
            self.tables = [{} for _ in range(PAGING[self.paging].levels)]

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine."""
        self.bits, self.kept_level = PAGING[self.paging].bits, PAGING[self.paging].kept_level
        return super().bind(port)

    def has_lock(self, kind: str, op: Op) -> bool:
        """Page-table pages that are pages of an object are under the lock of that object."""
        if kind == "object":
            return any(name == self.pte_object for name, _ in op.held)
        return super().has_lock(kind, op)

    # The hardware ---------------------------------------------------------------------------------------------------------

    def walk(self, op: Walk) -> Value:
        """The MMU's page walk: no lock, and A and M set on the way."""
        vpn = op.vpn
        frame, bits = self.ptes.get(vpn, (-1, 0))
        if not bits & PTE_V or (op.write and not bits & PTE_RW):
            return (-1, bits)
        used = bits | (PTE_A | PTE_M if op.write else PTE_A)
        if used != bits:
            self.ptes[vpn] = (frame, used)
            self.record((PTE_BITS, vpn, frame, bits, used))
        return (frame, used)

    # PTEs -----------------------------------------------------------------------------------------------------------------

    def pte_swap(self, op: PteSwap) -> Value:
        """Store a PTE. Without a page-table page to hold it, the store goes astray: recorded, and performed.

        Where the caller stores into a page that it found earlier and that is no page-table page any more, that page gets the store.
        """
        vpn = op.vpn
        table = self.tables[1].get(vpn >> self.bits)
        if self._astray(op):
            return (-1, 0)
        old = self.ptes.get(vpn)
        if old is None:
            if table is None:
                self.record((UNGUARDED, "page table", self.name, op.thread, "an installed page-table page"))
            elif not op.counted:
                self._refs(1, vpn >> self.bits, table, 1)
            self.index.add(vpn)
            old = (-1, 0)
        elif op.counted and table is not None:
            self._refs(1, vpn >> self.bits, table, -1)
        self.ptes[vpn] = (op.frame, op.bits)
        self.record((PTE_SET, vpn, op.frame, op.bits, *old))
        return old

    def pte_clear(self, op: PteClear) -> Value:
        """pte_load_clear, and the tables that this leaves empty. Without a PTE, tables on its path that never got an entry are given up."""
        vpn = op.vpn
        if self._astray(op):
            return (-1, 0, ())
        frame, bits = self.ptes.pop(vpn, (-1, 0))
        table = self.tables[1].get(vpn >> self.bits)
        if frame >= 0:
            self.index.discard(vpn)
            self.record((PTE_CLEAR, vpn, frame, bits))
        if table is not None and (frame >= 0 or op.believed):
            self._refs(1, vpn >> self.bits, table, -1)
            if table.entries:
                return (frame, bits, ())
        return (frame, bits, self._give_up_tables(vpn))

    def pte_protect(self, op: PteProtect) -> Value:
        """Take rights from a PTE."""
        if self._astray(op):
            return (-1, 0)
        return self._clear_bits(op.vpn, op.clear)

    def pte_test(self, op: PteTest) -> Value:
        """Read a PTE; ts_referenced and clear_modify take a bit along."""
        if self._missed(op):
            return (-1, 0)
        return self._clear_bits(op.vpn, op.clear)

    def _clear_bits(self, vpn: int, clear: int) -> Value:
        old = self.ptes.get(vpn)
        if old is None:
            return (-1, 0)
        frame, bits = old
        if bits & clear:
            self.ptes[vpn] = (frame, bits & ~clear)
            self.record((PTE_BITS, vpn, frame, bits, bits & ~clear))
        return old

    def range(self, op: Range) -> Value:
        """The valid PTEs of a range, in order."""
        if op.copied and self._unused(op.start, op.end):
            return "pmap_copy: source page table page is unused"
        ptes = self.ptes
        return tuple((vpn, *ptes[vpn]) for vpn in self.index.between(op.start, op.end, op.limit))

    def _unused(self, start: int, end: int) -> bool:
        """Is there a leaf page-table page in the range that counts no entry?"""
        first, last = start >> self.bits, end - 1 >> self.bits
        return any(first <= slot <= last and table.entries <= 0 for slot, table in self.tables[1].items())

    # Page-table pages -----------------------------------------------------------------------------------------------------

    def pt_need(self, op: PtNeed) -> Value:
        """The tables that pmap_allocpte has to allocate."""
        bits, tables = self.bits, self.tables
        return tuple((k, op.vpn >> bits * k) for k in range(len(tables) - 1, 0, -1) if op.vpn >> bits * k not in tables[k])

    def pt_install(self, op: PtInstall) -> Value:
        """Link a page-table page into its parent, which thereby gets an entry."""
        level, slot = op.level, op.slot
        if slot in self.tables[level]:
            return False
        self.tables[level][slot] = Table(op.frame)
        self._count_parent(level, slot, 1)
        self.record((PT_INSTALL, level, slot, op.frame))
        return True

    def pt_find(self, op: PtFind) -> Value:
        """The directory's entry."""
        table = self.tables[1].get(op.vpn >> self.bits)
        return table.frame if table is not None else 0

    def pt_hold(self, op: PtHold) -> Value:
        """Count an entry that is not there yet, or not any more."""
        slot = op.vpn >> self.bits
        table = self.tables[1].get(slot)
        if table is None or (op.table and table.frame != op.table):
            return False
        self._refs(1, slot, table, op.delta)
        return (True, () if table.entries > 0 else self._give_up_tables(op.vpn))

    def pt_drop(self, op: PtDrop) -> Value:
        """pmap_release's last step."""
        table = self.tables[op.level].pop(op.slot, None) if op.level < len(self.tables) else None
        if table is None:
            return 0
        self._count_parent(op.level, op.slot, -1)
        self.record((PT_REMOVE, op.level, op.slot, table.frame))
        return table.frame

    def pte_object_name(self, op: PteObject) -> Value:
        """pm_pteobj."""
        return self.pte_object

    def _missed(self, op: PteSwap | PteClear | PteProtect | PteTest) -> bool:
        """Is the page that the caller takes for the entry's page-table page another one, or none at all?"""
        table = self.tables[1].get(op.vpn >> self.bits)
        return op.table > 0 and (table is None or table.frame != op.table)

    def _astray(self, op: PteSwap | PteClear | PteProtect) -> bool:
        """A store into such a page: it is made, and that page has it."""
        if not self._missed(op):
            return False
        self.record((FRAME_STORE, op.table, op.thread, "pte"))
        return True

    def _count_parent(self, level: int, slot: int, delta: int) -> None:
        if level + 1 < len(self.tables):
            parent = self.tables[level + 1].get(slot >> self.bits)
            if parent is not None:
                self._refs(level + 1, slot >> self.bits, parent, delta)

    def _refs(self, level: int, slot: int, table: Table, delta: int) -> None:
        """Count the valid entries of a page-table page."""
        self.record((PT_REFS, level, slot, table.frame, table.entries, table.entries + delta))
        table.entries += delta

    def _give_up_tables(self, vpn: int) -> tuple[Row, ...]:
        """Unlink the empty tables on the way to ``vpn``, from the leaf up: (level, slot, frame) of each."""
        gone: list[Row] = []
        for level in range(1, len(self.tables)):
            slot = vpn >> self.bits * level
            table = self.tables[level].get(slot)
            if table is None:
                continue
            if table.entries or level == self.kept_level:
                break
            del self.tables[level][slot]
            self._count_parent(level, slot, -1)
            self.record((PT_REMOVE, level, slot, table.frame))
            gone.append((level, slot, table.frame))
        return tuple(gone)

    # Statistics and pm_active ---------------------------------------------------------------------------------------------

    def resident_count(self, op: ResidentCount) -> Value:
        """pm_stats.resident_count; pmap_remove's early exit reads it without the lock (R04)."""
        return len(self.ptes)

    def set_active(self, op: SetActive) -> Value:
        """An atomic bit operation of a CPU's dispatcher."""
        if op.active != (op.cpu in self.active):
            if op.active:
                insort(self.active, op.cpu)
            else:
                del self.active[bisect_left(self.active, op.cpu)]
            self.record((PMAP_ACTIVE, op.cpu, op.active))
        return None

    def active_mask(self, op: ActiveMask) -> Value:
        """pm_active as bits."""
        return sum(1 << cpu for cpu in self.active)

    def active_cpus(self, op: ActiveCpus) -> Value:
        """pm_active as CPU numbers, ascending."""
        return tuple(self.active)
