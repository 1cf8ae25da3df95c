"""Page tables, the TLB entries made from them, and the shootdowns that cover them.

A TLB entry is made by a walk that read the table a little earlier, so a fill may be recorded after the entry it came from has changed. The
view therefore remembers, for each entry that lost rights, the changes since the pmap lock was last given back and the flushes of each CPU
since then. ``clock`` orders them per page table; times would do too, but two facts of one instant need an order that is the same on every
shard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import PMAP
from protocol.checks.state import PmapsState, PmapView
from protocol.checks.views.domain import ACTOR, Domain, Handler
from protocol.identity import SHARED_WINDOW, cpu_name
from protocol.machine import Machine
from protocol.pages import PTE_RW, PTE_V
from protocol.paging import PAGING
from protocol.records import Head

_RIGHTS = PTE_V | PTE_RW
WINDOW_VPN, WINDOW_BITS = 0, PTE_V | PTE_RW
"""A kernel window is an address space of one page. One whose translations are each CPU's own business (PADDR1) loses no rights by a change:
what the others still have in their TLBs they invalidate before they use it."""


class Pmaps(Domain):
    """All page tables of one shard that have anything to them. ``kernel``: the forms in force."""

    name = "pmaps"

    def __init__(
        self, state: PmapsState, machine: Machine, findings: Findings, checks: Sequence[Check], kernel: Mapping[str, str] | None = None
    ) -> None:
        self.pmaps = state.pmaps
        self.loaded = state.loaded
        self.paging = PAGING[machine.pmap]
        self.kernel: Mapping[str, str] = kernel or {}
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        pmaps, make = self.pmaps, PmapView
        return [
            (PMAP, r.PT_REFS, self.compose(r.PT_REFS, pmaps, ACTOR, self._refs, make)),
            (PMAP, r.PT_INSTALL, self.compose(r.PT_INSTALL, pmaps, ACTOR, self._install, make)),
            (PMAP, r.PT_REMOVE, self.compose(r.PT_REMOVE, pmaps, ACTOR, self._remove, make)),
            (PMAP, r.PTE_SET, self.compose(r.PTE_SET, pmaps, ACTOR, self._pte_set, make)),
            (PMAP, r.PTE_CLEAR, self.compose(r.PTE_CLEAR, pmaps, ACTOR, self._pte_clear, make)),
            (PMAP, r.PTE_BITS, self.compose(r.PTE_BITS, pmaps, ACTOR, _pte_bits, make)),
            (PMAP, r.TLB_FILL, self.compose(r.TLB_FILL, pmaps, 1, self._fill, make)),
            (PMAP, r.TLB_EVICT, self.compose(r.TLB_EVICT, pmaps, 1, _evict, None)),
            (PMAP, r.TLB_FLUSH, self._flush),
            (PMAP, r.WINDOW_SET, self.compose(r.WINDOW_SET, pmaps, ACTOR, _window_set, make)),
            (PMAP, r.WINDOW_FILL, self.compose(r.WINDOW_FILL, pmaps, 1, self._window_fill, make)),
            (PMAP, r.PMAP_ACTIVE, self.compose(r.PMAP_ACTIVE, pmaps, ACTOR, self._active, make)),
            (PMAP, r.SHOOT_BEGIN, self.compose(r.SHOOT_BEGIN, pmaps, 2, _begin, make)),
            (PMAP, r.SHOOT_DONE, self.compose(r.SHOOT_DONE, pmaps, 2, _done, None)),
            (PMAP, r.LOCK_RELEASE, self.compose(r.LOCK_RELEASE, pmaps, 2, _released, None)),
        ]

    # Page-table pages -------------------------------------------------------------------------------------------------------

    def _refs(self, record: Any, view: PmapView, head: Head) -> None:
        _, level, slot, frame, old, new = record
        table = (level, slot)
        _uncounted(view, table, new - old)
        if new:
            view.counts[table] = new
            if view.empty:
                view.empty.pop(table, None)
            return
        view.counts.pop(table, None)
        if level != self.paging.kept_level:
            view.empty[table] = frame

    def _install(self, record: Any, view: PmapView, head: Head) -> None:
        _, level, slot, frame = record
        _forget(view, (level, slot))
        view.building[(level, slot)] = frame
        self._child(view, level, slot, 1)

    def _remove(self, record: Any, view: PmapView, head: Head) -> None:
        _, level, slot, _ = record
        _forget(view, (level, slot))
        self._child(view, level, slot, -1)
        self._drop_if_over(head[3], view)

    def _child(self, view: PmapView, level: int, slot: int, entries: int) -> None:
        """A page-table page is an entry of the one above it; the root is no page of its own."""
        if level + 1 < self.paging.levels:
            _entries(view, (level + 1, slot >> self.paging.bits), entries)

    # PTEs -------------------------------------------------------------------------------------------------------------------

    def _pte_set(self, record: Any, view: PmapView, head: Head) -> None:
        _, vpn, frame, bits, old_frame, old_bits = record
        if bits & PTE_V:
            view.ptes[vpn] = (frame, bits)
        else:
            view.ptes.pop(vpn, None)
        if old_bits & PTE_V and (old_frame != frame or old_bits & ~bits & _RIGHTS):
            _changed(view, vpn)
        entries = (bits & PTE_V) - (old_bits & PTE_V)
        if entries:
            _entries(view, (1, vpn >> self.paging.bits), entries)

    def _pte_clear(self, record: Any, view: PmapView, head: Head) -> None:
        vpn = record[1]
        view.ptes.pop(vpn, None)
        if record[3] & PTE_V:
            _changed(view, vpn)
            _entries(view, (1, vpn >> self.paging.bits), -1)

    def _fill(self, record: Any, view: PmapView, head: Head) -> None:
        _, pmap, vpn, frame, bits = record
        cpu = head[3]
        entries = view.tlb.get(cpu)
        if entries is None:
            entries = view.tlb[cpu] = {}
            self.loaded.setdefault(cpu, []).append(pmap)
        entries[vpn] = (frame, bits, view.clock)

    def _window_fill(self, record: Any, view: PmapView, head: Head) -> None:
        _, window, frame = record
        self._fill((r.TLB_FILL, window, WINDOW_VPN, frame, WINDOW_BITS), view, head)

    def _flush(self, record: Any, head: Head, index: int) -> None:
        _, pmap, start, end, _ = record
        cpu = head[3]
        if pmap:
            view = self.pmaps.get(pmap)
            if view is not None:
                _flush_one(view, cpu, start, end)
            return
        for name in self.loaded.pop(cpu, ()):
            view = self.pmaps[name]
            _flush_one(view, cpu, 0, 0)
            view.tlb.pop(cpu, None)
            self._drop_if_over(name, view)

    def _active(self, record: Any, view: PmapView, head: Head) -> None:
        _, cpu, active = record
        if active:
            view.active[cpu_name(cpu)] = view.clock
        else:
            view.active.pop(cpu_name(cpu), None)
            self._drop_if_over(head[3], view)

    def _drop_if_over(self, name: str, view: PmapView) -> None:
        """An address space that has neither entries nor tables, that no CPU has loaded, and that nobody changes just now: its process is
        gone, or it begins anew."""
        if not (view.ptes or view.active or view.tlb or view.counts or view.uncounted or view.empty or view.changed or view.shoots):
            self.pmaps.pop(name, None)


def _flush_one(view: PmapView, cpu: str, start: int, end: int) -> None:
    """Drop [start, end) of a CPU's entries, or all if the range is empty."""
    if view.changed:
        view.clock += 1
        view.flushes.append((cpu, view.clock, start, end))
    entries = view.tlb.get(cpu)
    if not entries:
        return
    if start == end:
        entries.clear()
    elif end - start <= len(entries):
        for vpn in range(start, end):
            entries.pop(vpn, None)
    else:
        for vpn in [vpn for vpn in entries if start <= vpn < end]:
            del entries[vpn]


def _forget(view: PmapView, table: tuple[int, int]) -> None:
    """A page-table page comes or goes: nothing that was counted in this place is its own."""
    for account in (view.empty, view.uncounted, view.counts, view.told, view.building):
        account.pop(table, None)


def _entries(view: PmapView, table: tuple[int, int], more: int) -> None:
    """Valid entries came, or went."""
    if view.building:
        view.building.pop(table, None)
    _uncounted(view, table, -more)


def _uncounted(view: PmapView, table: tuple[int, int], more: int) -> None:
    """References more than valid entries; a change of one is followed by that of the other, however late."""
    uncounted = view.uncounted
    if table not in uncounted:
        uncounted[table] = more
    elif uncounted[table] + more:
        uncounted[table] += more
    else:
        del uncounted[table]
        if view.told:
            view.told.pop(table, None)


def _pte_bits(record: Any, view: PmapView, head: Head) -> None:
    _, vpn, frame, old, new = record
    if new & PTE_V:
        view.ptes[vpn] = (frame, new)
    else:
        view.ptes.pop(vpn, None)
    if old & ~new & _RIGHTS:
        _changed(view, vpn)


def _window_set(record: Any, view: PmapView, head: Head) -> None:
    _, frame, old, _ = record
    view.ptes[WINDOW_VPN] = (frame, WINDOW_BITS)
    if old and head[3] == SHARED_WINDOW:
        _changed(view, WINDOW_VPN)


def _changed(view: PmapView, vpn: int) -> None:
    view.clock += 1
    view.changed[vpn] = view.clock


def _evict(record: Any, view: PmapView, head: Head) -> None:
    entries = view.tlb.get(head[3])
    if entries:
        entries.pop(record[2], None)


def _begin(record: Any, view: PmapView, head: Head) -> None:
    view.clock += 1
    view.shoots[record[1]] = view.clock


def _done(record: Any, view: PmapView, head: Head) -> None:
    view.shoots.pop(record[1], None)


def _released(record: Any, view: PmapView, head: Head) -> None:
    if not record[5] and view.changed:
        view.changed.clear()
        view.flushes.clear()
