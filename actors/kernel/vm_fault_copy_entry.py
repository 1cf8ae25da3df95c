"""vm_fault_copy_entry: at a fork, the pages of a wired entry are copied at once (vm-facts 3.9 step 1, 3.16).

They may not be protected against writing, or the next store would put an unwired copy in their place, and unwiring would look for the wire
count there. So nothing is shared: the parent's entry stays as it is, and the child gets an object of its own, whose pages are not wired.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.fault_state import free_busy
from actors.kernel.fault_unwire import is_device
from actors.kernel.page_content import copy_page
from actors.kernel.pmap import pmap_remove
from actors.kernel.pmap_enter import pmap_enter
from actors.kernel.vm_object import vm_object_allocate
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import vm_wait
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup, SetValid
from protocol.messages.pages import Activate, Unbusy
from protocol.messages.space import ENTRY_COW, ENTRY_NEEDS_COPY, ENTRY_WIRED, AddEntry, EntryRow
from protocol.pages import VALID_ALL


@locks("k.map", "space")
async def vm_fault_copy_entry(k: Context, space: str, pmap: str, row: EntryRow) -> bool:
    """Give ``space`` a copy of the entry ``row`` of the loaded map, with copies of all its pages, mapped in ``pmap``. [L: both maps]

    Returns false, with nothing done, if a page is not there: another thread is about to wire it, and the kernel would have the fork wait
    for the entry, which is in transition. A device's memory is not copied either.
    """
    start, end, obj, offset, prot, flags = row
    if await is_device(k, obj):
        return False
    copy = await vm_object_allocate(k, end - start)
    for pindex in range(end - start):
        frame = await _copied(k, obj, offset + pindex, copy, pindex)
        if not frame:
            await pmap_remove(k, pmap, start, end)
            await vm_object_deallocate(k, copy)
            return False
        await pmap_enter(k, pmap, start + pindex, frame, prot)
        await _let_go(k, copy, frame)
    await k.call(space, AddEntry(start, end, copy, 0, prot, flags & ~(ENTRY_WIRED | ENTRY_COW | ENTRY_NEEDS_COPY)))
    return True


@locks(without=("object",))
async def _copied(k: Context, source: str, at: int, copy: str, pindex: int) -> int:
    """A busy page of ``copy`` with the content of a page of the chain that begins with ``source``; 0 if there is none. [L: no object]"""
    await k.acquire(copy)
    while not (frame := (await vm_page_alloc(k, copy, pindex))[0]):
        await k.release(copy)
        await vm_wait(k)
        await k.acquire(copy)
    original, owner = await _found(k, source, at)
    if original:
        await copy_page(k, original, frame)
    await k.release(owner)
    if original:
        await k.post(copy, SetValid(pindex, VALID_ALL))
    else:
        await free_busy(k, copy, pindex, frame)
    await k.release(copy)
    return frame if original else 0


async def _found(k: Context, obj: str, pindex: int) -> tuple[int, str]:
    """The page, or 0, and the object at which the search down the chain ended, locked."""
    await k.acquire(obj)
    while True:
        frame, *rest = await k.call(obj, Lookup(pindex, True))
        if frame > 0:
            return frame, obj
        _, _, backing, offset, _ = rest
        if not backing:
            return 0, obj
        await k.acquire(backing)
        await k.release(obj)
        obj, pindex = backing, pindex + offset


@locks(without=("object",))
async def _let_go(k: Context, obj: str, frame: int) -> None:
    """The copy is mapped: it goes on its queue and is busy no more. [L: no object]"""
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Activate(frame))
    await k.post(PAGE_QUEUES, Unbusy(frame))
    await k.release(PAGE_QUEUES)
    await k.release(obj)
