"""What a file system, a driver or a daemon does to one page: the steps of which litmus tests are made, each a caller of the kernel proper.

A page is named by its file and offset, since a script cannot know frames. Each routine takes and drops the locks its kind of caller does.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.mman import vnode_name
from actors.kernel.vm_page import vm_page_busy, vm_page_free, vm_page_sleep_if_busy
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup, SetValid
from protocol.messages.queues import Unbusy
from protocol.pages import VALID_ALL

ABSENT = "absent"
"""The outcome of a step whose page is not resident."""


async def page_alloc(k: Context, file: int, pindex: int) -> str:
    """A read begins: allocate the page, busy."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame, _ = await vm_page_alloc(k, obj, pindex)
    if frame:
        await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.release(obj)
    return "ok" if frame else "no page"


async def page_busy(k: Context, file: int, pindex: int) -> str:
    """I/O on a resident page begins: make it busy."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        await vm_page_busy(k, frame)
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_io_done(k: Context, file: int, pindex: int, free: bool = False) -> str:
    """I/O on a busy page ends: wake those who wait for it, and free it if the I/O has failed."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Unbusy(frame))
        if free:
            await vm_page_free(k, frame, obj, pindex)
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_wait(k: Context, file: int, pindex: int) -> str:
    """Wait until the page is not busy, as a caller does that holds a reference to the object."""
    obj = vnode_name(file)
    await k.acquire(obj)
    while True:
        frame, _, soft = (await k.call(obj, Lookup(pindex)))[:3]
        if frame <= 0:
            break
        await k.acquire(PAGE_QUEUES)
        if not await vm_page_sleep_if_busy(k, frame, int(soft), obj):
            await k.release(PAGE_QUEUES)
            break
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT

