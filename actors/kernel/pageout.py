"""The page daemon: its main loop and the order of a pass (vm-facts 3.11, 2.6).

Each routine is one stretch of the daemon's work and ends by naming the next (Again), so that a thread's history stays short. The page-
queues lock is held from the beginning of the inactive scan to the end of the active one, as in the kernel: those are the longest waits of
everybody else.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held, recorded
from actors.kernel.page_stats import stats_wanted, walk_active
from actors.kernel.pageout_scan import Scan, scan_active, scan_inactive
from actors.kernel.requests import Again
from actors.kernel.top_up import top_up
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts
from protocol.messages.locks import Wakeup
from protocol.messages.queues import CHAN_FREE, CHAN_NEEDED, PagesNeeded, QueueCounts
from protocol.records import LOOP

MAXLAUNDER, MAXLAUNDER_HARD = 32, 10_000
"""How often pages are laundered in the first pass, which has the number 0, and in later ones."""
INACTIVE_SCAN, ACTIVE_SCAN = "vm_pageout_scan inactive", "vm_pageout_scan active"
"""Names of the two loops, whose measure is the pages still to be looked at."""


async def available(k: Context) -> tuple[int, int]:
    """(free + cache, free), read without a lock as the kernel's predicates do."""
    free, cache, _ = await k.call(FREE_QUEUES, FreeCounts())
    return free + cache, free


async def pageout(k: Context, passes: int) -> Again:
    """One turn of vm_pageout: wake who can go on, sleep or scan."""
    limits = k.machine.thresholds
    await k.acquire(PAGE_QUEUES)
    needed = (await k.call(PAGE_QUEUES, QueueCounts()))[5]
    ready, _ = await available(k)
    if needed and ready >= limits.free_min:
        needed = ready < limits.free_reserved + limits.cache_min
        await k.post(PAGE_QUEUES, Wakeup(CHAN_FREE) if needed else PagesNeeded(False))
    if not needed:
        why = await k.sleep(PAGE_QUEUES, CHAN_NEEDED, k.machine.daemon_interval_ns)
        return await _interval_over(k) if why == "timeout" else Again("pageout_pass", (0,))
    if passes > 0:
        await k.sleep(PAGE_QUEUES, CHAN_NEEDED, k.machine.daemon_rest_ns)
    else:
        await k.release(PAGE_QUEUES)
    return Again("pageout_pass", (passes + 1,))


@locks(without=("any",), takes=(("pageout_stats", ("pq",)),))
async def _interval_over(k: Context) -> Again:
    """Nobody has needed the daemon for a while: it looks at active pages, if inactive ones are few. [L: nothing on entry; PQ if it does]"""
    await k.acquire(PAGE_QUEUES)
    if not (await k.call(PAGE_QUEUES, QueueCounts()))[5]:
        left, frame = await stats_wanted(k)
        if left:
            await k.enter("vm_pageout_page_stats", left)
            return Again("pageout_stats", (left, frame))
    await k.release(PAGE_QUEUES)
    return Again("pageout", (0,))


@recorded("pq", name="vm_pageout_page_stats")
@locks("pq", drops=(("pageout", ("pq",)),))
async def pageout_stats(k: Context, left: int, frame: int) -> Again:
    """Some steps of the walk. [L: PQ on entry, nothing at the end]"""
    left, frame = await walk_active(k, left, frame)
    if left:
        return Again("pageout_stats", (left, frame))
    await k.leave("vm_pageout_page_stats", "ok")
    await k.release(PAGE_QUEUES)
    return Again("pageout", (0,))


@nothing_held("vm_pageout_scan")
async def pageout_pass(k: Context, passes: int) -> Again:
    """Begin a pass: how many pages are short, how many may be laundered."""
    await k.enter("vm_pageout_scan", passes)
    limits = k.machine.thresholds
    await k.acquire(PAGE_QUEUES)
    inactive, _, _, _, deficit, _ = await k.call(PAGE_QUEUES, QueueCounts(True))
    ready, _ = await available(k)
    shortage = limits.free_target + limits.cache_min - ready + deficit
    await k.note(LOOP, k.tid, INACTIVE_SCAN, True, inactive)
    launder = MAXLAUNDER if passes == 0 else MAXLAUNDER_HARD
    return Again("pageout_inactive", (passes, inactive, shortage, launder, 0, 0))


@locks("pq")
async def pageout_inactive(k: Context, passes: int, left: int, shortage: int, launder: int, after: int, extra: int) -> Again:
    """Some steps of the inactive scan. [L: PQ on entry and exit]"""
    scan = Scan(passes, left, shortage, launder, after, extra)
    if await scan_inactive(k, scan):
        await k.note(LOOP, k.tid, INACTIVE_SCAN, False, scan.left)
        return Again("pageout_inactive", (passes, scan.left, scan.shortage, scan.launder, scan.after, scan.extra))
    limits = k.machine.thresholds
    inactive, active, *_ = await k.call(PAGE_QUEUES, QueueCounts())
    ready, _ = await available(k)
    wanted = limits.free_target + limits.cache_min - ready + limits.inactive_target - inactive + scan.extra
    await k.note(LOOP, k.tid, ACTIVE_SCAN, True, active)
    return Again("pageout_active", (passes, active, wanted, 0))


@locks("pq", drops=(("pageout", ("pq",)),))
async def pageout_active(k: Context, passes: int, left: int, shortage: int, after: int) -> Again:
    """Some steps of the active scan, then the top-up of the free list. [L: PQ on entry, nothing at the end]"""
    scan = Scan(passes, left, shortage, 0, after, 0)
    if await scan_active(k, scan):
        await k.note(LOOP, k.tid, ACTIVE_SCAN, False, scan.left)
        return Again("pageout_active", (passes, scan.left, scan.shortage, scan.after))
    await top_up(k)
    await k.release(PAGE_QUEUES)
    await k.leave("vm_pageout_scan", "ok")
    return Again("pageout", (passes,))
