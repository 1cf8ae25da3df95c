"""vm_page.c: allocate, free, wait for memory, wait for a busy page (vm-facts 3.1 to 3.6)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.requests import KernelPanic
from protocol.identity import FREE_QUEUES, PAGE_QUEUES, address_of
from protocol.messages.free import Put, Take
from protocol.messages.locks import TRY
from protocol.messages.objects import Insert, Remove
from protocol.messages.queues import (
    CHAN_FREE,
    Bind,
    Deactivate,
    FreePage,
    PagesNeeded,
    SelectCache,
    WantBusy,
    page_channel,
)
from protocol.pages import ALLOC_NOBUSY, ALLOC_NOOBJ, ALLOC_WIRED, ALLOC_ZERO, CLASS_INTERRUPT, CLASS_NORMAL, CLASS_SYSTEM

NO_PAGE = (0, False)


async def vm_page_alloc(k: Context, obj: str, pindex: int, flags: int = 0, klass: int = CLASS_NORMAL) -> tuple[int, bool]:
    """Allocate a page for (obj, pindex), or without an object. Returns (frame, its content is zero), or NO_PAGE.

    [L: OBJ unless NOOBJ] Never sleeps. A caller that gets NO_PAGE drops its locks, calls :func:`vm_wait`, and begins its lookup again.
    """
    colour = (pindex + (sum(address_of(obj)) if obj else 0)) % k.machine.colours
    frame, zeroed, needed = await _take(k, obj, colour, flags, klass)
    if not frame:
        return NO_PAGE
    busy = not flags & (ALLOC_NOBUSY | ALLOC_NOOBJ)
    if obj:
        await k.post(obj, Insert(pindex, frame))
    wire = 1 if flags & ALLOC_WIRED else 0
    await k.call(PAGE_QUEUES, Bind(frame, obj, pindex, wire, busy, zeroed and bool(flags & ALLOC_ZERO), unmanaged=not obj))
    if needed:
        await k.post(PAGE_QUEUES, PagesNeeded(True))
    return frame, zeroed


async def _take(k: Context, obj: str, colour: int, flags: int, klass: int) -> tuple[int, bool, bool]:
    take = Take(colour, klass, bool(flags & ALLOC_ZERO))
    while True:
        frame, zeroed, needed = await _take_once(k, take)
        if frame > 0:
            return frame, zeroed, needed
        if klass == CLASS_INTERRUPT:
            await k.post(PAGE_QUEUES, PagesNeeded(True, 1))
            return 0, False, False
        await k.acquire(PAGE_QUEUES)
        freed = await vm_page_select_cache(k, colour, obj)
        await k.release(PAGE_QUEUES)
        if freed:
            continue
        await k.post(PAGE_QUEUES, PagesNeeded(True, 1))
        if klass != CLASS_SYSTEM:
            return 0, False, False
        frame, zeroed, needed = await _take_once(k, Take(colour, klass, take.prefer_zero, last_resort=True))
        return max(0, frame), zeroed, needed


async def _take_once(k: Context, take: Take) -> tuple[int, bool, bool]:
    await k.acquire(FREE_QUEUES)
    answer: tuple[int, bool, bool] = await k.call(FREE_QUEUES, take)
    await k.release(FREE_QUEUES)
    return answer


async def vm_page_select_cache(k: Context, colour: int, owned: str) -> bool:
    """Free one page of the CACHE queue. ``owned`` is the object whose lock the caller holds already ("" for none). Returns whether one
    was freed.

    [L: PQ] Never sleeps: the victim's object is only tried, although the order is object before page queues; a victim that cannot be had
    is deactivated, which takes it off the queue.
    """
    while True:
        victim: tuple[int, str, int] | None = await k.call(PAGE_QUEUES, SelectCache(colour))
        if victim is None:
            return False
        frame, obj, pindex = victim
        if obj == owned or await k.acquire(obj, TRY):
            await vm_page_free(k, frame, obj, pindex)
            if obj != owned:
                await k.release(obj)
            return True
        await k.post(PAGE_QUEUES, Deactivate(frame))


async def vm_page_free(k: Context, frame: int, obj: str, pindex: int, zeroed: bool = False) -> None:
    """Free a page: out of its object and queue, and onto the free list unless somebody holds it.

    [L: PQ, OBJ if it has an object] Must not sleep. Raises KernelPanic where the kernel does.
    """
    refusal = await free_unless_refused(k, frame, obj, pindex, zeroed)
    if refusal:
        raise KernelPanic(refusal)


async def free_unless_refused(k: Context, frame: int, obj: str, pindex: int, zeroed: bool = False) -> str:
    """As :func:`vm_page_free`, for callers that know what to do with a page that may not be freed: returns the panic's text, "" when freed.

    The page is out of its object's list either way; a refused one keeps its record. [L: PQ, OBJ if it has an object]
    """
    if obj:
        await k.post(obj, Remove(pindex))
    verdict, needed = await k.call(PAGE_QUEUES, FreePage(frame, 0, zeroed))
    if isinstance(verdict, str):
        return verdict
    if verdict:
        await free_to_list(k, frame, zeroed, needed)
    return ""


async def free_to_list(k: Context, frame: int, zeroed: bool, needed: bool) -> None:
    """The last steps of a free: onto the free list, and wake who waits for memory when there is enough (3.2 steps 8 and 9).

    [L: PQ]
    """
    await k.acquire(FREE_QUEUES)
    if not needed:
        await k.post(FREE_QUEUES, Put(frame, zeroed))
        await k.release(FREE_QUEUES)
        return
    available, _ = await k.call(FREE_QUEUES, Put(frame, zeroed))
    await k.release(FREE_QUEUES)
    if available >= k.machine.thresholds.free_min:
        await k.post(PAGE_QUEUES, PagesNeeded(False))


async def vm_wait(k: Context) -> None:
    """VM_WAIT and VM_WAITPFAULT: wake the page daemon and sleep until memory is free. [L: nothing]"""
    await k.acquire(PAGE_QUEUES)
    await k.sleep(PAGE_QUEUES, CHAN_FREE)


async def vm_page_sleep_if_busy(k: Context, frame: int, soft: int, obj: str) -> bool:
    """If the page is busy, sleep until it is not. Returns True if it slept: then PQ is not held, ``obj`` is, and the page must be looked
    up again.

    [L: PQ, OBJ]
    """
    if not await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
        return False
    await k.release(obj)
    await k.sleep(PAGE_QUEUES, page_channel(frame))
    await k.acquire(obj)
    return True


async def zero_unless(k: Context, zeroed: bool) -> None:
    """Zero a fresh page if its content is not zero already."""
    if not zeroed:
        await k.compute("zero page", k.costs.zero_page_ns)
