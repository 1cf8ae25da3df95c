"""vm_pageout_page_stats: while nothing is short the page daemon ages active pages now and then (vm-facts 3.11; C29).

The walk remembers which page comes next before it deals with one, as a walk of a list does that moves what it looks at. That is sound as
long as the page queues are held. C29 ``silent``: if they were not, and the next page has gone to another queue, the walk goes on there
and ages pages that are none of its business. ``assert``: each page must be active.

A scenario can have the walk drop the page queues once between two pages (``page-stats-drops-queues``): no kernel does.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pageout_scan import ACT_ADVANCE, ACT_MAX, MARKER, PAGES_AT_ONCE
from actors.kernel.pmap import page_referenced, pmap_remove_all
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import page_state
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts
from protocol.messages.locks import TRY
from protocol.messages.objects import Lookup
from protocol.messages.pages import Deactivate, PageState
from protocol.messages.queues import LEFT, Mark, NextAfter, QueueCounts, Requeue, StatsInterval
from protocol.pages import ACTIVE, BUSY, CACHE, FREE, NONE
from protocol.records import BELIEF, INJECTED


@locks("pq")
async def stats_wanted(k: Context, full: bool = False) -> tuple[int, int]:
    """(how many active pages to look at, the first of them). None while there are enough pages that could be had. [L: PQ]

    In every fourth interval, and if ``full``, all active pages; otherwise as many in proportion as v_free_target is of memory.
    """
    limits = k.machine.thresholds
    inactive, active, cache, *_ = await k.call(PAGE_QUEUES, QueueCounts())
    await k.peek("v_free_count")
    free, _, _ = await k.call(FREE_QUEUES, FreeCounts())
    if limits.inactive_target + 2 * limits.cache_min + limits.free_min <= free + inactive + cache:
        return 0, 0
    if not await k.call(PAGE_QUEUES, StatsInterval()) and not full:
        active = min(active, limits.free_target * active // k.machine.frames)
    return active, await _follower(k, ACTIVE, 0) if active else 0


@locks("pq")
async def walk_active(k: Context, left: int, frame: int, drops: bool = False) -> tuple[int, int]:
    """Age some pages from ``frame`` on. Returns how many are left to look at, and the next of them. [L: PQ on entry and exit]

    ``drops``: the injected fault, by which the page queues are let go once though the next page is known already.
    """
    for number in range(PAGES_AT_ONCE):
        if not left or not frame:
            return 0, 0
        left -= 1
        await k.compute("scan", k.costs.scan_page_ns)
        frame = await _look_at(k, frame)
        if drops and not number:
            await _drop_wrongly(k)
    return left, frame


@locks("pq")
async def _look_at(k: Context, frame: int) -> int:
    """Age one page. Returns the one that came next. [L: PQ]"""
    state = await k.call(PAGE_QUEUES, PageState(frame))
    queue, obj, pindex = (state[0], state[7], state[8]) if state is not None else (FREE, "", 0)
    if queue != ACTIVE and k.form("C29") == "assert":
        raise KernelPanic(f"vm_pageout_page_stats: page {frame:#x} isn't active")
    if not obj:
        raise KernelPanic(f"Fatal trap 12: page fault while in kernel mode (the lock of the NULL object of vm page {frame:#x})")
    following = await _follower(k, queue, frame)
    unchanged, following = await _lock_object(k, queue, frame, obj, following)
    if unchanged:
        await _age(k, frame, obj, pindex)
        await k.release(obj)
    return following


async def _follower(k: Context, queue: int, after: int) -> int:
    """The page behind ``after`` on its queue, markers passed over; 0 at the end."""
    colour = after % k.machine.colours if queue == CACHE else -1
    while queue not in (NONE, FREE):
        row = await k.call(PAGE_QUEUES, NextAfter(queue, after, colour))
        if row is None or row[0] == LEFT:
            return 0
        after = row[0]
        if after > 0:
            return after
    return 0


@locks("pq", takes=((True, ("obj",)),))
async def _lock_object(k: Context, queue: int, frame: int, obj: str, following: int) -> tuple[bool, int]:
    """Lock the page's object out of order (vm_pageout_fallback_object_lock). Returns whether the page is still what it was, without which
    the object is not held; and what comes next. [L: PQ on entry and exit]"""
    if await k.acquire(obj, TRY):
        return True, following
    await k.call(PAGE_QUEUES, Mark(queue, MARKER, frame))
    await k.release(PAGE_QUEUES)
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    following = await _follower(k, queue, MARKER)
    behind, _ = await k.call(PAGE_QUEUES, Mark(queue, MARKER))
    state = await k.call(PAGE_QUEUES, PageState(frame))
    if behind == frame and state is not None and state[7] == obj:
        await k.note(BELIEF, k.tid, frame, obj, -1)
        return True, following
    await k.release(obj)
    return False, following


@locks("obj", "pq")
async def _age(k: Context, frame: int, obj: str, pindex: int) -> None:
    """More active if it was used, less if not; inactive, and unmapped, when it has been unused for long. [L: PQ, OBJ]"""
    found = await k.call(obj, Lookup(pindex))
    _, flags, _, hold, act, *_ = await page_state(k, frame)
    if flags & BUSY or found[2] or hold:
        await k.post(PAGE_QUEUES, Requeue(frame))
        return
    used = await page_referenced(k, frame, flags)
    if used:
        await k.post(PAGE_QUEUES, Requeue(frame, min(ACT_MAX, act + ACT_ADVANCE + used), clear_referenced=True))
    elif act:
        await k.post(PAGE_QUEUES, Requeue(frame, act - 1))
    else:
        await pmap_remove_all(k, frame)
        await k.post(PAGE_QUEUES, Deactivate(frame))


async def _drop_wrongly(k: Context) -> None:
    await k.release(PAGE_QUEUES)
    await k.at("vm_pageout_page_stats.dropped")
    await k.note(INJECTED, "vm_pageout_page_stats has dropped the page queues")
    await k.acquire(PAGE_QUEUES)
