"""pmap.c: enter, remove, protect, remove_all, ts_referenced (vm-facts 3.14; amd64 and i386 have one shape here).

Order of locks: page queues, then pmap. PTEs change under both where a managed page's pv list changes with them; the shootdown comes after
the store.

R02 open: remove and protect drop the page-queues lock *before* the shootdown has finished, so a page whose PTE is gone can be freed and
used again while another CPU's TLB still maps it. Closed: the lock, and the page-table pages emptied on the way, are kept until every CPU
has acknowledged.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.shootdown import pmap_invalidate
from actors.kernel.vm_page import vm_page_free, vm_wait, zero_unless
from actors.kernel.vm_page_alloc import NO_PAGE, vm_page_alloc_idle
from protocol.identity import PAGE_QUEUES
from protocol.messages.queues import PvAdd, PvDel, Pvs, SetDirty, SetFlags, Unwire
from protocol.messages.space import PteClear, PteProtect, PteSwap, PteTest, PtInstall, PtNeed, Range, ResidentCount
from protocol.pages import (
    ALLOC_NOOBJ,
    ALLOC_WIRED,
    ALLOC_ZERO,
    PROT_READ,
    PROT_WRITE,
    PTE_A,
    PTE_M,
    PTE_MANAGED,
    PTE_RW,
    PTE_U,
    PTE_V,
    REFERENCED,
    VALID_ALL,
    WRITEABLE,
)

TablePages = list[tuple[int, int, int]]
"""(level, slot, frame) of page-table pages that have become empty."""


async def pmap_enter(k: Context, pmap: str, vpn: int, frame: int, prot: int) -> None:
    """Map a busy page. [L: none; may sleep for a page-table page]"""
    await _lock_with_tables(k, pmap, vpn)
    bits = PTE_V | PTE_U | PTE_MANAGED | (PTE_RW if prot & PROT_WRITE else 0)
    old_frame, old_bits = await k.call(pmap, PteSwap(vpn, frame, bits))
    if old_frame != frame:
        if old_frame > 0:
            await k.post(PAGE_QUEUES, PvDel(old_frame, pmap, vpn, bool(old_bits & PTE_A), bool(old_bits & PTE_M)))
        await k.post(PAGE_QUEUES, PvAdd(frame, pmap, vpn))
    elif old_bits & PTE_M:
        await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
    loses_rights = old_frame != frame or (old_bits & PTE_M and not bits & PTE_RW)
    if old_frame > 0 and old_bits & PTE_A and loses_rights:
        await pmap_invalidate(k, pmap, vpn, vpn + 1)
    await k.release(PAGE_QUEUES)
    await k.release(pmap)


async def _lock_with_tables(k: Context, pmap: str, vpn: int) -> None:
    """Take the page queues and the pmap, with every page-table page on the way to ``vpn`` in place (pmap_allocpte)."""
    while True:
        await k.acquire(PAGE_QUEUES)
        await k.acquire(pmap)
        for level, slot in await k.call(pmap, PtNeed(vpn)):
            frame, zeroed = await vm_page_alloc_idle(k, "", slot, ALLOC_NOOBJ | ALLOC_WIRED | ALLOC_ZERO)
            if (frame, zeroed) == NO_PAGE:
                break
            await zero_unless(k, frame, zeroed)
            if not await k.call(pmap, PtInstall(level, slot, frame)):
                await _free_table_pages(k, [(level, slot, frame)])
        else:
            return
        await k.release(pmap)
        await k.release(PAGE_QUEUES)
        await vm_wait(k)


async def pmap_remove(k: Context, pmap: str, start: int, end: int) -> None:
    """Unmap [start, end). [L: the map's lock]"""
    under_lock = k.form("R04") == "under-pmap"
    if not under_lock:
        await k.peek("pm_stats.resident_count")
        if not await k.call(pmap, ResidentCount()):
            return
    await k.acquire(PAGE_QUEUES)
    await k.acquire(pmap)
    if not under_lock or await k.call(pmap, ResidentCount()):
        removed, tables = await _remove_range(k, pmap, start, end)
        await _drop_after(k, pmap, removed, tables)
        return
    await k.release(PAGE_QUEUES)
    await k.release(pmap)


async def _remove_range(k: Context, pmap: str, start: int, end: int) -> tuple[list[int], TablePages]:
    removed: list[int] = []
    tables: TablePages = []
    while True:
        rows = await k.call(pmap, Range(start, end))
        for vpn, _, _ in rows:
            tables += await _remove_pte(k, pmap, vpn)
            removed.append(vpn)
        if len(rows) < 64:
            return removed, tables
        start = rows[-1][0] + 1


async def _remove_pte(k: Context, pmap: str, vpn: int) -> TablePages:
    frame, bits, emptied = await k.call(pmap, PteClear(vpn))
    if frame > 0 and bits & PTE_MANAGED:
        await k.post(PAGE_QUEUES, PvDel(frame, pmap, vpn, bool(bits & PTE_A), bool(bits & PTE_M)))
    return list(emptied)


async def _drop_after(k: Context, pmap: str, changed: list[int], tables: TablePages) -> None:
    """Shoot down what changed and drop the locks, in the order of R02's form."""
    before = k.form("R02") == "before-shootdown"
    if before:
        await _free_table_pages(k, tables)
        await _release_queues(k)
    if changed:
        await _invalidate_changed(k, pmap, changed)
    if not before:
        await _free_table_pages(k, tables)
        await _release_queues(k)
    await k.release(pmap)


async def _release_queues(k: Context) -> None:
    await k.release(PAGE_QUEUES)
    await k.at("pmap_remove.queues_released")


async def _invalidate_changed(k: Context, pmap: str, changed: list[int]) -> None:
    if len(changed) == 1:
        await pmap_invalidate(k, pmap, changed[0], changed[0] + 1)
    else:
        await pmap_invalidate(k, pmap, 0, 0)


async def _free_table_pages(k: Context, tables: TablePages) -> None:
    """vm_page_free_zero of empty page-table pages. [L: PQ]"""
    for _, _, frame in tables:
        await k.post(PAGE_QUEUES, Unwire(frame, False))
        await vm_page_free(k, frame, "", 0, zeroed=True)


async def pmap_remove_all(k: Context, frame: int) -> None:
    """Remove every mapping of a page; after it no CPU can reach the page (the guarantee of C20). [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        tables = await _remove_pte(k, pmap, vpn)
        await pmap_invalidate(k, pmap, vpn, vpn + 1)
        await _free_table_pages(k, tables)
        await k.release(pmap)
    await k.post(PAGE_QUEUES, SetFlags(frame, 0, WRITEABLE))


async def pmap_protect(k: Context, pmap: str, start: int, end: int, prot: int) -> None:
    """Reduce the rights of [start, end) to ``prot``; rights are never added here. [L: the map's lock]"""
    if not prot & PROT_READ:
        await pmap_remove(k, pmap, start, end)
        return
    if prot & PROT_WRITE:
        return
    await k.acquire(PAGE_QUEUES)
    await k.acquire(pmap)
    changed: list[int] = []
    while True:
        rows = await k.call(pmap, Range(start, end))
        for vpn, frame, bits in rows:
            if bits & (PTE_RW | PTE_M):
                await _write_protect(k, pmap, vpn, frame)
                changed.append(vpn)
        if len(rows) < 64:
            break
        start = rows[-1][0] + 1
    await _drop_after(k, pmap, changed, [])


async def _write_protect(k: Context, pmap: str, vpn: int, frame: int) -> None:
    """Clear RW and M of one PTE, harvesting M. [L: PQ, PMAP]"""
    _, old = await k.call(pmap, PteProtect(vpn, PTE_RW | PTE_M))
    if old & PTE_M:
        await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))


async def pmap_page_protect(k: Context, frame: int) -> None:
    """Make every mapping of a page read-only. [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        await _write_protect(k, pmap, vpn, frame)
        await pmap_invalidate(k, pmap, vpn, vpn + 1)
        await k.release(pmap)
    await k.post(PAGE_QUEUES, SetFlags(frame, 0, WRITEABLE))


async def pmap_ts_referenced(k: Context, frame: int) -> int:
    """Count and clear the A bits of up to five mappings of a page. [L: PQ]"""
    found = 0
    for pmap, vpn in (await k.call(PAGE_QUEUES, Pvs(frame)))[:5]:
        await k.acquire(pmap)
        _, bits = await k.call(pmap, PteTest(vpn, PTE_A))
        if bits & PTE_A:
            found += 1
            await pmap_invalidate(k, pmap, vpn, vpn + 1)
        await k.release(pmap)
    return found


async def pmap_is_modified(k: Context, frame: int) -> bool:
    """Does any mapping of the page carry M? [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        _, bits = await k.call(pmap, PteTest(vpn, 0))
        await k.release(pmap)
        if bits & PTE_M:
            return True
    return False


async def page_referenced(k: Context, frame: int, flags: int) -> int:
    """vm_pageout's reference count of a page: A bits plus the REFERENCED flag. [L: PQ]"""
    return await pmap_ts_referenced(k, frame) + (1 if flags & REFERENCED else 0)
