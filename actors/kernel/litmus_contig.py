"""Steps of litmus tests around contiguous memory: a driver that asks for it and gives it back, and those who are in its way."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contig import contigfree, contigmalloc
from actors.kernel.contig_scan import Want
from actors.kernel.mman import vnode_name
from protocol.identity import KERNEL_BASE, KERNEL_MAP, KERNEL_PAGES, vnode_of
from protocol.messages.space import Entries


async def contig_alloc(
    k: Context, pages: int, low: int = 1, high: int = 0, alignment: int = 1, boundary: int = 0, wait: bool = False, zero: bool = False
) -> str:
    """contigmalloc of so many pages among the frames [low, high); ``high`` 0: anywhere above ``low``."""
    address = await contigmalloc(k, Want(pages, low, high or k.machine.frames + 1, alignment, boundary), wait, zero)
    return "ok" if address else "ENOMEM"


async def contig_free(k: Context, nth: int = 0) -> str:
    """contigfree of the nth stretch of memory in the kernel's map, counted from 0 by address."""
    await k.acquire(KERNEL_MAP)
    rows = await k.call(KERNEL_MAP, Entries(KERNEL_BASE, KERNEL_BASE + KERNEL_PAGES, nth + 1))
    await k.release(KERNEL_MAP)
    if nth >= len(rows):
        return "absent"
    start, end, *_ = rows[nth]
    await contigfree(k, start, end - start)
    return "ok"


async def vnode_hold(k: Context, file: int) -> str:
    """A file system works on a vnode under its interlock; a script holds the step at the point."""
    vnode = vnode_of(vnode_name(file))
    await k.acquire(vnode)
    await k.at("vnode_hold.locked")
    await k.release(vnode)
    return "ok"


async def object_hold(k: Context, file: int) -> str:
    """Somebody works on a file's object with its lock held; a script holds the step at the point."""
    obj = vnode_name(file)
    await k.acquire(obj)
    await k.at("object_hold.locked")
    await k.release(obj)
    return "ok"
