"""What contigmalloc1 does when there is no run: it goes over the paging queues, so that clean pages become cached and dirty ones clean
(vm-facts 3.13; C13).

The page-queues lock is held and the page's object is wanted, the reverse of the usual order; so the object is only tried.

C13 ``reversed``: first the wait for a busy page, which cannot drop an object that nobody has locked, then the object, waited for with the
page queues held. ``unlock-reread``: the object is tried first, but the one unlocked after the wait is the one that the page names *then*.
``normal``: the object is tried first, and that very object is unlocked.

R10 ``unreferenced``: nothing keeps that object meanwhile; if it is terminated, its lock alone is left to come back to. ``referenced``:
whoever sleeps has a reference to it, and pages of an object that is being terminated are passed by.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.page_clean import flush_page, vm_object_page_clean
from actors.kernel.page_io import soft_busy
from actors.kernel.pmap import pmap_remove_all
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import owner_now, page_state, try_owner, vm_page_sleep_if_busy
from actors.kernel.vm_page_cache import vm_page_cache, vm_page_test_dirty
from protocol.identity import PAGE_QUEUES, vnode_lock, vnode_of
from protocol.messages.objects import OBJ_DEAD, Describe, Enter, Lookup, SoftBusy
from protocol.messages.pages import PageState
from protocol.messages.queues import NextAfter, QueueCounts
from protocol.pages import ACTIVE, INACTIVE

DONE, NEXT, SLEPT = "done", "next", "slept"
"""A page was laundered (0 in the kernel); it could not be had, try the next one (EAGAIN); the page queues were dropped (EBUSY)."""


@locks("pq")
async def launder_queues(k: Context) -> None:
    """Launder as many pages as there are now, inactive ones first. [L: PQ on entry and exit] May sleep."""
    inactive, active, *_ = await k.call(PAGE_QUEUES, QueueCounts())
    for queue, most in ((INACTIVE, inactive), (ACTIVE, active)):
        for _ in range(most):
            if not await vm_contig_launder(k, queue):
                break


@recorded("pq")
async def vm_contig_launder(k: Context, queue: int) -> bool:
    """Launder the first page of a queue that can be had, markers passed over. Returns whether to go on with this queue, from its head.

    [L: PQ on entry and exit]
    """
    await k.enter("vm_contig_launder", queue)
    after, outcome = 0, NEXT
    while outcome == NEXT and (row := await k.call(PAGE_QUEUES, NextAfter(queue, after))) is not None:
        after = row[0]
        if after > 0:
            outcome = await _launder_page(k, row[0], row[1], row[2])
    await k.leave("vm_contig_launder", outcome)
    return outcome == DONE


@locks("pq")
async def _launder_page(k: Context, frame: int, obj: str, pindex: int) -> str:
    """vm_contig_launder_page. [L: PQ on entry and exit]"""
    if k.form("C13") == "reversed":
        return await _launder_reversed(k, frame, obj, pindex)
    if not await try_owner(k, frame, obj):
        return NEXT
    keep = _keeps(k)
    if keep and (await k.call(obj, Describe()))[7] & OBJ_DEAD:
        await k.release(obj)
        return NEXT
    soft = (await k.call(obj, Lookup(pindex)))[2]
    if await vm_page_sleep_if_busy(k, frame, await soft_busy(k, obj, pindex, soft), obj, keep):
        await k.release(obj if k.form("C13") == "normal" else await owner_now(k, frame, obj))
        if keep:
            await vm_object_deallocate(k, obj)
        await k.acquire(PAGE_QUEUES)
        return SLEPT
    return await _launder_idle(k, frame, obj, pindex)


def _keeps(k: Context) -> bool:
    """R10: whether an object is kept while laundering sleeps for a page of it, and passed by if it is going already."""
    return k.form("R10") == "referenced" and k.form("C13") == "normal"


async def _launder_reversed(k: Context, frame: int, obj: str, pindex: int) -> str:
    """The old order: wait for the page, then lock the object that it names by now. The soft-busy count is read with PQ alone, as C05's
    old guard allowed."""
    slept = await vm_page_sleep_if_busy(k, frame, int(await k.call(obj, SoftBusy(pindex))), "")
    owner = await owner_now(k, frame, obj)
    await k.acquire(owner)
    if slept:
        await k.release(owner)
        await k.acquire(PAGE_QUEUES)
        return SLEPT
    return await _launder_idle(k, frame, owner, pindex)


@locks("obj", "pq", drops=(("always", ("obj",)),))
async def _launder_idle(k: Context, frame: int, obj: str, pindex: int) -> str:
    """Cache an idle page, or have it written. [L: PQ, OBJ on entry, PQ on exit]"""
    await vm_page_test_dirty(k, frame)
    state = await k.call(PAGE_QUEUES, PageState(frame))
    held, dirty = state[3], state[5]
    if not dirty and not held:
        await pmap_remove_all(k, frame)
        dirty = (await page_state(k, frame))[5]
    if dirty:
        return await _write(k, frame, obj, pindex)
    if not held:
        await vm_page_cache(k, frame)
    await k.release(obj)
    return DONE


@locks("obj", "pq", drops=(("always", ("obj",)),))
async def _write(k: Context, frame: int, obj: str, pindex: int) -> str:
    """Write a dirty page and wait until it is written; of a file, all its dirty pages. [L: PQ, OBJ on entry, PQ on exit]"""
    kind, _, _, _, _, _, _, flags, *_ = await k.call(obj, Describe())
    if flags & OBJ_DEAD:
        await k.release(obj)
        return NEXT
    vnode = vnode_of(obj)
    if not vnode:
        await flush_page(k, frame, obj, pindex, kind)
        await k.release(obj)
        return DONE
    await k.release(PAGE_QUEUES)
    await k.post(obj, Enter(1, 0))
    await k.release(obj)
    await k.acquire(vnode_lock(vnode))
    await k.acquire(obj)
    await vm_object_page_clean(k, obj, kind)
    await k.release(obj)
    await k.release(vnode_lock(vnode))
    await vm_object_deallocate(k, obj)
    await k.acquire(PAGE_QUEUES)
    return DONE
