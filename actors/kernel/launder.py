"""pageout_clean: write a dirty page and its dirty neighbours out (vm-facts 3.10, 3.11).

Pages are made soft-busy and write-protected before the write, so a store meanwhile faults and waits: what is written is what the page
holds when it is clean.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import recorded
from actors.kernel.page_io import vm_page_io_start
from actors.kernel.pager import vm_pager_put_pages
from actors.kernel.pmap import pmap_page_protect
from actors.kernel.vm_page import page_state
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Resident
from protocol.pages import BUSY, INACTIVE, VALID_ALL

CLUSTER = 16
"""Most pages of one write."""


@recorded("object", "pq", subject=1)
async def pageout_clean(k: Context, frame: int, obj: str, pindex: int, kind: int) -> int:
    """Start writing the page at ``pindex``, and the dirty inactive pages that follow it without a gap. Returns how many.

    [L: OBJ, PQ on entry and exit]
    """
    await k.enter("pageout_clean", frame, obj, pindex)
    pages = [(pindex, frame), *await _neighbours(k, obj, pindex)]
    for at, page in pages:
        await vm_page_io_start(k, obj, at)
        await pmap_page_protect(k, page)
    await k.release(PAGE_QUEUES)
    await vm_pager_put_pages(k, obj, kind, tuple(pages))
    await k.acquire(PAGE_QUEUES)
    await k.leave("pageout_clean", len(pages))
    return len(pages)


async def _neighbours(k: Context, obj: str, pindex: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for at, frame, valid, soft in await k.call(obj, Resident(pindex + 1, pindex + CLUSTER)):
        if at != pindex + 1 + len(found) or soft or valid != VALID_ALL:
            break
        queue, flags, wire, hold, _, dirty, *_ = await page_state(k, frame)
        if queue != INACTIVE or flags & BUSY or wire or hold or not dirty:
            break
        found.append((at, frame))
    return found
