"""pmap_copy: at fork, enter the parent's mappings of managed pages into the child's page table as well (vm-facts 3.14; C09, C10).

It is a hint: the child would fault for what is not copied. So it stops where memory or pv entries are short. A and M are not copied; where
the entry is copied on write, the source has been write-protected before, and so is the copy. Alpha has none of this.

C09 ``locked``: page queues and both pmaps are held, the pmaps locked in the order of their addresses, and page-table pages are asked for
without waiting. C10: through which window the child's page table is reached. Both are changes of i386; on amd64, which has no windows, the
locks came with those of pmap_enter (C11).
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap_copy_unlocked import pmap_copy_unlocked
from actors.kernel.pmap_table import give_up_path, pmap_allocpte
from actors.kernel.pmap_window import leave_copy, reach_copy
from actors.kernel.pv_entry import plenty_used, try_pv_entry
from actors.kernel.requests import KernelPanic
from protocol.identity import PAGE_QUEUES, address_of
from protocol.messages.pvs import PvAdd
from protocol.messages.space import PteSwap, Range
from protocol.pages import PTE_A, PTE_COPIED, PTE_M, PTE_MANAGED
from protocol.paging import PAGING

ROWS = 64
"""Source entries read at once."""


@locks("k.map")
async def pmap_copy(k: Context, dst: str, src: str, start: int, end: int) -> None:
    """Copy the mappings of [start, end) of the loaded pmap ``src`` to ``dst``. [L: both maps]"""
    if k.machine.pmap == "alpha":
        return
    if k.form("C09" if k.machine.pmap == "i386" else "C11") != "locked":
        await pmap_copy_unlocked(k, dst, src, start, end)
        return
    await k.acquire(PAGE_QUEUES)
    for pmap in sorted((dst, src), key=address_of):
        await k.acquire(pmap)
    await _copy_range(k, dst, src, start, end)
    await k.release(PAGE_QUEUES)
    await k.release(src)
    await k.release(dst)


@locks("pq", "dst", "src")
async def _copy_range(k: Context, dst: str, src: str, start: int, end: int) -> None:
    """[L: PQ, both pmaps] Raises KernelPanic if a page-table page of the source has no entries."""
    shift, slot = PAGING[k.machine.pmap].bits, -1
    while True:
        rows = await k.call(src, Range(start, end, ROWS, copied=True))
        if isinstance(rows, str):
            raise KernelPanic(rows)
        for vpn, frame, bits in rows:
            if vpn >> shift != slot:
                slot = vpn >> shift
                if await plenty_used(k):
                    return
            if bits & PTE_MANAGED and not await _copy_entry(k, dst, vpn, frame, bits):
                return
        if len(rows) < ROWS:
            return
        start = rows[-1][0] + 1


@locks("pq", "dst")
async def _copy_entry(k: Context, dst: str, vpn: int, frame: int, bits: int) -> bool:
    """Copy one entry. Returns false if there was no page for a page table, or no pv entry. [L: PQ, both pmaps]"""
    if not await pmap_allocpte(k, dst, vpn) or not await try_pv_entry(k):
        await give_up_path(k, dst, vpn)
        return False
    table = await reach_copy(k, dst, vpn)
    await k.at("pmap_copy.source_read")
    await k.call(dst, PteSwap(vpn, frame, bits & ~(PTE_A | PTE_M) | PTE_COPIED, table))
    await leave_copy(k, table)
    await k.post(PAGE_QUEUES, PvAdd(frame, dst, vpn))
    return True
