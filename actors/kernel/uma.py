"""uma_core.c: a zone whose slabs come from a private object, asked where nobody may sleep (vm-facts 3.16; C07).

obj_alloc is called with the page queues held, where a pv entry is wanted. If it gets some pages of a slab and not all, it gives those back,
for which it takes the page queues once more: where they are not recursive (C07 ``no``), that is the end.

The address range into which the kernel maps a slab is left out: the model has no kernel page table but its windows.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.vm_page import vm_page_free
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Describe
from protocol.messages.pages import Unwire
from protocol.messages.zones import ZONE_EMPTY, ZONE_TAKEN, ZoneGive, ZoneGrow, ZoneTake
from protocol.pages import ALLOC_WIRED, CLASS_INTERRUPT


@locks(without=("zone",))
async def uma_zalloc(k: Context, zone: str, obj: str, slab_pages: int) -> bool:
    """Take an item without waiting, from a new slab if none is free. Returns whether there was one. [L: any mutex but the zone's]"""
    await k.acquire(zone)
    while True:
        found = await k.call(zone, ZoneTake())
        if found != ZONE_EMPTY:
            break
        # slab_zalloc calls the zone's allocator with the zone unlocked.
        await k.release(zone)
        grown = await obj_alloc(k, obj, slab_pages)
        await k.acquire(zone)
        if not grown:
            break
        await k.post(zone, ZoneGrow())
    await k.release(zone)
    return bool(found == ZONE_TAKEN)


async def uma_zfree(k: Context, zone: str) -> None:
    """Give an item back."""
    await k.acquire(zone)
    await k.post(zone, ZoneGive())
    await k.release(zone)


async def obj_alloc(k: Context, obj: str, pages: int) -> bool:
    """A slab of ``pages`` pages at the end of the private object: all of them or none."""
    await k.acquire(obj)
    first = (await k.call(obj, Describe()))[8]
    frames: list[int] = []
    while len(frames) < pages:
        frame, _ = await vm_page_alloc(k, obj, first + len(frames), ALLOC_WIRED, CLASS_INTERRUPT)
        if not frame:
            await _give_back(k, obj, first, frames)
            break
        frames.append(frame)
    await k.release(obj)
    return len(frames) == pages


@locks("obj")
async def _give_back(k: Context, obj: str, first: int, frames: list[int]) -> None:
    """Free what was got of a slab, the last page first, each under the page queues. [L: obj]"""
    while frames:
        frame = frames.pop()
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Unwire(frame, False))
        await vm_page_free(k, frame, obj, first + len(frames), busy=True)
        await k.release(PAGE_QUEUES)
