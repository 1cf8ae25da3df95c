"""vm_object_backing_scan: what an object takes over from the one behind it, and whether it needs to (vm-facts 2.4, 3.4).

The kernel's one routine with three flags is three here, since they share the loop's head and nothing else. A page stays mapped while it is
renamed: who maps it, maps it through the object that gets it. One that is freed cannot be mapped, for whoever could find it finds the page
in front of it; the kernel asserts it, and so does the free here.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.vm_object_header import BATCH, EVERYTHING, header
from actors.kernel.vm_object_pages import free_or_disown
from actors.kernel.vm_page import page_state, vm_page_busy, vm_page_rename
from protocol.identity import PAGE_QUEUES, SWAP_PAGER
from protocol.messages.device import PagerFree, PagerHas
from protocol.messages.objects import OBJ_DEAD, Header, Lookup, Resident, SetFlag
from protocol.messages.pages import WantBusy, page_channel
from protocol.pages import BUSY, OBJT_DEFAULT, OBJT_SWAP

Row = tuple[int, int, int, int]
"""(pindex, frame, valid, soft busy) of a resident page of the backing object."""


class Pair(NamedTuple):
    """An object and the one behind it, both locked, with their headers."""

    obj: str
    front: Header
    backing: str
    behind: Header

    def place(self, pindex: int) -> int:
        """The offset in the object of the backing object's ``pindex``; -1 if it lies outside the object."""
        at = pindex - self.front.offset
        return at if 0 <= at < self.front.size else -1


@locks("obj", "backing")
async def look(k: Context, obj: str, backing: str) -> Pair:
    """Both headers. [L: obj, backing]"""
    return Pair(obj, await header(k, obj), backing, await header(k, backing))


@locks("pair.obj", "pair.backing")
async def scan_all_shadowed(k: Context, pair: Pair) -> bool:
    """Does the object have a page of its own, resident or in its pager, wherever the backing object has one? What the backing object may
    have in swap is not looked at: with a pager the answer is no. [L: both]"""
    if pair.behind.type != OBJT_DEFAULT:
        return False
    start, end = pair.front.offset, pair.front.offset + pair.front.size
    while True:
        rows = await k.call(pair.backing, Resident(start, end, BATCH))
        for row in rows:
            if not await _has(k, pair, pair.place(row[0]), valid=True):
                return False
        if len(rows) < BATCH:
            return True
        start = rows[-1][0] + 1


async def _has(k: Context, pair: Pair, pindex: int, valid: bool = False) -> bool:
    """Has the object a page there, or its pager? ``valid``: a page that is not filled yet counts for nothing."""
    found = await k.call(pair.obj, Lookup(pindex))
    if found[0] > 0 and (found[1] or not valid):
        return True
    return pair.front.type == OBJT_SWAP and bool(await k.call(SWAP_PAGER, PagerHas(pair.obj, pindex)))


@locks("pair.obj", "pair.backing")
async def scan_collapse_wait(k: Context, pair: Pair) -> tuple[int, int]:
    """Move every page of the backing object up, or free it; the object is dead from now on, for nobody must begin anything with it while
    the scan sleeps for a busy page. Returns how many have moved and how many are freed. [L: both, dropped while it sleeps]"""
    moved = freed = 0
    await k.post(pair.backing, SetFlag(OBJ_DEAD, 0))
    while rows := await k.call(pair.backing, Resident(0, EVERYTHING, BATCH)):
        for row in rows:
            if await _slept(k, pair, row):
                pair = await look(k, pair.obj, pair.backing)
                break
            up = await _take(k, pair, row)
            moved, freed = moved + up, freed + (not up)
    return moved, freed


@locks("pair.obj", "pair.backing")
async def scan_collapse_nowait(k: Context, pair: Pair) -> tuple[int, int]:
    """The same for those pages that are idle and filled; the others stay. [L: both]"""
    moved = freed = start = 0
    while rows := await k.call(pair.backing, Resident(start, EVERYTHING, BATCH)):
        for row in rows:
            if await _idle(k, row):
                up = await _take(k, pair, row)
                moved, freed = moved + up, freed + (not up)
        start = rows[-1][0] + 1
    return moved, freed


async def _slept(k: Context, pair: Pair, row: Row) -> bool:
    """Sleep if the page is busy, with both objects dropped, and lock them again, the front one first. Returns whether it slept."""
    _, frame, _, soft = row
    await k.acquire(PAGE_QUEUES)
    if not await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
        await k.release(PAGE_QUEUES)
        return False
    await k.release(pair.backing)
    await k.release(pair.obj)
    await k.sleep(PAGE_QUEUES, page_channel(frame))
    await k.acquire(pair.obj)
    await k.acquire(pair.backing)
    return True


async def _idle(k: Context, row: Row) -> bool:
    """Is the page filled and in nobody's hands?"""
    _, frame, valid, soft = row
    await k.acquire(PAGE_QUEUES)
    _, flags, wire, hold, *_ = await page_state(k, frame)
    await k.release(PAGE_QUEUES)
    return bool(valid) and not (soft or wire or hold or flags & BUSY)


@locks("pair.obj", "pair.backing")
async def _take(k: Context, pair: Pair, row: Row) -> bool:
    """Rename one page into the object, or free it where the object has one of its own or ends before it. Returns whether it moved. The
    block of swap behind it goes: a page that moves is dirty. [L: both]

    C01 ``busy-first``: a removal wants the page busy.
    """
    pindex, frame, valid, _ = row
    if pair.behind.type == OBJT_SWAP:
        await k.call(SWAP_PAGER, PagerFree(pair.backing, pindex, pindex + 1))
    place = pair.place(pindex)
    unwanted = place < 0 or await _has(k, pair, place)
    await k.acquire(PAGE_QUEUES)
    if unwanted:
        await free_or_disown(k, frame, pair.backing, pindex)
    else:
        if k.form("C01") == "busy-first":
            await vm_page_busy(k, frame)
        await vm_page_rename(k, frame, pair.backing, pindex, pair.obj, place, valid)
    await k.release(PAGE_QUEUES)
    return not unwanted
