"""Frames in the kernel's own address space: an entry of its map, residence in the kernel object, wiring (vm-facts 3.12).

The kernel's page table is not modelled: nobody in the model reads memory through it, and its mappings are unmanaged. Wiring therefore needs
no fault for each page: the page-queues lock is taken once, and all pages of the run are wired under it.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.page_content import zero_unless
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import vm_page_free
from actors.kernel.vnode import insert_resident
from protocol.identity import KERNEL_BASE, KERNEL_MAP, KERNEL_OBJECT, PAGE_QUEUES
from protocol.messages.contig import Adopt
from protocol.messages.objects import Enter, Resident
from protocol.messages.pages import Unwire, Wire
from protocol.messages.space import AddEntry, Cut, FindSpace
from protocol.pages import PROT_READ, PROT_WRITE, VALID_ALL

PROT_RW = PROT_READ | PROT_WRITE


@locks(without=("map", "object", "pq", "pmap", "fq"))
async def map_run(k: Context, first: int, pages: int, zeroed: tuple[int, ...], zero: bool) -> int:
    """Give a run of private pages to the kernel object and wire them; ``zero``: zero those that are not. Returns the address as a page
    number; 0 if the map has no room, and then, as in the kernel, the frames are lost. [L: nothing of the VM's]"""
    await k.acquire(KERNEL_MAP)
    address: int = await k.call(KERNEL_MAP, FindSpace(KERNEL_BASE, pages))
    if address < 0:
        await k.release(KERNEL_MAP)
        return 0
    await k.acquire(KERNEL_OBJECT)
    await k.post(KERNEL_OBJECT, Enter(1, 0))
    await k.release(KERNEL_OBJECT)
    refusal = await k.call(KERNEL_MAP, AddEntry(address, address + pages, KERNEL_OBJECT, address - KERNEL_BASE, PROT_RW, 0))
    if refusal:
        raise KernelPanic(str(refusal))
    await k.release(KERNEL_MAP)
    await k.acquire(KERNEL_OBJECT)
    for frame in range(first, first + pages):
        pindex = address - KERNEL_BASE + frame - first
        await insert_resident(k, KERNEL_OBJECT, pindex, frame, VALID_ALL)
        await k.call(PAGE_QUEUES, Adopt(frame, KERNEL_OBJECT, pindex))
        if zero:
            await zero_unless(k, frame, frame in zeroed)
    await k.release(KERNEL_OBJECT)
    await _wire(k, first, pages)
    return address


async def _wire(k: Context, first: int, pages: int) -> None:
    await k.acquire(PAGE_QUEUES)
    for frame in range(first, first + pages):
        await k.post(PAGE_QUEUES, Wire(frame))
    await k.release(PAGE_QUEUES)


@locks(without=("any",))
async def kernel_unmap(k: Context, address: int, pages: int) -> None:
    """kmem_free: remove [address, address + pages) from the kernel's map, and free its pages. [L: nothing]"""
    await k.acquire(KERNEL_MAP)
    gone = await k.call(KERNEL_MAP, Cut(address, address + pages))
    for start, end, obj, offset, _, _, _ in gone:
        await k.acquire(obj)
        await _free_wired(k, obj, offset, offset + end - start)
        await k.post(obj, Enter(-1, 0))
        await k.release(obj)
    await k.release(KERNEL_MAP)


@locks("obj")
async def _free_wired(k: Context, obj: str, start: int, end: int) -> None:
    """Unwire and free the pages of a range. [L: obj]"""
    rows = await k.call(obj, Resident(start, end, end - start))
    await k.acquire(PAGE_QUEUES)
    for pindex, frame, _, _ in rows:
        await k.post(PAGE_QUEUES, Unwire(frame, False))
        await vm_page_free(k, frame, obj, pindex)
    await k.release(PAGE_QUEUES)
