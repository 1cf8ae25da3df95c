"""The last part of a page-out pass: cached pages become free ones until the reserve is there (vm-facts 3.11; C28).

C28 ``window``: a cached page is made busy, and the page queues are dropped so that its object can be locked in the usual order. In between
it is busy and cached, and nobody holds a lock that says so. ``trylock``: the object is tried with the page queues held; a page whose object
cannot be had is passed over, and a full cycle of colours without a page ends the loop.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import owner_now, try_owner, vm_page_busy, vm_page_free
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts
from protocol.messages.pages import Deactivate, PageOwner
from protocol.messages.queues import CacheRover, NextAfter, QueueCounts, SelectCache
from protocol.pages import BUSY, CACHE, UNMANAGED

PRIME2 = 7
"""How far the search goes on from one colour to the next."""


@locks("pq")
async def top_up(k: Context) -> None:
    """Turn cached pages into free ones until v_free_reserved are free, or none can be had. [L: PQ on entry and exit]"""
    if not await _short(k) or not (await k.call(PAGE_QUEUES, QueueCounts()))[2]:
        return  # of the kernel's cycle through empty lists nothing would be seen
    if k.form("C28") == "window":
        await _through_windows(k)
        return
    colour = await k.call(PAGE_QUEUES, CacheRover())
    first_failure = -1
    while await _short(k):
        colour = (colour + PRIME2) % k.machine.colours
        if colour == first_failure:
            return
        if await _free_cached(k, colour):
            await k.post(PAGE_QUEUES, CacheRover(colour))
            first_failure = -1
        elif first_failure < 0:
            first_failure = colour


async def _short(k: Context) -> bool:
    await k.peek("v_free_count")
    free, _, _ = await k.call(FREE_QUEUES, FreeCounts())
    return bool(free < k.machine.thresholds.free_reserved)


@locks("pq")
async def _free_cached(k: Context, colour: int) -> bool:
    """Free the first page of a colour that is not held and whose object nobody has locked. Returns whether there was one. [L: PQ]"""
    frame = 0
    while row := await k.call(PAGE_QUEUES, NextAfter(CACHE, frame, colour)):
        frame, obj, pindex, flags, _, hold, *_ = row
        if not hold and await try_owner(k, frame, obj):
            if flags & BUSY:
                raise KernelPanic(f"Found busy cache page {frame:#x}")
            await vm_page_free(k, frame, obj, pindex)
            await k.release(obj)
            return True
    return False


@locks("pq")
async def _through_windows(k: Context) -> None:
    """C28 old. [L: PQ on entry and exit, dropped for each page]"""
    colour = await k.call(PAGE_QUEUES, CacheRover())
    while await _short(k):
        victim = await k.call(PAGE_QUEUES, SelectCache(colour))
        if victim is None:
            return
        frame, obj, _, flags, wire, hold, *_ = victim
        if flags & (BUSY | UNMANAGED) or wire or hold:
            await k.post(PAGE_QUEUES, Deactivate(frame))
            continue
        colour = (colour + PRIME2) % k.machine.colours
        await k.post(PAGE_QUEUES, CacheRover(colour))
        await vm_page_busy(k, frame)
        await k.release(PAGE_QUEUES)
        await k.at("vm_pageout_scan.window")
        owner = await owner_now(k, frame, obj)
        await k.acquire(owner)
        await k.acquire(PAGE_QUEUES)
        _, pindex = await k.call(PAGE_QUEUES, PageOwner(frame))
        await vm_page_free(k, frame, owner, pindex, busy=True)
        await k.release(owner)
