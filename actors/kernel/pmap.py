"""pmap.c: remove, protect, remove_all, ts_referenced (vm-facts 3.14; amd64 and i386 have one shape here).

Order of locks: page queues, then pmap. PTEs change under both where a managed page's pv list changes with them; the shootdown comes after
the store.

R02 open: remove and protect drop the page-queues lock *before* the shootdown has finished, so a page whose PTE is gone can be freed and
used again while another CPU's TLB still maps it. Closed: the lock, and the page-table pages emptied on the way, are kept until every CPU
has acknowledged.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap_table import TablePages, free_table_pages
from actors.kernel.pmap_window import pmap_pte_quick
from actors.kernel.shootdown import pmap_invalidate
from actors.kernel.uma import uma_zfree
from protocol.identity import PAGE_QUEUES, PV_ZONE
from protocol.messages.pages import SetFlags
from protocol.messages.pvs import Harvest, PvDel, PvRequeue, Pvs
from protocol.messages.space import PteClear, PteProtect, PteTest, Range, ResidentCount
from protocol.pages import PROT_READ, PROT_WRITE, PTE_A, PTE_M, PTE_MANAGED, PTE_RW, REFERENCED, WRITEABLE

Stale = tuple[int, ...]
"""(start, end) of what is to be invalidated, nothing if no entry has changed."""
UNCHANGED: Stale = ()
WHOLE: Stale = (0, 0)
"""All of an address space (pmap_invalidate_all)."""
REFERENCES_MAX = 5
"""A bits after which pmap_ts_referenced has seen enough."""


@locks("k.map")
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
        stale, tables = await _remove_range(k, pmap, start, end)
        await _drop_after(k, pmap, stale, tables)
        return
    await k.release(PAGE_QUEUES)
    await k.release(pmap)


async def _remove_range(k: Context, pmap: str, start: int, end: int) -> tuple[Stale, TablePages]:
    """Returns what is stale: a page that was given alone, or else everything, be there but one entry in the range."""
    extent = (start, end) if end - start == 1 else WHOLE
    stale: Stale = UNCHANGED
    tables: TablePages = []
    while True:
        rows = await k.call(pmap, Range(start, end))
        for vpn, _, _ in rows:
            tables += await _remove_pte(k, pmap, vpn)
            stale = extent
        if len(rows) < 64:
            return stale, tables
        start = rows[-1][0] + 1


async def _remove_pte(k: Context, pmap: str, vpn: int, keep_entry: bool = False, table: int = 0) -> TablePages:
    frame, bits, emptied = await k.call(pmap, PteClear(vpn, table=table))
    if frame > 0 and bits & PTE_MANAGED:
        await k.post(PAGE_QUEUES, PvDel(frame, pmap, vpn, bool(bits & PTE_A), bool(bits & PTE_M)))
        if k.machine.pv_entries_max and not keep_entry:
            await uma_zfree(k, PV_ZONE)
    return list(emptied)


async def _drop_after(k: Context, pmap: str, stale: Stale, tables: TablePages) -> None:
    """Shoot down what is stale and drop the locks, in the order of R02's form."""
    before = k.form("R02") == "before-shootdown"
    if before:
        await free_table_pages(k, pmap, tables)
        await _release_queues(k)
    await _invalidate_stale(k, pmap, stale)
    if not before:
        await free_table_pages(k, pmap, tables)
        await _release_queues(k)
    await k.release(pmap)


async def _release_queues(k: Context) -> None:
    await k.release(PAGE_QUEUES)
    await k.at("pmap_remove.queues_released")


async def _invalidate_stale(k: Context, pmap: str, stale: Stale) -> None:
    if stale:
        await pmap_invalidate(k, pmap, *stale)


@locks("pq")
async def pmap_remove_all(k: Context, frame: int) -> None:
    """Remove every mapping of a page; after it no CPU can reach the page (the guarantee of C20). [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        await remove_mapping(k, pmap, vpn)
        await k.release(pmap)
    await k.post(PAGE_QUEUES, SetFlags(frame, 0, WRITEABLE))


@locks("pmap", "pq")
async def remove_mapping(k: Context, pmap: str, vpn: int, keep_entry: bool = False) -> None:
    """Remove one mapping and shoot it down. ``keep_entry``: the caller keeps its pv entry for himself. [L: PQ, pmap]"""
    table = await pmap_pte_quick(k, pmap, vpn)
    tables = await _remove_pte(k, pmap, vpn, keep_entry, table)
    await pmap_invalidate(k, pmap, vpn, vpn + 1)
    await free_table_pages(k, pmap, tables)


@locks("k.map")
async def pmap_protect(k: Context, pmap: str, start: int, end: int, prot: int) -> None:
    """Reduce the rights of [start, end) to ``prot``; rights are never added here. [L: the map's lock]"""
    if not prot & PROT_READ:
        await pmap_remove(k, pmap, start, end)
        return
    if prot & PROT_WRITE:
        return
    await k.acquire(PAGE_QUEUES)
    await k.acquire(pmap)
    await _drop_after(k, pmap, await _protect_range(k, pmap, start, end), [])


async def _protect_range(k: Context, pmap: str, start: int, end: int) -> Stale:
    """Clear RW and M, and of managed pages A. Returns what is stale: everything, however few entries have changed."""
    stale: Stale = UNCHANGED
    while True:
        rows = await k.call(pmap, Range(start, end))
        for vpn, frame, bits in rows:
            clear = PTE_RW | PTE_M | (PTE_A if bits & PTE_MANAGED else 0)
            if bits & clear:
                await _write_protect(k, pmap, vpn, frame, clear=clear)
                stale = WHOLE
        if len(rows) < 64:
            return stale
        start = rows[-1][0] + 1


@locks("pmap", "pq")
async def _write_protect(k: Context, pmap: str, vpn: int, frame: int, table: int = 0, clear: int = PTE_RW | PTE_M) -> None:
    """Clear bits of one PTE, RW and M among them, harvesting what hardware had set. [L: PQ, PMAP]"""
    _, old = await k.call(pmap, PteProtect(vpn, clear, table))
    if old & PTE_MANAGED and old & clear & (PTE_A | PTE_M):
        await k.post(PAGE_QUEUES, Harvest(frame, bool(old & clear & PTE_A), bool(old & PTE_M)))


@locks("pq")
async def pmap_page_protect(k: Context, frame: int) -> None:
    """Make every mapping of a page read-only. [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        await _write_protect(k, pmap, vpn, frame, await pmap_pte_quick(k, pmap, vpn))
        await pmap_invalidate(k, pmap, vpn, vpn + 1)
        await k.release(pmap)
    await k.post(PAGE_QUEUES, SetFlags(frame, 0, WRITEABLE))


@locks("pq")
async def pmap_ts_referenced(k: Context, frame: int) -> int:
    """Count and clear A bits of a page's mappings, up to five of them. [L: PQ]

    Each mapping that is looked at goes to the tail of the page's list, so that the next walk begins with those behind it. Here it is
    told once, how many they are: with the page queues held nobody sees the list in between.
    """
    found = seen = 0
    mappings = await k.call(PAGE_QUEUES, Pvs(frame))
    for pmap, vpn in mappings:
        seen += 1
        await k.acquire(pmap)
        _, bits = await k.call(pmap, PteTest(vpn, PTE_A, await pmap_pte_quick(k, pmap, vpn)))
        if bits & PTE_A:
            found += 1
            await pmap_invalidate(k, pmap, vpn, vpn + 1)
        await k.release(pmap)
        if found == REFERENCES_MAX:
            break
    if seen < len(mappings):
        await k.post(PAGE_QUEUES, PvRequeue(frame, seen))
    return found


@locks("pq")
async def pmap_is_modified(k: Context, frame: int) -> bool:
    """Does any mapping of the page carry M? [L: PQ]"""
    for pmap, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        await k.acquire(pmap)
        _, bits = await k.call(pmap, PteTest(vpn, 0, await pmap_pte_quick(k, pmap, vpn)))
        await k.release(pmap)
        if bits & PTE_M:
            return True
    return False


@locks("pq")
async def page_referenced(k: Context, frame: int, flags: int) -> int:
    """vm_pageout's reference count of a page: A bits plus the REFERENCED flag. [L: PQ]"""
    return await pmap_ts_referenced(k, frame) + (1 if flags & REFERENCED else 0)
