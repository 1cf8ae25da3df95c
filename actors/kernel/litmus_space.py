"""Litmus steps about a page of an address space: what whoever looks into a process (a debugger, physical I/O) does to one of its pages.

A page is named by where it is mapped; what it belongs to is found out as a fault finds it.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.litmus import ABSENT
from actors.kernel.page_io import soft_busy
from actors.kernel.vm_map import vm_map_lookup
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import page_state, vm_page_busy, vm_page_sleep_if_busy
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Enter, Lookup
from protocol.messages.pages import Deactivate, Unbusy
from protocol.pages import CACHE


async def space_page_io(k: Context, vpn: int) -> str:
    """I/O on a resident page: it is busy from here to the point at which a script holds the step.

    A page that is busy is waited for first, and one on the cache queue leaves it.
    """
    obj, frame = await _idle_page(k, vpn)
    if not frame:
        return ABSENT
    if (await page_state(k, frame))[0] == CACHE:
        await k.post(PAGE_QUEUES, Deactivate(frame))
    await vm_page_busy(k, frame)
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    await k.at("space_page_io.busy")
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Unbusy(frame))
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok"


async def _idle_page(k: Context, vpn: int) -> tuple[str, int]:
    """The object and frame of the page, which is not busy, with both locked; ("", 0) and nothing locked if none is there."""
    while (found := await vm_map_lookup(k, vpn, False)) is not None:
        obj = found.object
        await k.acquire(obj)
        await k.release(k.map)
        frame, _, seen = (await k.call(obj, Lookup(found.pindex)))[:3]
        if frame <= 0:
            await k.release(obj)
            break
        await k.acquire(PAGE_QUEUES)
        soft = await soft_busy(k, obj, found.pindex, int(seen))
        if not await vm_page_sleep_if_busy(k, frame, soft, obj, keep=True):
            return obj, frame
        await k.release(obj)
        await vm_object_deallocate(k, obj)
    return "", 0


async def space_page_wait(k: Context, vpn: int, referenced: bool = True) -> str:
    """Wait until the page is not busy. ``referenced``: with a reference on its object, as vm_page_sleep_if_busy asks of callers (C12)."""
    found = await vm_map_lookup(k, vpn, False)
    if found is None:
        return ABSENT
    obj = found.object
    await k.acquire(obj)
    if referenced:
        await k.post(obj, Enter(1, 0))
    await k.release(k.map)
    while True:
        frame, _, seen = (await k.call(obj, Lookup(found.pindex)))[:3]
        if frame <= 0:
            break
        await k.acquire(PAGE_QUEUES)
        if not await vm_page_sleep_if_busy(k, frame, await soft_busy(k, obj, found.pindex, int(seen)), obj):
            await k.release(PAGE_QUEUES)
            break
    await k.release(obj)
    if referenced:
        await vm_object_deallocate(k, obj)
    return "ok" if frame > 0 else ABSENT
