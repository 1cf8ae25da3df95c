"""vm_pager: reading a page in, writing pages out, and the completion of a write (vm-facts 3.10)."""

from __future__ import annotations

from typing import Protocol

from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held
from actors.kernel.page_io import vm_page_io_finish
from protocol.identity import DISK_PAGER, PAGE_QUEUES, SWAP_PAGER
from protocol.messages.device import PagerHas, PagerRead, PagerWrite
from protocol.messages.objects import Enter, Lookup, SetType, SetValid
from protocol.messages.pages import SetDirty
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP, OBJT_VNODE, VALID_ALL
from protocol.records import FRAME_FILL, FRAME_OTHER, TRANSITION

Pages = tuple[tuple[int, int], ...]
"""(pindex, frame) pairs."""


class Wanting(Protocol):
    """The part of a fault that a page-in needs."""

    object: str
    pindex: int
    frame: int
    map_locked: bool


@locks("f.object", drops=(("none", ()), ("always", ("k.map",))))
async def vm_pager_get_page(k: Context, f: Wanting, kind: int) -> str:
    """Read one busy page in. Returns "ok", "none" (no such block), "error", or "gone" (the page was replaced meanwhile).

    [L: f.object on entry and exit] Drops the map lock and the object lock around the I/O; the page is busy and paging is in progress.
    """
    pager = DISK_PAGER if kind == OBJT_VNODE else SWAP_PAGER
    if kind == OBJT_SWAP and not await k.call(pager, PagerHas(f.object, f.pindex)):
        return "none"
    if f.map_locked:
        await k.release(k.map)
        f.map_locked = False
    await k.note(TRANSITION, k.tid, f.frame, f.object, f.pindex, True)
    await k.release(f.object)
    ok = await k.wait_for(pager, PagerRead(f.object, f.pindex))
    await k.acquire(f.object)
    again = await k.call(f.object, Lookup(f.pindex))
    if again[0] != f.frame:
        return "gone"
    await k.note(TRANSITION, k.tid, f.frame, f.object, f.pindex, False)
    if not ok:
        return "error"
    await k.note(FRAME_FILL, f.frame, k.tid)
    if ok is not True:
        await k.note(FRAME_OTHER, f.frame, k.tid, *ok)
    await k.post(f.object, SetValid(f.pindex, VALID_ALL))
    return "ok"


@locks("obj")
async def vm_pager_put_pages(k: Context, obj: str, kind: int, pages: Pages) -> None:
    """Start writing pages, already soft-busy and write-protected, out. Returns before they are written. [L: obj]

    An anonymous object gets its swap at its first page-out.
    """
    if kind == OBJT_DEFAULT:
        await k.post(obj, SetType(OBJT_SWAP))
    await k.post(obj, Enter(0, len(pages)))
    for pindex, frame in pages:
        await k.note(TRANSITION, k.tid, frame, obj, pindex, True)
    await k.post(DISK_PAGER if kind == OBJT_VNODE else SWAP_PAGER, PagerWrite(obj, pages))


@nothing_held()
async def pager_done(k: Context, obj: str, pages: Pages, ok: bool) -> None:
    """The interrupt thread of a completed write: io_finish on each page, then one wake-up of paging in progress.

    C05 ``pq``: the pages are finished under the page queues alone.
    """
    await k.enter("pager_done", obj, len(pages))
    object_first = k.form("C05") != "pq"
    if object_first:
        await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    for pindex, frame in pages:
        await k.note(TRANSITION, k.tid, frame, obj, pindex, False)
        if ok:
            await k.post(PAGE_QUEUES, SetDirty(frame, 0))
        await vm_page_io_finish(k, obj, pindex, frame)
    await k.release(PAGE_QUEUES)
    if not object_first:
        await k.acquire(obj)
    await k.post(obj, Enter(0, -len(pages)))
    await k.release(obj)
    await k.leave("pager_done", "ok" if ok else "error")
