"""Steps of litmus tests that do a part of the page daemon's work, so that a script can say when, and hold it in the middle."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.inject import PAGE_STATS_DROPS_QUEUES
from actors.kernel.mman import vnode_name
from actors.kernel.page_stats import stats_wanted, walk_active
from actors.kernel.pageout_scan import Scan, scan_inactive
from actors.kernel.pmap import pmap_ts_referenced
from actors.kernel.top_up import top_up
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.pages import Deactivate, SetFlags
from protocol.pages import REFERENCED


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
    await k.acquire(PAGE_QUEUES)
    await k.enter("vm_pageout_page_stats")
    left, frame = await stats_wanted(k, full=True)
    while left:
        left, frame = await walk_active(k, left, frame, drops)
        drops = False
    await k.leave("vm_pageout_page_stats", "ok")
    await k.release(PAGE_QUEUES)
    return "ok"


async def page_dontneed(k: Context, file: int, pindex: int) -> str:
    """vm_page_dontneed: forget that a page was used, and put it at the head of the inactive queue."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame > 0:
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, REFERENCED))
        await pmap_ts_referenced(k, frame)
        await k.post(PAGE_QUEUES, Deactivate(frame, True))
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return "ok" if frame > 0 else "absent"


async def pageout_inactive_scan(k: Context, pages: int) -> str:
    """The inactive part of a pass that is so many pages short."""
    scan = Scan(0, pages, pages, 0, 0, 0)
    await k.enter("vm_pageout_scan", 0)
    await k.acquire(PAGE_QUEUES)
    while await scan_inactive(k, scan):
        pass
    await k.release(PAGE_QUEUES)
    await k.leave("vm_pageout_scan", "ok")
    return "ok"
