"""vm_pageout_scan: the inactive queue, the active queue, and the top-up of the free list (vm-facts 3.11).

The order of locks is object before page queues, and a scan holds the page queues: it tries the page's object, and if that fails leaves a
marker, drops the page queues, takes both in order, and looks whether the page is still where it was. ``after`` is the last page that
stayed in its place: what follows it is next. While the page queues are dropped the marker keeps that place; to begin again at the head
would look at the same pages twice, and at the last ones never.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.launder import pageout_clean
from actors.kernel.pageout_dirty import dirty_for_pageout
from actors.kernel.pmap import page_referenced, pmap_remove_all
from actors.kernel.vm_page import try_owner, vm_page_free
from actors.kernel.vm_page_cache import vm_page_cache
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import OBJ_DEAD, Describe, Lookup
from protocol.messages.pages import Activate, Deactivate, PageState, SetAct, SetFlags
from protocol.messages.queues import Mark, NextAfter, Requeue
from protocol.pages import ACT_INIT, ACTIVE, BUSY, INACTIVE, REFERENCED, WINATCFLS
from protocol.records import BELIEF

PAGES_AT_ONCE = 32
"""Pages looked at in one step of the daemon's history."""
MARKER = -2
ACT_ADVANCE, ACT_MAX = 3, 64

Row = tuple[int, str, int, int, int, int, int, int]
"""(frame, object, pindex, flags, dirty, hold, act, wire), as NextAfter tells."""


class Scan:
    """Where a scan is: the pass, how many pages it may still look at, how many are short, how often it may launder, after which page it
    goes on."""

    __slots__ = ("after", "extra", "launder", "left", "passes", "shortage")

    def __init__(self, passes: int, left: int, shortage: int, launder: int, after: int, extra: int) -> None:
        self.passes, self.left, self.shortage, self.launder, self.after, self.extra = passes, left, shortage, launder, after, extra


async def _next(k: Context, scan: Scan, queue: int) -> Row | None:
    """The next page to look at; None at the end of the queue or of the scan's allowance."""
    while scan.left > 0:
        scan.left -= 1
        row = await k.call(PAGE_QUEUES, NextAfter(queue, scan.after))
        if row is None:
            return None
        if len(row) == 8:
            frame: Row = row
            return frame
        scan.after = row[0] if row[0] <= MARKER else 0
    return None


@locks("pq", takes=((True, ("obj",)),))
async def _lock_object(k: Context, scan: Scan, queue: int, frame: int, obj: str) -> bool:
    """Lock the page's object out of order (vm_pageout_fallback_object_lock). False: the page changed meanwhile, the object is not held,
    and the scan goes on with what came next. [L: PQ on entry and exit]"""
    if await try_owner(k, frame, obj):
        return True
    await k.call(PAGE_QUEUES, Mark(queue, MARKER, frame))
    await k.release(PAGE_QUEUES)
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    state = await k.call(PAGE_QUEUES, PageState(frame))
    behind, before = await k.call(PAGE_QUEUES, Mark(queue, MARKER))
    if behind == frame and state is not None and state[7] == obj:
        await k.note(BELIEF, k.tid, frame, obj, -1)
        scan.after = before
        return True
    scan.after = behind
    await k.release(obj)
    return False


# The inactive queue -----------------------------------------------------------------------------------------------------------


async def scan_inactive(k: Context, scan: Scan) -> bool:
    """Look at some pages. Returns whether the scan goes on."""
    for _ in range(PAGES_AT_ONCE):
        if scan.shortage <= 0:
            return False
        row = await _next(k, scan, INACTIVE)
        if row is None:
            return False
        await k.compute("scan", k.costs.scan_page_ns)
        await _inactive_page(k, scan, row)
    return True


async def _inactive_page(k: Context, scan: Scan, row: Row) -> None:
    frame, obj, pindex, _, _, hold, _, _ = row
    if hold:
        await k.post(PAGE_QUEUES, Requeue(frame))
        scan.extra += 1
        return
    if not await _lock_object(k, scan, INACTIVE, frame, obj):
        return
    found = await k.call(obj, Lookup(pindex))
    state = await k.call(PAGE_QUEUES, PageState(frame))
    if found[0] != frame or state[1] & BUSY or found[2] or state[3]:
        scan.after = frame
        scan.extra += 1
    else:
        await _idle_inactive(k, scan, row, found[1], state)
    await k.release(obj)


@locks("object", "pq")
async def _idle_inactive(k: Context, scan: Scan, row: Row, valid: int, state: tuple[int, ...]) -> None:
    """An idle page: reactivate it, free it, cache it, give a dirty one a second chance, or launder it. [L: OBJ, PQ]"""
    frame, obj, pindex = row[:3]
    kind, _, refs, _, _, _, _, flags, *_ = await k.call(obj, Describe())
    if await _reactivated(k, frame, state, refs):
        return
    if not valid:
        await pmap_remove_all(k, frame)
        await vm_page_free(k, frame, obj, pindex)
        scan.shortage -= 1
        return
    dirty = await dirty_for_pageout(k, frame, state[1], state[5])
    await k.at("vm_pageout_scan.tested")
    if not dirty:
        await vm_page_cache(k, frame)
        scan.shortage -= 1
    elif not state[1] & WINATCFLS and scan.passes == 0:
        await k.post(PAGE_QUEUES, SetFlags(frame, WINATCFLS))
        await k.post(PAGE_QUEUES, Requeue(frame))
    elif scan.launder > 0 and flags & OBJ_DEAD:
        # The object is being torn down or collapsed: the page is freed or moved soon, and a write would only be waited for.
        await k.post(PAGE_QUEUES, Requeue(frame))
    elif scan.launder > 0:
        await _launder(k, scan, frame, obj, pindex, kind)
    else:
        scan.after = frame


@locks("object", "pq")
async def _reactivated(k: Context, frame: int, state: tuple[int, ...], refs: int) -> bool:
    """Has the page been used since it became inactive? Then it is active again, and more so than others. If nobody refers to its object
    its references are only cleared, those of the mappings as far as the daemon ever looks. [L: OBJ, PQ]"""
    used = await page_referenced(k, frame, state[1])
    if used and refs:
        await k.post(PAGE_QUEUES, Activate(frame))
        act = min(ACT_MAX, max(ACT_INIT, state[4]) + ACT_ADVANCE + used)
        await k.post(PAGE_QUEUES, SetAct(frame, act, clear_referenced=True))
        return True
    if state[1] & REFERENCED:
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, REFERENCED))
    return False


@locks("obj", "pq")
async def _launder(k: Context, scan: Scan, frame: int, obj: str, pindex: int, kind: int) -> None:
    """Have the page written, with its neighbours, which counts as one however many they are; the page queues are dropped meanwhile.

    [L: OBJ, PQ on entry and exit]
    """
    await k.call(PAGE_QUEUES, Mark(INACTIVE, MARKER, frame))
    await pageout_clean(k, frame, obj, pindex, kind)
    scan.after, _ = await k.call(PAGE_QUEUES, Mark(INACTIVE, MARKER))
    scan.shortage -= 1
    scan.launder -= 1


# The active queue -------------------------------------------------------------------------------------------------------------


async def scan_active(k: Context, scan: Scan) -> bool:
    """Look at some pages. Returns whether the scan goes on."""
    for _ in range(PAGES_AT_ONCE):
        if scan.shortage <= 0:
            return False
        row = await _next(k, scan, ACTIVE)
        if row is None:
            return False
        await k.compute("scan", k.costs.scan_page_ns)
        await _active_page(k, scan, row)
    return True


async def _active_page(k: Context, scan: Scan, row: Row) -> None:
    frame, obj, pindex = row[:3]
    if not await _lock_object(k, scan, ACTIVE, frame, obj):
        return
    found = await k.call(obj, Lookup(pindex))
    state = await k.call(PAGE_QUEUES, PageState(frame))
    if found[0] != frame or state[1] & BUSY or found[2] or state[3]:
        await k.post(PAGE_QUEUES, Requeue(frame))
    else:
        await _idle_active(k, scan, frame, obj, state)
    await k.release(obj)


@locks("object", "pq")
async def _dirty_without_mappings(k: Context, frame: int) -> int:
    """Remove the mappings of a page that nobody refers to any more, and look at the dirty bits then. [L: OBJ, PQ]"""
    await pmap_remove_all(k, frame)
    state = await k.call(PAGE_QUEUES, PageState(frame))
    return int(state[5])


@locks("obj", "pq")
async def _idle_active(k: Context, scan: Scan, frame: int, obj: str, state: tuple[int, ...]) -> None:
    """Age an idle page; deactivate it when it has not been used for long, or cache it when nobody refers to its object. [L: OBJ, PQ]"""
    refs = (await k.call(obj, Describe()))[2]
    used = await page_referenced(k, frame, state[1]) if refs else 0
    act = state[4]
    if used:
        await k.post(PAGE_QUEUES, Requeue(frame, min(ACT_MAX, act + ACT_ADVANCE + used), clear_referenced=True))
        return
    act = max(0, act - 1)
    if act and refs:
        await k.post(PAGE_QUEUES, Requeue(frame, act, clear_referenced=True))
        return
    scan.shortage -= 1
    await k.post(PAGE_QUEUES, SetAct(frame, act, clear_referenced=True))
    if not refs and not await _dirty_without_mappings(k, frame):
        await vm_page_cache(k, frame)
    else:
        await k.post(PAGE_QUEUES, Deactivate(frame))
