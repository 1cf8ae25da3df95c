"""pmap_release: what is left of a page table when its address space is gone (vm-facts 3.14, 3.15).

Only alpha has something left here: its level-1 table, which is a page like the others and stays until now. C14 ``pte-object``: the object
of the page-table pages is scanned with its lock held; to free a page the page queues are taken behind it, and a page that is busy is waited
for, after which the scan begins again if the object has changed. i386 and amd64 count the root with the pmap itself.

On i386 a CPU that runs a kernel-only thread, or nothing, keeps the address space loaded that it had (lazy switching), and so the root.
Before the root can go, each such CPU is made to load another (pmap_lazyfix).
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap_pte_object import table_at
from actors.kernel.pmap_table import free_table_pages
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_object_header import EVERYTHING
from actors.kernel.vm_page import vm_page_free, vm_page_sleep_if_busy
from protocol.identity import PAGE_QUEUES, RENDEZVOUS
from protocol.messages.objects import Generation, Resident
from protocol.messages.pages import Unwire
from protocol.messages.space import ActiveCpus, PtDrop, PteObject
from protocol.paging import PAGING


@locks(without=("any",))
async def pmap_release(k: Context, pmap: str) -> None:
    """Free what is left of a pmap without mappings. [L: nothing]"""
    if k.machine.pmap == "i386":
        await pmap_lazyfix(k, pmap)
    paging = PAGING[k.machine.pmap]
    if not paging.kept_level:
        return
    if k.form("C14") == "pte-object":
        await _release_object(k, pmap)
        return
    await k.acquire(PAGE_QUEUES)
    await k.acquire(pmap)
    frame = await k.call(pmap, PtDrop(paging.kept_level, 0))
    if frame:
        await free_table_pages(k, pmap, [(paging.kept_level, 0, frame)])
    await k.release(pmap)
    await k.release(PAGE_QUEUES)


@locks(without=("any",))
async def pmap_lazyfix(k: Context, pmap: str) -> None:
    """Nobody uses the pmap; make each CPU that has it loaded all the same load another, the lowest number first. [L: nothing]"""
    while True:
        await k.peek("pm_active")
        active: tuple[int, ...] = await k.call(pmap, ActiveCpus())
        if not active:
            return
        await k.acquire(RENDEZVOUS)
        await k.leave_lazy(pmap, active[0])
        await k.release(RENDEZVOUS)


async def _release_object(k: Context, pmap: str) -> None:
    obj = await k.call(pmap, PteObject())
    await k.acquire(obj)
    while not await _scan(k, pmap, obj):
        pass
    await k.release(obj)
    await vm_object_deallocate(k, obj)


@locks("obj")
async def _scan(k: Context, pmap: str, obj: str) -> bool:
    """Free the pages of the object. Returns false if it changed while a busy page was waited for. [L: obj]"""
    generation = await k.call(obj, Generation())
    for pindex, frame, _, soft in await k.call(obj, Resident(0, EVERYTHING)):
        if await _release_free_page(k, pmap, obj, pindex, frame, soft):
            generation += 1
        elif await k.call(obj, Generation()) != generation:
            return False
    return not await k.call(obj, Resident(0, EVERYTHING, 1))


@locks("obj")
async def _release_free_page(k: Context, pmap: str, obj: str, pindex: int, frame: int, soft: int) -> bool:
    """pmap_release_free_page. Returns false if the page was busy and has been waited for. [L: obj]"""
    await k.acquire(PAGE_QUEUES)
    if await vm_page_sleep_if_busy(k, frame, soft, obj):
        return False
    await k.acquire(pmap)
    await k.call(pmap, PtDrop(*table_at(pindex)))
    await k.release(pmap)
    await k.post(PAGE_QUEUES, Unwire(frame, False))
    await vm_page_free(k, frame, obj, pindex, zeroed=True)
    await k.release(PAGE_QUEUES)
    return True
