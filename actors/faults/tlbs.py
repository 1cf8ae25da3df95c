"""Shootdowns that a target acknowledges too early, and flushes that do not drop what they should.

Counted are only occasions that matter: flushes that find something to drop. A flush of another address space, or of a range of which the
TLB has nothing, would hide the fault from whoever counts.
"""

from __future__ import annotations

from actors.faults.base import Table, Trigger, lasting
from actors.processor.cpu import Cpu
from protocol.faults import Fault
from protocol.identity import RENDEZVOUS
from protocol.messages.faults import FlushLate
from protocol.messages.processor import INVLTLB, LAZYPMAP, Ipi, IpiAck
from protocol.records import IPI_DELIVER, TLB_FLUSH

TOP_VPN = 1 << 52
"""Above every page number there is."""


def acked_early(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """ipi-acked-early: a target answers the shootdown's interrupt as soon as it comes, and flushes ``delay_ns`` later.

    The initiator goes on as if the page were unreachable, while this CPU can still reach it: I-TLB-DONE speaks when the shootdown is over,
    I-TLB when the pmap lock is given back, and I-FREE-UNMAPPED if the frame is free before the flush.
    """
    shootdown = cpu._shootdown

    def acknowledge_first(message: Ipi, sender: str) -> None:
        if message.vector == LAZYPMAP or not cached(cpu, message.pmap, message.start, message.end) or not trigger.turn():
            shootdown(message, sender)
            return
        delay_ns = lasting(fault, cpu.clock.now, fault.delay_ns)
        trigger.fired(f"acknowledged to {sender}, flushed {delay_ns} ns later")
        cpu.record((IPI_DELIVER, message.vector, sender))
        costs, pages = cpu.machine.costs, message.end - message.start
        cpu._steal(costs.interrupt_ns)
        cpu.port.send(RENDEZVOUS, IpiAck())
        ns = costs.flush_all_ns if message.vector == INVLTLB else pages * costs.flush_page_ns
        cpu.port.timer(FlushLate(message.pmap, message.start, message.end, ns), delay_ns)

    def flush_late(message: FlushLate, sender: str) -> None:
        cpu._steal(message.ns)
        cpu.flush(message.pmap, message.start, message.end, "ipi")

    cpu._shootdown = acknowledge_first  # type: ignore[method-assign]
    table[FlushLate] = flush_late


def stale_entry(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """tlb-stale-entry: a flush leaves one entry of its range where it is, the first; the record of the flush says what was dropped.

    The shootdown is acknowledged all the same. I-TLB-DONE speaks when it is over, I-TLB when the pmap lock is given back, I-FREE-UNMAPPED
    if the frame goes free, and whoever stores through the entry stores into a page that is somebody else's.
    """
    flush = cpu.flush

    def flush_all_but_one(pmap: str, start: int, end: int, reason: str) -> None:
        found = cached(cpu, pmap, start, end)
        if not found or not trigger.turn():
            flush(pmap, start, end, reason)
            return
        kept = found[0]
        trigger.fired(f"{pmap} va {kept << 12:#x} is not flushed")
        if start == end:
            cpu.tlb.windows.clear()
            start, end = 0, TOP_VPN
        cpu.tlb.generation += 1
        for low, high in ((start, kept), (kept + 1, end)):
            if low < high:
                cpu.tlb.drop_range(low, high)
                cpu.record((TLB_FLUSH, pmap, low, high, reason))

    cpu.flush = flush_all_but_one  # type: ignore[method-assign]


def wrong_range(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """tlb-wrong-range: a flush of a range is off by ``pages``: it drops what lies so much higher, and misses what it should have dropped.

    A flush of everything has no range to be wrong. The checks speak as for an entry that is left.
    """
    flush = cpu.flush

    def flush_beside(pmap: str, start: int, end: int, reason: str) -> None:
        by = fault.pages
        missed = [vpn for vpn in cached(cpu, pmap, start, end) if vpn < start + by] if start != end else []
        if missed and trigger.turn():
            trigger.fired(f"{pmap} va {start << 12:#x} to {end << 12:#x}: flushed {by} pages too high")
            start, end = start + by, end + by
        flush(pmap, start, end, reason)

    cpu.flush = flush_beside  # type: ignore[method-assign]


def cached(cpu: Cpu, pmap: str, start: int, end: int) -> list[int]:
    """The page numbers of [start, end), of all if the range is empty, of which the TLB has an entry; ascending."""
    if pmap != cpu.loaded:
        return []
    return sorted(vpn for vpn in cpu.tlb.entries if start == end or start <= vpn < end)
