"""pmap_copy on i386 before C09: Giant, and the page queues only where an entry that was counted is not made after all.

The source entry is read, a page-table page is found for the copy, for which the thread may sleep, and the source entry is read once more.
Whoever removes a page's mappings takes the page queues and not Giant. If he comes between that reading and the pv entry, the child is left
with a mapping of a page of which it was said that nobody maps it: it is freed, and belongs to somebody else, and the child reads his data.

The mutex of the shared window is taken here as well; at the time Giant stood for it.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap_enter_partial import allocpte_partial, insert_pv_partial
from actors.kernel.pmap_table import free_table_pages
from actors.kernel.pmap_window import leave_copy, reach_copy
from actors.kernel.pv_entry import plenty_used
from protocol.identity import GIANT, PAGE_QUEUES
from protocol.messages.space import PteSwap, PteTest, PtHold, Range
from protocol.pages import PTE_A, PTE_COPIED, PTE_M, PTE_MANAGED
from protocol.paging import PAGING

ROWS = 64
"""Source entries listed at once; each is read again when its turn comes."""


@locks("k.map")
async def pmap_copy_unlocked(k: Context, dst: str, src: str, start: int, end: int) -> None:
    """Copy the mappings of [start, end) of ``src`` to ``dst``. [L: both maps; may sleep]"""
    await k.acquire(GIANT)
    shift, slot, more = PAGING[k.machine.pmap].bits, -1, True
    while more:
        rows = await k.call(src, Range(start, end, ROWS))
        more = len(rows) == ROWS
        for vpn, _, _ in rows:
            start = vpn + 1
            if vpn >> shift != slot:
                slot = vpn >> shift
                if await plenty_used(k):
                    more = False
                    break
            await _copy_entry(k, dst, src, vpn)
    await k.release(GIANT)


@locks("giant")
async def _copy_entry(k: Context, dst: str, src: str, vpn: int) -> None:
    """[L: Giant]"""
    if not (await k.call(src, PteTest(vpn)))[1] & PTE_MANAGED:
        return
    table = await allocpte_partial(k, dst, vpn)
    reached = await reach_copy(k, dst, vpn)
    frame, bits = await k.call(src, PteTest(vpn))
    await k.at("pmap_copy.source_read")
    if bits & PTE_MANAGED:
        await k.call(dst, PteSwap(vpn, frame, bits & ~(PTE_A | PTE_M) | PTE_COPIED, reached or table, counted=True))
    await leave_copy(k, reached)
    if bits & PTE_MANAGED:
        await insert_pv_partial(k, dst, vpn, frame)
        return
    await k.acquire(PAGE_QUEUES)
    found = await k.call(dst, PtHold(vpn, -1, table))
    await free_table_pages(k, dst, list(found[1]) if found else [])
    await k.release(PAGE_QUEUES)
