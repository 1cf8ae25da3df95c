"""vm_page_alloc and what it steals from: the free lists, then the cache queue (vm-facts 3.1; C02, C17, C22, C23, C31, C32, R08).

An allocation never sleeps. Under C22 ``under`` the new page's fields are initialised while the free-queue lock is still held, so that
whoever scans the page array under that lock sees a page that is either free or whole.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import try_owner, vm_page_free
from actors.kernel.vnode import insert_resident
from protocol.identity import FREE_QUEUES, PAGE_QUEUES, address_of
from protocol.messages.free import Take
from protocol.messages.objects import Lookup, SoftBusy
from protocol.messages.pages import Bind, Deactivate, Unbusy
from protocol.messages.queues import PagesNeeded, SelectCache
from protocol.pages import (
    ALLOC_NOBUSY,
    ALLOC_NOOBJ,
    ALLOC_WIRED,
    ALLOC_ZERO,
    BUSY,
    CLASS_INTERRUPT,
    CLASS_NORMAL,
    CLASS_SYSTEM,
    UNMANAGED,
)
from protocol.records import ALLOC_COLOUR, LOOP

NO_PAGE = (0, False)

Found = tuple[int, bool, bool]
"""(frame or 0, its content is zero, paging is needed)."""
Victim = tuple[int, str, int, int, int, int, int, int, int]
"""What SelectCache tells of a page: (frame, object, pindex, flags, wire, hold, dirty, mappings, pages on CACHE)."""


class Wanted:
    """What an allocation asks for. ``colour`` is -1 until it is computed."""

    __slots__ = ("colour", "flags", "klass", "object", "pindex")

    def __init__(self, obj: str, pindex: int, flags: int, klass: int) -> None:
        self.object, self.pindex, self.flags, self.klass = obj, pindex, flags, klass
        self.colour = -1


@locks("obj")
async def vm_page_alloc(k: Context, obj: str, pindex: int, flags: int = 0, klass: int = CLASS_NORMAL) -> tuple[int, bool]:
    """Allocate a page for (obj, pindex), or without an object. Returns (frame, its content is zero), or NO_PAGE.

    [L: OBJ unless NOOBJ] Never sleeps. A caller that gets NO_PAGE drops its locks, calls :func:`vm_wait`, and begins its lookup again.
    C23 ``alloc``: that nothing is at the offset is asserted here, by a lookup of its own; ``insert``: by the insertion.
    """
    if obj and k.form("C23") == "alloc" and (await k.call(obj, Lookup(pindex)))[0] > 0:
        raise KernelPanic("vm_page_alloc: page already allocated")
    wanted = Wanted(obj, pindex, flags, klass)
    frame, zeroed, needed = await _take(k, wanted)
    if not frame:
        return NO_PAGE
    if k.form("C22") == "after":
        await k.at("vm_page_alloc.popped")
        await _initialise(k, wanted, frame, zeroed)
    if obj:
        await insert_resident(k, obj, pindex, frame, 0)
    if needed:
        await k.post(PAGE_QUEUES, PagesNeeded(True))
    return frame, zeroed


@locks("obj")
async def vm_page_alloc_idle(k: Context, obj: str, pindex: int, flags: int = 0, klass: int = CLASS_NORMAL) -> tuple[int, bool]:
    """An allocation whose caller does not want the page busy. C02 ``busy-then-clear``: it is allocated busy, and un-busied under PQ.

    [L: OBJ unless NOOBJ]
    """
    frame, zeroed = await vm_page_alloc(k, obj, pindex, flags | ALLOC_NOBUSY, klass)
    if frame and k.form("C02") == "busy-then-clear":
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Unbusy(frame))
        await k.release(PAGE_QUEUES)
    return frame, zeroed


async def _initialise(k: Context, wanted: Wanted, frame: int, zeroed: bool) -> None:
    """Step 5: flags, wire count, owner. C02 ``busy-then-clear``: there is no way to ask for a page that is not busy."""
    asked = wanted.flags
    idle = bool(asked & (ALLOC_NOBUSY | ALLOC_NOOBJ)) and k.form("C02") == "nobusy"
    wire = 1 if asked & ALLOC_WIRED else 0
    zero = zeroed and bool(asked & ALLOC_ZERO)
    await k.call(PAGE_QUEUES, Bind(frame, wanted.object, wanted.pindex, wire, not idle, zero, not wanted.object, asked))


async def _take(k: Context, wanted: Wanted) -> Found:
    """Steps 2 to 5: a free frame, if necessary after one was stolen from the cache queue."""
    while True:
        found = await _select_free(k, wanted)
        if found[0] > 0:
            return found
        if wanted.klass == CLASS_INTERRUPT:
            await k.post(PAGE_QUEUES, PagesNeeded(True, 1))
            return 0, False, False
        await k.acquire(PAGE_QUEUES)
        stolen = await vm_page_select_cache(k, await _colour(k, wanted, stealing=True))
        await k.release(PAGE_QUEUES)
        if stolen:
            continue
        await k.post(PAGE_QUEUES, PagesNeeded(True, 1))
        if wanted.klass != CLASS_SYSTEM:
            return 0, False, False
        return await _select_free(k, wanted, last_resort=True)


async def _select_free(k: Context, wanted: Wanted, last_resort: bool = False) -> Found:
    """C32 ``helper``: vm_page_select_free finds the frame; ``inline``: vm_pageq_find is called outright, to the same effect."""
    if k.form("C32") == "helper":
        return await vm_page_select_free(k, wanted, last_resort)
    forward = k.form("C32") == "forward-search"
    colour = await _colour(k, wanted)
    return await _pop(k, wanted, Take(colour, wanted.klass, bool(wanted.flags & ALLOC_ZERO), last_resort, forward))


async def vm_page_select_free(k: Context, wanted: Wanted, last_resort: bool) -> Found:
    """The finder of free pages that C32 did away with."""
    prefer_zero = bool(wanted.flags & ALLOC_ZERO)
    return await _pop(k, wanted, Take(await _colour(k, wanted), wanted.klass, prefer_zero, last_resort))


async def _pop(k: Context, wanted: Wanted, take: Take) -> Found:
    await k.acquire(FREE_QUEUES)
    frame, zeroed, needed = await k.call(FREE_QUEUES, take)
    if frame > 0 and k.form("C22") == "under":
        await _initialise(k, wanted, frame, zeroed)
    await k.release(FREE_QUEUES)
    return max(0, frame), zeroed, needed


async def _colour(k: Context, wanted: Wanted, stealing: bool = False) -> int:
    """The colour wanted. C31 ``once``: computed once and kept; ``per-call``: by each finder anew, from an object that may be none."""
    if wanted.colour >= 0 and k.form("C31") == "once":
        return wanted.colour
    if stealing and not wanted.object and k.form("C31") == "per-call":
        raise KernelPanic("Fatal trap 12: page fault while in kernel mode (pg_color of a NULL object in vm_page_select_cache)")
    wanted.colour = (wanted.pindex + pg_color(wanted.object)) % k.machine.colours
    await k.note(ALLOC_COLOUR, k.tid, wanted.object, wanted.pindex, wanted.colour)
    return wanted.colour


def pg_color(obj: str) -> int:
    """Where an object's colours begin: constant, and derived from the object's creation; 0 for a page without an object."""
    return sum(address_of(obj)) if obj else 0


# The cache queue -------------------------------------------------------------------------------------------------------------------


@locks("pq")
async def vm_page_select_cache(k: Context, colour: int) -> bool:
    """Free one page of the CACHE queue. Returns whether one was freed.

    [L: PQ] Never sleeps: the victim's object, unless the caller has it locked, is only tried, although the order is object before page
    queues; a victim that cannot be had is deactivated, which takes it off the queue.

    C17 ``deactivate-and-retry``: so is one that should not be there at all, and if it is wired that does nothing. R08 ``passed-over``: one
    whose object is locked stays for those who can have it, its owner first of all.
    """
    passed, first = 0, True
    while True:
        victim: Victim | None = await k.call(PAGE_QUEUES, SelectCache(colour, passed))
        if victim is None:
            return False
        await k.note(LOOP, k.tid, "vm_page_select_cache", first, victim[8])
        first = False
        if k.form("C17") == "assert":
            _assert_cached(victim)
        freed = await _freed(k, victim)
        if freed:
            return True
        if freed is None and _passes_over(k):
            passed += 1
        else:
            await k.post(PAGE_QUEUES, Deactivate(victim[0]))


def _passes_over(k: Context) -> bool:
    """R08: whether a cached page whose object is locked stays where it is."""
    return k.form("R08") == "passed-over"


def _assert_cached(victim: Victim) -> None:
    """What a page on the cache queue is never. Raises KernelPanic."""
    frame, _, _, flags, wire, _, dirty, mappings, _ = victim
    faults = ((dirty, "dirty"), (mappings, "mapped"), (flags & UNMANAGED, "unmanaged"), (wire, "wired"))
    for fault, word in faults:
        if fault:
            raise KernelPanic(f"Found {word} cache page {frame:#x}")


async def _freed(k: Context, victim: Victim) -> bool | None:
    """Whether the victim could be freed; None if all that was in the way is that somebody else has its object locked."""
    frame, obj, pindex, flags, wire, hold, *_ = victim
    unfit = flags & (BUSY | UNMANAGED) or wire if k.form("C17") == "deactivate-and-retry" else 0
    if hold or unfit:
        return False
    owned = bool(obj) and await k.owns(obj)
    if not owned and not await try_owner(k, frame, obj):
        return None
    if flags & BUSY:
        raise KernelPanic(f"Found busy cache page {frame:#x}")
    # The old form sees whether I/O is under way; the new one leaves that to vm_page_free, which asserts that none is.
    idle = k.form("C17") == "assert" or not await k.call(obj, SoftBusy(pindex))
    if idle:
        await vm_page_free(k, frame, obj, pindex)
    if not owned:
        await k.release(obj)
    return idle
