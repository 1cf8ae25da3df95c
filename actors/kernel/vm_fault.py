"""vm_fault.c: the page fault (vm-facts 3.9, state of March 2006, without clustering and read-ahead).

The object lock is held throughout (C33); paging_in_progress and the busy flag cover the stretches in which it is dropped. ``Fault`` is the
faultstate of one try: what is busy, referenced and locked, so that every exit can put it back.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.fault_copy import copy_on_write
from actors.kernel.fault_state import Fault, back_out, free_busy, release_first, release_page, unlock_map
from actors.kernel.pager import vm_pager_get_page
from actors.kernel.pmap import pmap_enter
from actors.kernel.vm_map import vm_map_lookup, vm_map_unchanged
from actors.kernel.vm_object import vm_object_deallocate
from actors.kernel.vm_page import vm_wait, zero_unless
from actors.kernel.vm_page_alloc import vm_page_alloc
from actors.kernel.zero_copy import vm_page_cowfault
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts
from protocol.messages.objects import Describe, Enter, Lookup, SetValid
from protocol.messages.queues import (
    NEEDS_COW,
    WAS_BUSY,
    WAS_CACHED,
    Claim,
    Finish,
    SetWriteable,
    WantBusy,
    page_channel,
)
from protocol.pages import ALLOC_ZERO, OBJT_SWAP, OBJT_VNODE, PROT_WRITE, VALID_ALL
from protocol.records import FAULT_DONE, FRAME_FILL

RETRY = "retry"
FOUND = "found"
DEEPER = "deeper"
SEGV = "segv"
SIGBUS = "sigbus"


async def vm_fault(k: Context, vpn: int, write: bool, cold: bool = False) -> str:
    """Resolve a fault on ``vpn``. Returns "soft", "zero-fill", "cow", "hard", or "segv" and "sigbus" for what cannot be resolved."""
    await k.enter("vm_fault", vpn, "write" if write else "read")
    hard = False
    while True:
        outcome, waited = await _fault_once(k, vpn, write, cold and not hard, hard)
        hard = waited
        if outcome != RETRY:
            break
    await k.leave("vm_fault", outcome)
    return outcome


async def _fault_once(k: Context, vpn: int, write: bool, cold: bool, waited: bool) -> tuple[str, bool]:
    """One try. Returns the outcome, and whether this or an earlier try waited for a pager."""
    found = await vm_map_lookup(k, vpn, write)
    if found is None:
        return SEGV, waited
    f = Fault(vpn, write, cold, found)
    f.hard = waited
    await k.acquire(f.first)
    await k.post(f.first, Enter(1, 1))
    outcome = await _search(k, f)
    if outcome != FOUND:
        return outcome, f.hard
    if f.object != f.first:
        await copy_on_write(k, f)
    if not f.map_locked and not await vm_map_unchanged(k, f):
        await release_page(k, f)
        await back_out(k, f)
        return RETRY, f.hard
    await _enter(k, f)
    await k.note(FAULT_DONE, k.tid, vpn, f.how(), f.hard, f.cow)
    return f.how(), f.hard


# Finding the page: step 3 ------------------------------------------------------------------------------------------------------


async def _search(k: Context, f: Fault) -> str:
    """Walk down the chain of objects. FOUND: f.frame is busy and valid in f.object, whose lock is held."""
    while True:
        found = await k.call(f.object, Lookup(f.pindex))
        if found[0] > 0:
            outcome = await _claim(k, f, *found)
        else:
            outcome = await _absent(k, f, *found)
        if outcome != DEEPER:
            return outcome


async def _claim(k: Context, f: Fault, frame: int, valid: int, soft: int) -> str:
    """3a: a page is resident. Take it off its queue and busy it, unless it is busy or being sent."""
    await k.acquire(PAGE_QUEUES)
    first_write = f.write and f.object == f.first
    code, f.cow_count = await k.call(PAGE_QUEUES, Claim(frame, soft, first_write))
    if code == WAS_CACHED:
        _, code = await _claim_cached(k, f, frame, soft, first_write)
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


async def _claim_cached(k: Context, f: Fault, frame: int, soft: int, first_write: bool) -> tuple[bool, int]:
    """A page of the CACHE queue: under severe shortage it is only activated, and the fault waits for memory."""
    await k.peek("v_free_count")
    free, cache, _ = await k.call(FREE_QUEUES, FreeCounts())
    severe = k.machine.thresholds.free_severe > free + cache
    code, f.cow_count = await k.call(PAGE_QUEUES, Claim(frame, soft, first_write, 1 if severe else 0))
    return severe, code


async def _wait_for_busy(k: Context, f: Fault, frame: int) -> None:
    """Drop everything but this object's paging in progress, look again, and sleep if the page is still there and busy."""
    await k.release(f.object)
    await release_first(k, f)
    await unlock_map(k, f)
    await k.acquire(f.object)
    again = await k.call(f.object, Lookup(f.pindex))
    if again[0] == frame:
        await k.acquire(PAGE_QUEUES)
        if await k.call(PAGE_QUEUES, WantBusy(frame, again[2])):
            await k.release(f.object)
            await k.sleep(PAGE_QUEUES, page_channel(frame))
            await k.acquire(f.object)
        else:
            await k.release(PAGE_QUEUES)
    await k.post(f.object, Enter(0, -1))
    await k.release(f.object)
    await vm_object_deallocate(k, f.first)


async def _absent(k: Context, f: Fault, _: int, kind: int, size: int, backing: str, offset: int, warm: bool) -> str:
    """3b to 3d: nothing resident here. Allocate where a page must come to be, page it in, or go on to the backing object."""
    may_have = kind in (OBJT_VNODE, OBJT_SWAP)
    if f.object == f.first or may_have:
        if f.pindex >= size:
            await back_out(k, f)
            return SEGV
        flags = 0 if may_have or backing else ALLOC_ZERO
        f.frame, f.zeroed = await vm_page_alloc(k, f.object, f.pindex, flags)
        if not f.frame:
            await back_out(k, f)
            await vm_wait(k)
            return RETRY
    if may_have:
        outcome = await _page_in(k, f, kind, warm and not f.cold)
        if outcome != DEEPER:
            return outcome
    return await _go_deeper(k, f, backing, offset)


async def _page_in(k: Context, f: Fault, kind: int, warm: bool) -> str:
    """3c: ask the pager for the page that is busy in f.object. DEEPER: the pager has no such page."""
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
        await free_busy(k, f.object, f.pindex, f.frame)
        f.frame = 0
    await back_out(k, f)
    return SIGBUS if outcome == "error" else RETRY


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


# Mapping it: steps 6 and 7 -----------------------------------------------------------------------------------------------------


async def _enter(k: Context, f: Fault) -> None:
    if f.cow_count and not f.write and k.form("R05") == "read-only":
        f.prot &= ~PROT_WRITE
    if f.prot & PROT_WRITE:
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, SetWriteable(f.frame, f.write))
        await k.release(PAGE_QUEUES)
    await k.release(f.object)
    await pmap_enter(k, k.pmap, f.vpn, f.frame, f.prot)
    await k.acquire(f.object)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Finish(f.frame, clear_zero=k.form("C18") == "caller-zeroes"))
    await k.release(PAGE_QUEUES)
    if f.object == f.first and f.map_locked:
        # The map entry holds a reference of its own and cannot go while the map is locked: the fault's is dropped in the same hold.
        await k.post(f.object, Enter(-1, -1))
        await k.release(f.object)
        await unlock_map(k, f)
        return
    await back_out(k, f)
