"""Writing pages and waiting until they are written: vm_object_page_clean, and vm_pageout_flush of one page with PUT_SYNC (vm-facts 3.10).

The page daemon starts writes and goes on; who asks for memory, or for a file to be safe, waits. The wait is for the object's paging in
progress, with the object's lock as the interlock.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.launder import pageout_clean
from actors.kernel.page_io import soft_busy, vm_page_io_start
from actors.kernel.pager import vm_pager_put_pages
from actors.kernel.pmap import pmap_page_protect
from actors.kernel.vm_object_header import EVERYTHING
from actors.kernel.vm_page import page_state, vm_page_sleep_if_busy
from actors.kernel.vm_page_cache import vm_page_test_dirty
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import CHAN_PIP, Lookup, Resident, WantPip


@locks("obj", "pq")
async def flush_page(k: Context, frame: int, obj: str, pindex: int, kind: int) -> None:
    """Write one page and wait. [L: OBJ, PQ on entry and exit; both are dropped meanwhile]"""
    await vm_page_io_start(k, obj, pindex)
    await pmap_page_protect(k, frame)
    await k.release(PAGE_QUEUES)
    await vm_pager_put_pages(k, obj, kind, ((pindex, frame),))
    await _wait_for_writes(k, obj)
    await k.acquire(PAGE_QUEUES)


@locks("obj")
async def vm_object_page_clean(k: Context, obj: str, kind: int) -> None:
    """Write every dirty page of an object, and wait (OBJPC_SYNC). [L: OBJ on entry and exit; dropped while waiting]"""
    pindex = 0
    while rows := await k.call(obj, Resident(pindex, EVERYTHING, 1)):
        pindex = rows[0][0]
        await k.acquire(PAGE_QUEUES)
        written = await _clean_page(k, rows[0][1], obj, pindex, kind)
        if written >= 0:
            await k.release(PAGE_QUEUES)
            pindex += max(1, written)
    await _wait_for_writes(k, obj)


async def _clean_page(k: Context, frame: int, obj: str, pindex: int, kind: int) -> int:
    """Start writing a page and what follows it, if it is dirty. Returns how many, or -1 after it was waited for: then PQ is dropped, and
    the page must be looked up again."""
    found = await k.call(obj, Lookup(pindex))
    if await vm_page_sleep_if_busy(k, frame, await soft_busy(k, obj, pindex, found[2]), obj):
        return -1
    await vm_page_test_dirty(k, frame)
    dirty = (await page_state(k, frame))[5]
    return await pageout_clean(k, frame, obj, pindex, kind) if dirty else 0


@locks("obj")
async def _wait_for_writes(k: Context, obj: str) -> None:
    """vm_object_pip_wait. [L: OBJ on entry and exit]"""
    while await k.call(obj, WantPip()):
        await k.sleep(obj, CHAN_PIP)
        await k.acquire(obj)
