"""contigmalloc and contigfree: memory whose frames follow each other, for devices that know no paging (vm-facts 3.12; C19, C24, C25).

contigmalloc1 looks for a run of frames that are free or hold cached pages, frees the cached ones, takes all off the free lists, and gives
them to the kernel object. Where there is no run it launders the paging queues, so that more pages become cached, and looks again.

C25 ``dequeue-as-you-go``: one pass over the run frees the cached page, if it is one, and takes the frame; where that fails the scan is
resumed behind, and the frames taken so far are nobody's. A cached page is freed whether it is busy or not. ``convert-first``: all cached
pages are freed first, which can fail; then all frames are taken.

C24 ``fq-held``: what is taken is looked at once more, under the free-queue lock: it must be free still. C19 ``held``: that lock is kept
from the scan on, across vm_page_free. ``released``: it is dropped before and taken again.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contig_launder import launder_queues
from actors.kernel.contig_map import kernel_unmap, map_run
from actors.kernel.contig_scan import CachedPage, Run, Want, scan
from actors.kernel.contracts import locks, nothing_held, recorded
from actors.kernel.vm_page import try_owner, vm_page_free
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.contig import BindRun, TakeRun
from protocol.messages.objects import Lookup
from protocol.pages import BUSY
from protocol.records import LOOP

FIRST_PASS, LAST_PASS = 2, 0
"""Every pass but the last launders when it has found nothing; a caller that must not wait has the last one only."""


@recorded(without=("object", "pq", "pmap", "fq"))
async def contigmalloc(k: Context, want: Want, wait: bool, zero: bool = False) -> int:
    """Allocate. ``wait``: M_WAITOK; otherwise no page is laundered. Returns the address of the memory as a page number, 0 if there is none.

    [L: nothing of the VM's; nothing that may not be held when sleeping, if ``wait``]
    """
    await k.enter("contigmalloc", want.pages, want.low, want.high)
    first, zeroed = await contigmalloc1(k, want, wait)
    address = await map_run(k, first, want.pages, zeroed, zero) if first else 0
    await k.leave("contigmalloc", "ok" if address else "no memory")
    return address


async def contigmalloc1(k: Context, want: Want, wait: bool) -> tuple[int, tuple[int, ...]]:
    """Find a run and take it. Returns its first frame, 0 if there is none, and those of its frames that are zero.

    A pass begins its scan where the one before gave up, as the kernel's does.
    """
    start = 1
    for passes_left in range(FIRST_PASS if wait else LAST_PASS, -1, -1):
        await k.acquire(PAGE_QUEUES)
        first, zeroed, start = await _scan_and_take(k, want, start)
        if not first and passes_left:
            await launder_queues(k)
        await k.release(PAGE_QUEUES)
        if first:
            return first, zeroed
    return 0, ()


@locks("pq")
async def _scan_and_take(k: Context, want: Want, start: int) -> tuple[int, tuple[int, ...], int]:
    """One pass: (first frame or 0, those that are zero, where the next pass looks). [L: PQ]"""
    locked, again = False, False
    while True:
        await k.note(LOOP, k.tid, "contigmalloc1", not again, want.high - start)
        again = True
        run, start = await scan(k, want, start, locked)
        locked = k.form("C24") == "fq-held"
        if run is None:
            if locked:
                await k.release(FREE_QUEUES)
            return 0, (), start
        if locked and k.form("C19") == "released":
            await k.release(FREE_QUEUES)
            locked = False
        await k.at("contigmalloc1.scanned")
        if k.form("C25") == "convert-first":
            zeroed, locked = await _convert_first(k, run, locked)
        else:
            zeroed, locked = await _dequeue_as_you_go(k, run, locked)
        if zeroed is not None:
            return run.first, zeroed, start
        start = run.first + 1


Taken = tuple[tuple[int, ...] | None, bool]
"""(frames that are zero, or None if the run was not to be had; whether the free-queue lock is held)."""


@locks("pq", "fq if locked", unjudged=("fq",))
async def _convert_first(k: Context, run: Run, locked: bool) -> Taken:
    """C25 new: free the cached pages; take the frames. [L: PQ; FQ if ``locked``]"""
    for page in run.cached.values():
        if not await _free_cached(k, page):
            return None, locked
    if not locked:
        await k.acquire(FREE_QUEUES)
    zeroed = await _dequeue(k, run.first, run.pages)
    if zeroed is None and k.form("C24") == "fq-held":
        return None, True
    await k.release(FREE_QUEUES)
    return zeroed, False


@locks("pq", "fq if locked", unjudged=("fq",))
async def _dequeue_as_you_go(k: Context, run: Run, locked: bool) -> Taken:
    """C25 old: free and take one frame after the other. Those before the one that fails stay off the free lists. [L: PQ; FQ if
    ``locked``]"""
    found: list[int] = []
    for frame in run.frames:
        if frame in run.cached and not await _free_cached(k, run.cached[frame], whatever=True):
            return None, locked
        if not locked:
            await k.acquire(FREE_QUEUES)
        zeroed = await _dequeue(k, frame, 1)
        if not locked:
            await k.release(FREE_QUEUES)
        if zeroed is None:
            return None, locked
        found += zeroed
    if locked:
        await k.release(FREE_QUEUES)
    return tuple(found), False


@locks("pq", "fq")
async def _dequeue(k: Context, first: int, pages: int) -> tuple[int, ...] | None:
    """Take frames off the free lists and make pages of them; C24 ``fq-held``: only if all are free. [L: PQ, FQ]"""
    zeroed: tuple[int, ...] | None = await k.call(FREE_QUEUES, TakeRun(first, pages, k.form("C24") == "fq-held"))
    if zeroed is not None:
        await k.call(PAGE_QUEUES, BindRun(first, pages, zeroed))
    return zeroed


@locks("pq")
async def _free_cached(k: Context, page: CachedPage, whatever: bool = False) -> bool:
    """Free a cached page, whose object is only tried. ``whatever``: even one that is held or busy. Returns whether it is free. [L: PQ]"""
    frame, obj, pindex, flags, hold = page
    if (hold and not whatever) or not await try_owner(k, frame, obj):
        return False
    soft = (await k.call(obj, Lookup(pindex)))[2]
    idle = not (flags & BUSY or soft)
    if idle or whatever:
        await vm_page_free(k, frame, obj, pindex)
    await k.release(obj)
    return idle or whatever


@nothing_held()
async def contigfree(k: Context, address: int, pages: int) -> None:
    """Give the memory at ``address`` back. [L: nothing]"""
    await k.enter("contigfree", address, pages)
    await kernel_unmap(k, address, pages)
    await k.leave("contigfree", "ok")
