"""vm_object.c: shadow, deallocate, terminate, page_remove (vm-facts 2.4).

A terminated object stays as a husk with its lock: a stale pointer still leads to a mutex, which the page daemon's fallback lock relies on.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.device_pager import dev_pager_putfake
from actors.kernel.pmap import pmap_remove_all
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import free_unless_refused, vm_page_sleep_if_busy
from protocol.identity import PAGE_QUEUES, SWAP_PAGER
from protocol.messages.device import PagerFree
from protocol.messages.objects import CHAN_PIP, OBJ_DEAD, OBJ_ONEMAPPING, Describe, Enter, Resident, SetFlag, SetType, ShadowCount, WantPip
from protocol.messages.queues import PageState, Rebind
from protocol.pages import FAKE, OBJT_DEAD, OBJT_DEFAULT, OBJT_SWAP

EVERYTHING = 1 << 52
"""Beyond the last pindex of any object."""
BATCH = 64


async def vm_object_allocate(k: Context, size: int) -> str:
    """A new anonymous object with one reference, that of the map entry it is for. Returns its name."""
    return str(await k.create("object", type=OBJT_DEFAULT, size=size, refs=1, flags=OBJ_ONEMAPPING))


async def vm_object_shadow(k: Context, source: str, offset: int, size: int) -> tuple[str, int]:
    """The object a needs-copy entry shall have: a new one in front of ``source``, or ``source`` itself if nobody else refers to it.

    Returns (object, offset). The entry's reference on ``source`` becomes the shadow's.
    """
    await k.acquire(source)
    kind, _, refs, *_ = await k.call(source, Describe())
    if refs == 1 and kind in (OBJT_DEFAULT, OBJT_SWAP):
        await k.release(source)
        return source, offset
    await k.call(source, ShadowCount(1))
    await k.release(source)
    shadow = await k.create("object", type=OBJT_DEFAULT, size=size, refs=1, flags=OBJ_ONEMAPPING, backing=source, backing_offset=offset)
    return str(shadow), 0


async def vm_object_reference(k: Context, obj: str, shared: bool = True) -> None:
    """One more reference; ``shared`` says that more than one mapping now refers to it."""
    await k.acquire(obj)
    await k.post(obj, Enter(1, 0))
    if shared:
        await k.post(obj, SetFlag(0, OBJ_ONEMAPPING))
    await k.release(obj)


async def vm_object_deallocate(k: Context, obj: str) -> None:
    """Drop a reference; the last one terminates the object, and then drops its reference on what it shadows."""
    while obj:
        await k.acquire(obj)
        refs, _, _ = await k.call(obj, Enter(-1, 0))
        if refs > 0:
            await k.release(obj)
            return
        obj = await _terminate(k, obj)


async def _terminate(k: Context, obj: str) -> str:
    """Free the pages of an object without references. [L: obj on entry, nothing on exit] Returns its backing object."""
    await k.post(obj, SetFlag(OBJ_DEAD, 0))
    while await k.call(obj, WantPip()):
        await k.sleep(obj, CHAN_PIP)
        await k.acquire(obj)
    kind, *_, backing, _, _, _, _, _ = await k.call(obj, Describe())
    await free_pages(k, obj, 0, EVERYTHING)
    if kind == OBJT_SWAP:
        await k.call(SWAP_PAGER, PagerFree(obj, 0, EVERYTHING))
    await k.post(obj, SetType(OBJT_DEAD))
    await k.release(obj)
    if backing:
        await k.acquire(backing)
        await k.call(backing, ShadowCount(-1))
        await k.release(backing)
    return str(backing)


async def free_pages(k: Context, obj: str, start: int, end: int, mapped: bool = False) -> None:
    """vm_object_page_remove: free the resident pages of [start, end), waiting for those that are busy. [L: obj]

    ``mapped``: mappings are removed here, as the kernel always does. Callers that hold the map exclusively have removed them all
    and spare the messages.
    """
    while True:
        rows = await k.call(obj, Resident(start, end, BATCH))
        if not rows:
            return
        await k.acquire(PAGE_QUEUES)
        for pindex, frame, _, soft in rows:
            if await vm_page_sleep_if_busy(k, frame, soft, obj):
                break
            if mapped:
                await pmap_remove_all(k, frame)
            await _free_or_disown(k, frame, obj, pindex)
            start = pindex + 1
        else:
            await k.release(PAGE_QUEUES)


async def _free_or_disown(k: Context, frame: int, obj: str, pindex: int) -> None:
    """Free a page; one that is wired only leaves the object, and whoever wired it frees it (a zero-copy send, when it is complete).

    vm_object_page_remove leaves such a page in place, invalid; here it goes as at vm_object_terminate, or a fault on what was unmapped
    and mapped again would fill the page that is being sent. [L: PQ, obj]
    """
    if frame >= FAKE:
        await dev_pager_putfake(k, frame, obj, pindex)
        return
    refusal = await free_unless_refused(k, frame, obj, pindex)
    if refusal:
        state = await k.call(PAGE_QUEUES, PageState(frame))
        if state is None or not state[2]:
            raise KernelPanic(refusal)
        await pmap_remove_all(k, frame)
        await k.call(PAGE_QUEUES, Rebind(frame, "", pindex, k.form("C01") == "busy-first"))


async def entry_gone(k: Context, obj: str, offset: int, pages: int, entries_more: int) -> None:
    """A map entry, or a part of one, that referred to ``pages`` pages of ``obj`` from ``offset`` on has been removed.

    ``entries_more`` is how many entries more refer to the object than before: -1 for a whole entry, 0 for an end clipped off, 1 for a hole.
    The pages of a part go at once if no other mapping can want them.
    """
    if entries_more < 0:
        await vm_object_deallocate(k, obj)
        return
    await k.acquire(obj)
    if entries_more:
        await k.post(obj, Enter(entries_more, 0))
    flags = (await k.call(obj, Describe()))[7]
    if flags & OBJ_ONEMAPPING:
        await free_pages(k, obj, offset, offset + pages)
        kind = (await k.call(obj, Describe()))[0]
        if kind == OBJT_SWAP:
            await k.call(SWAP_PAGER, PagerFree(obj, offset, offset + pages))
    await k.release(obj)
