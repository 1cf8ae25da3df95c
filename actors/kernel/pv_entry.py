"""pmap.c: pv entries, of which there is a limited number (vm-facts 3.14).

An entry is taken without waiting, with the page queues and a pmap held. Above nine tenths of the limit the page daemon is woken, and
mappings are destroyed to get their entries back: those of inactive pages first, then of active ones.

A page that is soft-busy, which the kernel passes over as well, is not: that count is kept with its object, whose lock is not held here.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap import remove_mapping
from actors.kernel.requests import KernelPanic
from actors.kernel.uma import uma_zalloc
from protocol.identity import FREE_QUEUES, PAGE_QUEUES, PV_OBJECT, PV_ZONE, address_of
from protocol.messages.free import FreeCounts
from protocol.messages.locks import TRY
from protocol.messages.pages import SetFlags
from protocol.messages.pvs import PvCount, Pvs
from protocol.messages.queues import LEFT, NextAfter, PagesNeeded
from protocol.pages import ACTIVE, BUSY, INACTIVE, WRITEABLE

NO_PV_ENTRY = "get_pv_entry: increase the vm.pmap.shpgperproc tunable"


def high_water(limit: int) -> int:
    """pv_entry_high_water: nine tenths of the limit."""
    return limit * 9 // 10


@locks("pmap", "pq")
async def get_pv_entry(k: Context, pmap: str) -> None:
    """A pv entry for a mapping of ``pmap``; nothing to do where they are not limited. [L: PQ, pmap] Raises KernelPanic if there is none.

    Mappings may go on the way, those of ``pmap`` among them: a page-table page that is to be entered into must have been counted before.
    """
    limit = k.machine.pv_entries_max
    if not limit:
        return
    got = await uma_zalloc(k, PV_ZONE, PV_OBJECT, k.machine.pv_slab_pages)
    if got:
        if await k.call(PAGE_QUEUES, PvCount()) < high_water(limit):
            return
        await k.post(PAGE_QUEUES, PagesNeeded(True))
    got = await _reclaim(k, pmap, INACTIVE, got)
    if not got:
        got = await _reclaim(k, pmap, ACTIVE, got)
    if not got:
        raise KernelPanic(NO_PV_ENTRY)


@locks("pq")
async def try_pv_entry(k: Context) -> bool:
    """A pv entry for a mapping that is only a hint: no mapping is destroyed for it. Returns whether there was one. [L: PQ]"""
    return not k.machine.pv_entries_max or await uma_zalloc(k, PV_ZONE, PV_OBJECT, k.machine.pv_slab_pages)


async def plenty_used(k: Context) -> bool:
    """Is free memory below the reserve, or are pv entries above their high-water mark? (Both are read without a lock.)"""
    await k.peek("v_free_count")
    free, _, _ = await k.call(FREE_QUEUES, FreeCounts())
    if free < k.machine.thresholds.free_reserved:
        return True
    limit = k.machine.pv_entries_max
    return bool(limit) and await k.call(PAGE_QUEUES, PvCount()) > high_water(limit)


@locks("pmap", "pq")
async def _reclaim(k: Context, pmap: str, queue: int, got: bool) -> bool:
    """Destroy the mappings of the pages of a queue. The first entry that this frees is kept if the caller has ``got`` none.

    Returns whether the caller has one now. [L: PQ, pmap]
    """
    after = 0
    while True:
        row = await k.call(PAGE_QUEUES, NextAfter(queue, after))
        if row is None or row[0] == LEFT:
            return got
        after = row[0]
        if len(row) > 1 and not row[3] & BUSY and not row[5]:
            got = await _reclaim_page(k, pmap, after, got)


async def _reclaim_page(k: Context, pmap: str, frame: int, got: bool) -> bool:
    left = False
    for owner, vpn in await k.call(PAGE_QUEUES, Pvs(frame)):
        if not await _lock_beside(k, owner, pmap):
            left = True
            continue
        await remove_mapping(k, owner, vpn, keep_entry=not got)
        got = True
        if owner != pmap:
            await k.release(owner)
    if not left:
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, WRITEABLE))
    return got


async def _lock_beside(k: Context, owner: str, pmap: str) -> bool:
    """Lock another pmap beside the one held: those behind it in the order are waited for, those before it only tried."""
    if owner == pmap:
        return True
    if address_of(owner) > address_of(pmap):
        return bool(await k.acquire(owner))
    return bool(await k.acquire(owner, TRY))
