"""Litmus steps about page tables: what the page daemon, a truncation or a driver does to pages that somebody has mapped.

A page is named by its file and offset, as in :mod:`actors.kernel.litmus`.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.mman import vnode_name
from actors.kernel.vm_object import free_pages


async def file_truncate(k: Context, file: int, pindex: int, pages: int = 1) -> str:
    """A file gets shorter: vm_object_page_remove frees ``pages`` pages from ``pindex`` on, removing every mapping of each."""
    obj = vnode_name(file)
    await k.acquire(obj)
    await free_pages(k, obj, pindex, pindex + pages, mapped=True)
    await k.release(obj)
    return "ok"
