"""I-TLB and I-TLB-DONE: what a TLB may still say after its page-table entry has changed.

Between a change and the acknowledgement of the invalidation it began, another CPU may use the old translation; that is the kernel's own
rule (vm-facts 3.15). So entries are judged when the changer gives the pmap lock back, which it holds until the shootdown is over, and when
a shootdown is done. A walk that read the table before the change may still fill the TLB, as long as its CPU has not flushed since.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, thread_name
from protocol.checks.state import PmapView
from protocol.checks.views.pmaps import WINDOW_BITS, WINDOW_VPN
from protocol.identity import cpu_name, kind_of
from protocol.pages import PTE_M, PTE_RW
from protocol.records import Head

_WRITES = PTE_RW | PTE_M


def grants_more(frame: int, bits: int, pte: tuple[int, int] | None) -> bool:
    """Does a translation allow what the page-table entry does not: any access, another frame, or writing?

    A translation cached with M clear does not allow writing by itself: the first store through it walks the table again (vm-facts 3.14).
    """
    return pte is None or pte[0] != frame or (bits & _WRITES == _WRITES and not pte[1] & PTE_RW)


class Tlb(Check):
    """Statement: no TLB entry grants more than its page-table entry (valid, same frame, writable), except until the CPU has acknowledged
    the invalidation begun by the change. A stale entry that grants less is legal.

    Evaluated: at every ``tlb.fill`` and ``window.fill``; when the lock of a pmap or of the kernel's shared window is given back, for every
    entry that lost rights under it. Detects: a forgotten, misdirected or too short shootdown (C10, C11, C20, R02, R03).
    """

    name = "I-TLB"
    domains = ("pmaps",)
    before = {"pmaps": {r.TLB_FILL: "filled", r.WINDOW_FILL: "window_filled", r.LOCK_RELEASE: "released"}}

    def filled(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """The walk's answer agrees with the table, or its CPU's flush is still to come."""
        self.evaluated += 1
        _, pmap, vpn, frame, bits = record
        pte = view.ptes.get(vpn)
        if grants_more(frame, bits, pte) and not _flush_to_come(view, head[3], vpn):
            self.violate(head, index, f"{head[3]}'s TLB: {pmap} va {vpn << 12:#x} filled with {_entry(frame, bits)}, but {_table(pte)}")

    def window_filled(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """What enters the TLB is what the window shows."""
        self.evaluated += 1
        _, window, frame = record
        if grants_more(frame, WINDOW_BITS, view.ptes.get(WINDOW_VPN)):
            self.violate(
                head, index, f"{head[3]}'s TLB: {window} filled with vm page {frame:#x}, but {_table(view.ptes.get(WINDOW_VPN), True)}"
            )

    def released(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """Everything that lost rights has been invalidated everywhere."""
        if record[5] or not view.changed:
            return
        self.evaluated += len(view.changed)
        changed = sorted(view.changed)
        for cpu, entries in sorted(view.tlb.items()):
            if entries:
                for vpn in changed:
                    entry = entries.get(vpn)
                    if entry is not None and grants_more(entry[0], entry[1], view.ptes.get(vpn)):
                        self._stale(record, cpu, vpn, entry, view, head, index)

    def _stale(self, record: Any, cpu: str, vpn: int, entry: tuple[int, int, int], view: PmapView, head: Head, index: int) -> None:
        _, thread, name, _, _, _ = record
        window = kind_of(name) == "window"
        where, lock = (name, f"the lock of {name}") if window else (f"{name} va {vpn << 12:#x}", "the pmap lock")
        still = f"{cpu}'s TLB: {where} still maps {_entry(entry[0], entry[1])} when {thread_name(thread)} gives {lock} back"
        self.violate(head, index, f"{still}, but {_table(view.ptes.get(vpn), window)}; no completed shootdown covered it")


def _flush_to_come(view: PmapView, cpu: str, vpn: int) -> bool:
    changed = view.changed.get(vpn)
    if changed is None:
        return False
    return not any(c == cpu and n > changed and (s == e or s <= vpn < e) for c, n, s, e in view.flushes)


def _entry(frame: int, bits: int) -> str:
    return f"vm page {frame:#x}{' writable' if bits & PTE_RW else ' read-only'}"


def _table(pte: tuple[int, int] | None, window: bool = False) -> str:
    what = "the window" if window else "the page table"
    return f"{what} has nothing there" if pte is None else f"{what} has {_entry(*pte)}"


class TlbDone(Check):
    """Statement: when an invalidation is done, no TLB of a CPU that was in pm_active, be it a target or the initiator, has an entry of the
    range that is older than the call.

    Evaluated: at every ``shootdown.done``. Detects: an acknowledgement sent before the flush, or counted for another call; a handler that
    flushes the wrong range or address space (C10, C11); a CPU that the initiator did not name. Such a one is heard of if it was in
    pm_active already when the entry lost rights, for the initiator looks after that; one whose bit comes later is R03's.
    """

    name = "I-TLB-DONE"
    domains = ("pmaps",)
    before = {"pmaps": {r.SHOOT_DONE: "done"}}

    def done(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """Every CPU concerned has flushed."""
        _, thread, pmap, start, end, targets, _ = record
        begun = view.shoots.get(thread)
        if begun is None:
            return
        self.evaluated += 1
        named = {head[3], *map(cpu_name, targets)}
        for cpu in sorted(named | view.active.keys()):
            entries = view.tlb.get(cpu, {})
            for vpn in _older(entries, start, end, begun) if entries else ():
                if cpu in named or _lost_while_active(view, cpu, vpn, entries[vpn]):
                    still = f"{cpu}'s TLB: {pmap} va {vpn << 12:#x} still maps {_entry(*entries[vpn][:2])}"
                    unnamed = "" if cpu in named else ", which did not name it"
                    self.violate(head, index, f"{still} after the shootdown by {thread_name(thread)} was done{unnamed}")


def _lost_while_active(view: PmapView, cpu: str, vpn: int, entry: tuple[int, int, int]) -> bool:
    """Does the entry of a CPU grant more than the table, and was the CPU in pm_active before the table changed?"""
    return view.active[cpu] < view.changed.get(vpn, 0) and grants_more(entry[0], entry[1], view.ptes.get(vpn))


def _older(entries: dict[int, tuple[int, int, int]], start: int, end: int, begun: int) -> list[int]:
    """The vpns of [start, end), of all if the range is empty, that were filled before the shootdown began; ascending."""
    if start == end:
        return sorted(vpn for vpn, entry in entries.items() if entry[2] < begun)
    if end - start <= len(entries):
        return [vpn for vpn in range(start, end) if vpn in entries and entries[vpn][2] < begun]
    return sorted(vpn for vpn, entry in entries.items() if start <= vpn < end and entry[2] < begun)
