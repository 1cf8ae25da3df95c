"""The search of a page fault: down the chain of objects to a page that is there, or to the end (vm-facts 3.9 step 3; C33, R06).

C33 ``held``: the lock of the current object is held from step to step, hand over hand down the chain, and paging in progress covers the
stretches in which it must be dropped. ``per-step``: it is dropped and taken again around each primitive, and nobody looks again.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.device_pager import dev_pager_getpage
from actors.kernel.fault_state import Fault, back_out, between_steps, free_busy, release_first, unlock_map
from actors.kernel.page_content import zero_unless
from actors.kernel.page_io import soft_busy
from actors.kernel.pager import vm_pager_get_page
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import vm_page_sleep_if_busy, vm_wait
from actors.kernel.vm_page_alloc import vm_page_alloc
from actors.kernel.zero_copy import vm_page_cowfault
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts
from protocol.messages.objects import Describe, Enter, Lookup, SetValid
from protocol.messages.pages import NEEDS_COW, WAS_BUSY, WAS_CACHED, Claim
from protocol.pages import ALLOC_ZERO, OBJT_DEAD, OBJT_DEVICE, OBJT_SWAP, OBJT_VNODE, VALID_ALL
from protocol.records import FRAME_FILL

RETRY = "retry"
FOUND = "found"
DEEPER = "deeper"
SEGV = "segv"
SIGBUS = "sigbus"


async def search(k: Context, f: Fault) -> str:
    """Walk down the chain of objects. FOUND: f.frame is busy and valid in f.object, whose lock is held."""
    while True:
        found = await k.call(f.object, Lookup(f.pindex, True))
        await between_steps(k, f.object, found[0], f.pindex)
        if found[0] > 0:
            outcome = await _claim(k, f, *found)
        else:
            outcome = await _absent(k, f, *found)
        if outcome != DEEPER:
            return outcome


async def _claim(k: Context, f: Fault, frame: int, valid: int, soft: int) -> str:
    """3a: a page is resident. Take it off its queue and busy it, unless it is busy or being sent."""
    await k.acquire(PAGE_QUEUES)
    soft = await soft_busy(k, f.object, f.pindex, soft)
    first_write, cow_first = f.write and f.object == f.first, k.form("R06") == "cow-first"
    code, f.cow_count = await k.call(PAGE_QUEUES, Claim(frame, soft, first_write, -1, cow_first))
    if code == WAS_CACHED:
        severe = 1 if await _severe(k) else 0
        code, f.cow_count = await k.call(PAGE_QUEUES, Claim(frame, soft, first_write, severe, cow_first))
        if code == WAS_CACHED:
            await k.release(PAGE_QUEUES)
            await back_out(k, f)
            await vm_wait(k)
            return RETRY
    if code == NEEDS_COW:
        await vm_page_cowfault(k, frame, f.object, f.pindex)
        await k.release(PAGE_QUEUES)
        await back_out(k, f)
        return RETRY
    await k.release(PAGE_QUEUES)
    if code == WAS_BUSY:
        await _wait_for_busy(k, f, frame)
        return RETRY
    f.frame = frame
    await between_steps(k, f.object)
    return FOUND if valid == VALID_ALL else await _claimed_invalid(k, f)


async def _claimed_invalid(k: Context, f: Fault) -> str:
    """3c for a resident page that was never filled: as if just allocated, or gone where the first object has a placeholder."""
    kind, _, _, _, _, backing, offset, *_ = await k.call(f.object, Describe())
    if kind in (OBJT_VNODE, OBJT_SWAP):
        outcome = await _page_in(k, f, kind, False)
        if outcome != DEEPER:
            return outcome
    elif f.object != f.first:
        await free_busy(k, f.object, f.pindex, f.frame)
    return await _go_deeper(k, f, backing, offset)


async def _severe(k: Context) -> bool:
    """Is memory severely short? A fault then allocates nothing, of a page of the CACHE queue it only makes an active one, and waits."""
    await k.peek("v_free_count")
    free, cache, _ = await k.call(FREE_QUEUES, FreeCounts())
    return bool(k.machine.thresholds.free_severe > free + cache)


async def _wait_for_busy(k: Context, f: Fault, frame: int) -> None:
    """Drop everything but this object's paging in progress, look again, and sleep if the page is still there and busy."""
    await k.release(f.object)
    await release_first(k, f)
    await unlock_map(k, f)
    await k.acquire(f.object)
    again = await k.call(f.object, Lookup(f.pindex))
    if again[0] == frame:
        await k.acquire(PAGE_QUEUES)
        soft = await soft_busy(k, f.object, f.pindex, again[2])
        if not await vm_page_sleep_if_busy(k, frame, soft, f.object):
            await k.release(PAGE_QUEUES)
    await k.post(f.object, Enter(0, -1))
    await k.release(f.object)
    await vm_object_deallocate(k, f.first)


async def _absent(k: Context, f: Fault, _: int, kind: int, size: int, backing: str, offset: int, warm: bool) -> str:
    """3b to 3d: nothing resident here. Allocate where a page must come to be, page it in, or go on to the backing object.

    In an object that is dead, as one is while a collapse sleeps over it, a fault finds nothing and fails.
    """
    if kind == OBJT_DEAD:
        await back_out(k, f)
        return SEGV
    may_have = kind in (OBJT_VNODE, OBJT_SWAP, OBJT_DEVICE)
    if f.object == f.first or may_have:
        if f.pindex >= size:
            await back_out(k, f)
            return SEGV
        if not await _allocate(k, f, kind, backing):
            await back_out(k, f)
            await vm_wait(k)
            return RETRY
        await between_steps(k, f.object)
    if may_have:
        outcome = await _page_in(k, f, kind, warm and not f.cold)
        if outcome != DEEPER:
            return outcome
    return await _go_deeper(k, f, backing, offset)


async def _allocate(k: Context, f: Fault, kind: int, backing: str) -> bool:
    """3b: a page for this offset, unless memory is severely short: users leave what is left then to the kernel.

    PG_ZERO, which spares the zeroing, is set only where it was asked for; what counts at the chain's end is the first object's page.
    """
    if await _severe(k):
        return False
    flags = 0 if kind == OBJT_VNODE or backing else ALLOC_ZERO
    f.frame, zeroed = await vm_page_alloc(k, f.object, f.pindex, flags)
    if f.object == f.first:
        f.zeroed = zeroed and bool(flags)
    return bool(f.frame)


async def _page_in(k: Context, f: Fault, kind: int, warm: bool) -> str:
    """3c: ask the pager for the page that is busy in f.object. DEEPER: the pager has no such page."""
    if kind == OBJT_DEVICE:
        return await _device_page(k, f)
    if warm:
        await k.note(FRAME_FILL, f.frame, k.tid)
        await k.post(f.object, SetValid(f.pindex, VALID_ALL))
        return FOUND
    outcome = await vm_pager_get_page(k, f, kind)
    if outcome == "ok":
        f.hard = True
        return FOUND
    if outcome == "none":
        if f.object != f.first:
            await free_busy(k, f.object, f.pindex, f.frame)
            f.frame = 0
        return DEEPER
    if outcome == "error":
        return await _failed(k, f)
    await back_out(k, f)
    return RETRY


async def _device_page(k: Context, f: Fault) -> str:
    """The device pager waits for nothing, and the page that was allocated is not the one that is mapped."""
    return FOUND if await dev_pager_getpage(k, f) else await _failed(k, f)


async def _failed(k: Context, f: Fault) -> str:
    """The pager has no good page, and nobody will have one."""
    await free_busy(k, f.object, f.pindex, f.frame)
    f.frame = 0
    await back_out(k, f)
    return SIGBUS


async def _go_deeper(k: Context, f: Fault, backing: str, offset: int) -> str:
    """3d: keep the busy page of the first object as a placeholder, and go on to the backing object or zero-fill at the chain's end."""
    if f.object == f.first:
        f.first_frame = f.frame
    if backing:
        await k.acquire(backing)
        await k.post(backing, Enter(0, 1))
        if f.object != f.first:
            await k.post(f.object, Enter(0, -1))
        await k.release(f.object)
        f.object, f.pindex = backing, f.pindex + offset
        return DEEPER
    if f.object != f.first:
        await k.post(f.object, Enter(0, -1))
        await k.release(f.object)
        f.object, f.pindex = f.first, f.first_pindex
        await k.acquire(f.first)
    f.frame, f.first_frame = f.first_frame, 0
    await zero_unless(k, f.frame, f.zeroed)
    await k.post(f.object, SetValid(f.pindex, VALID_ALL))
    f.zero_filled = True
    return FOUND
