"""Litmus steps about page tables: what the page daemon, a truncation or a driver does to pages that somebody has mapped.

A page is named by its file and offset, as in :mod:`actors.kernel.litmus`.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.litmus import ABSENT
from actors.kernel.mman import vnode_name
from actors.kernel.pmap import pmap_remove_all
from actors.kernel.vm_object_pages import free_pages
from actors.kernel.vm_page import vm_page_free
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.space import PteObject
from protocol.records import INJECTED


async def file_truncate(k: Context, file: int, pindex: int, pages: int = 1) -> str:
    """A file gets shorter: vm_object_page_remove frees ``pages`` pages from ``pindex`` on, removing every mapping of each."""
    obj = vnode_name(file)
    await k.acquire(obj)
    await free_pages(k, obj, pindex, pindex + pages, mapped=True)
    await k.release(obj)
    return "ok"


async def page_lookup(k: Context, file: int, pindex: int) -> str:
    """Is the page resident? Asked under the object's lock and no other."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    await k.release(obj)
    return "ok" if frame > 0 else ABSENT


async def page_free_unlocked(k: Context, file: int, pindex: int) -> str:
    """A driver frees a page that it found a while ago, under the page queues and without the object's lock, which it should have taken."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    await k.release(obj)
    if frame <= 0:
        return ABSENT
    await k.acquire(PAGE_QUEUES)
    await pmap_remove_all(k, frame)
    await k.note(INJECTED, f"a removal from {obj} without its lock")
    await vm_page_free(k, frame, obj, pindex)
    await k.release(PAGE_QUEUES)
    return "ok"


async def pte_object_scan(k: Context) -> str:
    """What pmap_release does with its page-table pages, as to locks: the object first, and the page queues for each page behind it.

    Nothing is freed, since the pmap is in use. Page-table pages without an object (C14 ``none``) leave only the page queues to take.
    """
    obj = await k.call(k.pmap, PteObject())
    if obj:
        await k.acquire(obj)
    await k.at("pmap_release.scanning")
    await k.acquire(PAGE_QUEUES)
    await k.release(PAGE_QUEUES)
    if obj:
        await k.release(obj)
    return "ok"
