"""Litmus steps about a page of an address space: what whoever looks into a process (a debugger, physical I/O) does to one of its pages.

A page is named by where it is mapped; what it belongs to is found out as a fault finds it.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.litmus import ABSENT
from actors.kernel.page_io import soft_busy
from actors.kernel.vm_map import vm_map_lookup
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import vm_page_busy, vm_page_sleep_if_busy
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Enter, Lookup
from protocol.messages.pages import Unbusy


async def space_page_io(k: Context, vpn: int) -> str:
    """I/O on a resident page: it is busy from here to the point at which a script holds the step."""
    found = await vm_map_lookup(k, vpn, False)
    if found is None:
        return ABSENT
    await k.acquire(found.object)
    frame = (await k.call(found.object, Lookup(found.pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        await vm_page_busy(k, frame)
        await k.release(PAGE_QUEUES)
    await k.release(found.object)
    await k.release(k.map)
    await k.at("space_page_io.busy")
    if frame > 0:
        await k.acquire(found.object)
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Unbusy(frame))
        await k.release(PAGE_QUEUES)
        await k.release(found.object)
    return "ok" if frame > 0 else ABSENT


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
