"""pmap_enter and pmap_enter_quick before C11: Giant, and the page queues only around the removal of an old mapping.

The page daemon and others take the page queues and not Giant. So between any two of these steps they may remove a mapping: the page-table
page that was found may be freed and stored into all the same, the old entry may have gone, the new one may get no pv entry that anybody
finds. The old entry is read first and overwritten later, and what hardware sets in between is lost. Every entry is invalidated, even where
nothing was mapped.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap_table import free_table_pages, install_table
from actors.kernel.pv_entry import get_pv_entry
from actors.kernel.requests import KernelPanic
from actors.kernel.shootdown import pmap_invalidate
from actors.kernel.uma import uma_zfree
from actors.kernel.vm_page import vm_page_busy, vm_wait
from protocol.identity import GIANT, PAGE_QUEUES, PV_ZONE
from protocol.messages.pages import Hold, SetDirty, Unbusy
from protocol.messages.pvs import PvAdd, PvDel
from protocol.messages.space import PteClear, PteSwap, PteTest, PtFind, PtHold, PtNeed
from protocol.pages import (
    PTE_A,
    PTE_M,
    PTE_MANAGED,
    PTE_PREFAULTED,
    PTE_U,
    PTE_V,
    VALID_ALL,
)


@locks(without=("object", "pq", "pmap"))
async def pmap_enter_partial(k: Context, pmap: str, vpn: int, frame: int, bits: int) -> None:
    """Map a busy page. [L: none but the map; may sleep for a page-table page]"""
    await k.acquire(GIANT)
    table = await allocpte_partial(k, pmap, vpn)
    old_frame, old_bits = await k.call(pmap, PteTest(vpn, 0, table))
    await k.at("pmap_enter.pte_read")
    if old_frame == frame:
        await k.call(pmap, PtHold(vpn, -1, table))
        if old_bits & PTE_M and bits & PTE_MANAGED:
            await k.call(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
    else:
        if old_frame > 0:
            await _remove_old(k, pmap, vpn)
        if bits & PTE_MANAGED:
            await insert_pv_partial(k, pmap, vpn, frame)
    await k.call(pmap, PteSwap(vpn, frame, bits, table, counted=old_frame != frame))
    await pmap_invalidate(k, pmap, vpn, vpn + 1)
    await k.release(GIANT)


@locks("giant")
async def allocpte_partial(k: Context, pmap: str, vpn: int) -> int:
    """pmap_allocpte: the page-table page for ``vpn``, with the entry to be counted in it. Returns its frame. [L: Giant]"""
    while True:
        table = await k.call(pmap, PtFind(vpn))
        if table:
            await k.at("pmap_enter.table_found")
            if not await k.call(pmap, PtHold(vpn, 1, table)):
                # m->hold_count++ of a page that has been freed in the meantime: whatever it is now, its count is wrong.
                await k.call(PAGE_QUEUES, Hold(table, 1))
            return int(table)
        for level, slot in await k.call(pmap, PtNeed(vpn)):
            if not await install_table(k, pmap, level, slot):
                # Giant is released by whoever sleeps.
                await k.release(GIANT)
                await vm_wait(k)
                await k.acquire(GIANT)
                break


@locks("giant")
async def _remove_old(k: Context, pmap: str, vpn: int) -> None:
    """Remove the mapping that was seen. Raises KernelPanic if its page-table page goes with it. [L: Giant]"""
    await k.acquire(PAGE_QUEUES)
    frame, bits, emptied = await k.call(pmap, PteClear(vpn, believed=True))
    if frame > 0 and bits & PTE_MANAGED:
        await k.post(PAGE_QUEUES, PvDel(frame, pmap, vpn, bool(bits & PTE_A), bool(bits & PTE_M)))
        if k.machine.pv_entries_max:
            await uma_zfree(k, PV_ZONE)
    await free_table_pages(k, pmap, list(emptied))
    await k.release(PAGE_QUEUES)
    if emptied:
        raise KernelPanic(f"pmap_enter: pte vanished, va: {vpn << 12:#x}")


@locks("giant")
async def insert_pv_partial(k: Context, pmap: str, vpn: int, frame: int) -> None:
    """pmap_insert_entry. [L: Giant] Where pv entries are limited, the zone asks for the locks that this caller lacks."""
    if k.machine.pv_entries_max:
        await k.acquire(PAGE_QUEUES)
        await k.acquire(pmap)
        await get_pv_entry(k, pmap)
        await k.release(pmap)
        await k.release(PAGE_QUEUES)
    await k.call(PAGE_QUEUES, PvAdd(frame, pmap, vpn))


@locks("obj", "pq")
async def pmap_enter_quick_partial(k: Context, pmap: str, vpn: int, frame: int, obj: str) -> None:
    """Map a resident page read-only where nothing is mapped: with the page busy, and no lock but Giant. [L: OBJ, PQ on entry and exit]"""
    await vm_page_busy(k, frame)
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    await k.acquire(GIANT)
    table = await allocpte_partial(k, pmap, vpn)
    if (await k.call(pmap, PteTest(vpn, 0, table)))[0] > 0:
        await k.acquire(PAGE_QUEUES)
        await k.call(pmap, PtHold(vpn, -1, table))
        await k.release(PAGE_QUEUES)
    else:
        await insert_pv_partial(k, pmap, vpn, frame)
        await k.call(pmap, PteSwap(vpn, frame, PTE_V | PTE_U | PTE_MANAGED | PTE_PREFAULTED, table, counted=True))
    await k.release(GIANT)
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Unbusy(frame))
