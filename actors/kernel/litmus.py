"""What a file system, a driver or a daemon does to one page: the steps of which litmus tests are made, each a caller of the kernel proper.

A page is named by its file and offset, since a script cannot know frames. Each routine takes and drops the locks its kind of caller does.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.mman import vnode_name
from actors.kernel.page_io import soft_busy, vm_page_io_finish, vm_page_io_start
from actors.kernel.pmap import pmap_remove_all
from actors.kernel.vm_object_header import EVERYTHING
from actors.kernel.vm_object_pages import free_pages
from actors.kernel.vm_page import vm_page_busy, vm_page_free, vm_page_rename, vm_page_sleep_if_busy
from actors.kernel.vm_page_alloc import vm_page_alloc, vm_page_alloc_idle
from actors.kernel.vm_page_cache import vm_page_try_to_cache, vm_page_try_to_free
from actors.kernel.vm_page_grab import vm_page_grab, zero_grabbed
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import Withhold
from protocol.messages.objects import Enter, Lookup, SetValid, SoftBusy
from protocol.messages.pages import Unbusy
from protocol.pages import ALLOC_NOBUSY, ALLOC_RETRY, ALLOC_ZERO, CLASS_INTERRUPT, VALID_ALL
from protocol.records import FRAME_STORE, INJECTED, TRANSITION

ABSENT = "absent"
"""The outcome of a step whose page is not resident."""


async def page_alloc(k: Context, file: int, pindex: int, busy: bool = True) -> str:
    """A read begins: allocate the page, busy; or, with ``busy`` false, by a caller who does not want it busy."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame, _ = await vm_page_alloc(k, obj, pindex) if busy else await vm_page_alloc_idle(k, obj, pindex)
    if frame:
        await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.release(obj)
    return "ok" if frame else "no page"


async def handler_allocs(k: Context, file: int, pages: int) -> str:
    """Interrupt handlers allocate so many pages, one after the other: of their class, which takes the last free page and no cached one."""
    obj, missed = vnode_name(file), 0
    await k.acquire(obj)
    for pindex in range(pages):
        frame, _ = await vm_page_alloc_idle(k, obj, pindex, klass=CLASS_INTERRUPT)
        missed += not frame
    await k.release(obj)
    return "ok" if not missed else "no page"


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
            await pmap_remove_all(k, frame)
            await vm_page_free(k, frame, obj, pindex)
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_free(k: Context, file: int, pindex: int, forgets: bool = False) -> str:
    """Free a page that is not busy, its mappings first (vm_object_page_remove, for one page). ``forgets``: while a removal asks for a busy
    page (C01), this caller does not make it busy."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        await pmap_remove_all(k, frame)
        await vm_page_free(k, frame, obj, pindex, busy=forgets)
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def pages_free(k: Context, file: int) -> str:
    """Free every page of a file (vm_object_page_remove)."""
    obj = vnode_name(file)
    await k.acquire(obj)
    await free_pages(k, obj, 0, EVERYTHING)
    await k.release(obj)
    return "ok"


async def page_free_late(k: Context, file: int, pindex: int, busy: bool = True) -> str:
    """Decide to free a page, drop its object's lock, take it again, and free it. ``busy``: the page is made busy for that time."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        if busy:
            await vm_page_busy(k, frame)
        await k.release(PAGE_QUEUES)
        await k.post(obj, Enter(0, 1))
        await k.note(TRANSITION, k.tid, frame, obj, pindex, True)
        await k.release(obj)
        await k.at("page_free_late.window")
        await k.acquire(obj)
        await k.post(obj, Enter(0, -1))
        await k.note(TRANSITION, k.tid, frame, obj, pindex, False)
        await k.acquire(PAGE_QUEUES)
        await vm_page_free(k, frame, obj, pindex, busy=busy)
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
        soft = await soft_busy(k, obj, pindex, int(soft))
        if not await vm_page_sleep_if_busy(k, frame, soft, obj):
            await k.release(PAGE_QUEUES)
            break
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_grab(k: Context, file: int, pindex: int, zero: bool = False, idle: bool = True, forgets: bool = False) -> str:
    """vm_page_grab with RETRY, by a caller who wants a page that is zero, or not, and busy, or not.

    ``forgets``: while callers zero, this one leaves PG_ZERO set.
    """
    obj = vnode_name(file)
    await k.acquire(obj)
    flags = ALLOC_RETRY | (ALLOC_ZERO if zero else 0) | (ALLOC_NOBUSY if idle else 0)
    grabbed = await vm_page_grab(k, obj, pindex, flags)
    if zero:
        await zero_grabbed(k, grabbed, forgets)
    if grabbed[1]:
        await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.release(obj)
    return "ok" if grabbed[0] else ABSENT


async def page_write(k: Context, file: int, pindex: int) -> str:
    """A system call stores into a page through a mapping of the kernel's own (uiomove): no fault is taken, and no flag is looked at."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.note(FRAME_STORE, frame, k.tid, "uiomove")
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_try_to_cache(k: Context, file: int, pindex: int) -> str:
    """Give a page up to the cache queue if it is clean, as the buffer cache does when it releases one."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame, _, soft = (await k.call(obj, Lookup(pindex)))[:3]
    await k.acquire(PAGE_QUEUES)
    gone = frame > 0 and await vm_page_try_to_cache(k, frame, obj, pindex, int(soft))
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if gone else "kept"


async def page_try_to_free(k: Context, file: int, pindex: int) -> str:
    """Free a page if it is clean, as the buffer cache does with one it does not expect to see again."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame, _, soft = (await k.call(obj, Lookup(pindex)))[:3]
    await k.acquire(PAGE_QUEUES)
    gone = frame > 0 and await vm_page_try_to_free(k, frame, obj, pindex, int(soft))
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if gone else "kept"


async def page_rename(k: Context, file: int, pindex: int, to_file: int, to_pindex: int) -> str:
    """Move a page to another object."""
    obj, target = vnode_name(file), vnode_name(to_file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    await k.at("page_rename.found")
    await k.acquire(target)
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        if k.form("C01") == "busy-first":
            await vm_page_busy(k, frame)
        await vm_page_rename(k, frame, obj, pindex, target, to_pindex)
        await k.release(PAGE_QUEUES)
    await k.release(target)
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def memory_short(k: Context, above_reserved: int, for_ns: int) -> str:
    """Leave only so many frames free above v_free_reserved (below it, if negative), for a while."""
    leave = max(0, k.machine.thresholds.free_reserved + above_reserved)
    await k.note(INJECTED, f"only {leave} frames are free")
    await k.post(FREE_QUEUES, Withhold(0, 0, for_ns, leave))
    return "ok"


# Soft busy --------------------------------------------------------------------------------------------------------------------------


async def page_io_start(k: Context, file: int, pindex: int) -> str:
    """A write-out begins. C05 ``pq``: under the page queues alone."""
    return await _io(k, vnode_name(file), pindex, True)


async def page_io_finish(k: Context, file: int, pindex: int) -> str:
    """A write-out ends. C05 ``pq``: under the page queues alone."""
    return await _io(k, vnode_name(file), pindex, False)


async def _io(k: Context, obj: str, pindex: int, starts: bool) -> str:
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    await k.acquire(PAGE_QUEUES)
    alone = k.form("C05") == "pq"
    if alone:
        await k.release(obj)
    if starts:
        await vm_page_io_start(k, obj, pindex)
    else:
        await vm_page_io_finish(k, obj, pindex, frame)
    await k.release(PAGE_QUEUES)
    if not alone:
        await k.release(obj)
    return "ok"


async def page_io_test(k: Context, file: int, pindex: int, queues: bool = False) -> str:
    """Is a write-out under way? Asked under the object's lock, and with ``queues`` under the page queues as well."""
    obj = vnode_name(file)
    await k.enter("page_io_test", obj, pindex)
    await k.acquire(obj)
    if queues:
        await k.acquire(PAGE_QUEUES)
    soft = await k.call(obj, SoftBusy(pindex))
    if queues:
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    await k.leave("page_io_test", soft)
    return "busy" if soft else "idle"
