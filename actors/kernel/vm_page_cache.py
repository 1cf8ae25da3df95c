"""vm_page_try_to_cache and vm_page_try_to_free: give a page up if it is clean (vm-facts 3.7; C20).

C20 ``test-then-remove``: the mappings' M bits are looked at first and the mappings removed afterwards; in between another CPU can still
store through one of them. ``remove-then-test``: nobody can reach the page any more when it is looked at.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.page_io import soft_busy
from actors.kernel.pmap import pmap_is_modified, pmap_page_protect, pmap_remove_all
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import free_wakeup, page_state, vm_page_free
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import MakeCache, SetDirty
from protocol.pages import BUSY, UNMANAGED, VALID_ALL
from protocol.records import PAGE_RECLAIM


@locks("obj", "pq")
async def vm_page_try_to_cache(k: Context, frame: int, obj: str, pindex: int, soft: int) -> bool:
    """Move a clean idle page to the cache queue. Returns whether it went. [L: PQ, OBJ]"""
    if not await _idle(k, frame, obj, pindex, soft) or not await _clean(k, frame):
        return False
    await vm_page_cache(k, frame)
    return True


@locks("obj", "pq")
async def vm_page_try_to_free(k: Context, frame: int, obj: str, pindex: int, soft: int) -> bool:
    """Free a clean idle page. Returns whether it was freed. [L: PQ, OBJ]"""
    if not await _idle(k, frame, obj, pindex, soft) or not await _clean(k, frame):
        return False
    await k.note(PAGE_RECLAIM, k.tid, frame)
    await pmap_remove_all(k, frame)
    await vm_page_free(k, frame, obj, pindex)
    return True


@locks("object", "pq")
async def vm_page_cache(k: Context, frame: int) -> None:
    """Remove what mappings are left and move the page to the cache queue, where whoever waits for memory can have it. [L: PQ, OBJ]
    Raises KernelPanic for a dirty page."""
    await pmap_remove_all(k, frame)
    done = await k.call(PAGE_QUEUES, MakeCache(frame))
    if isinstance(done, str):
        raise KernelPanic(done)
    if done[1]:
        await free_wakeup(k)


async def _idle(k: Context, frame: int, obj: str, pindex: int, soft: int) -> bool:
    """Is the page one that nobody is using? Dirty pages are none of these routines' business."""
    _, flags, wire, hold, _, dirty, *_ = await page_state(k, frame)
    return not (dirty or hold or wire or flags & (BUSY | UNMANAGED) or await soft_busy(k, obj, pindex, soft))


async def _clean(k: Context, frame: int) -> bool:
    """Is it clean still? In the new form it has no mapping afterwards, clean or not."""
    form = k.form("C20")
    if form == "remove-then-test":
        await pmap_remove_all(k, frame)
    elif form == "protect-then-test":
        await pmap_page_protect(k, frame)
    else:
        await vm_page_test_dirty(k, frame)
    dirty = (await page_state(k, frame))[5]
    await k.at("vm_page_try_to_cache.tested")
    return not dirty


@locks("pq")
async def vm_page_test_dirty(k: Context, frame: int) -> None:
    """If any mapping of the page carries M, the page is dirty. [L: PQ]"""
    if await pmap_is_modified(k, frame):
        await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
