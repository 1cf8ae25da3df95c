"""Steps of litmus tests that do a part of the page daemon's work, so that a script can say when, and hold it in the middle."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.inject import PAGE_STATS_DROPS_QUEUES
from actors.kernel.page_stats import stats_wanted, walk_active
from actors.kernel.top_up import top_up
from protocol.identity import PAGE_QUEUES


async def pageout_top_up(k: Context) -> str:
    """The end of a pass: cached pages become free ones until the reserve is there."""
    await k.enter("vm_pageout_scan", 0)
    await k.acquire(PAGE_QUEUES)
    await top_up(k)
    await k.release(PAGE_QUEUES)
    await k.leave("vm_pageout_scan", "ok")
    return "ok"


async def pageout_page_stats(k: Context) -> str:
    """What the page daemon does when nothing was short for a while, with all active pages."""
    drops = any(one.what == PAGE_STATS_DROPS_QUEUES for one in k.tables.workload.injected)
    await k.enter("vm_pageout_page_stats")
    await k.acquire(PAGE_QUEUES)
    left, frame = await stats_wanted(k, full=True)
    while left:
        left, frame = await walk_active(k, left, frame, drops)
        drops = False
    await k.release(PAGE_QUEUES)
    await k.leave("vm_pageout_page_stats", "ok")
    return "ok"
