"""vm_page_grab: the page at an offset, resident or allocated, waited for if it is busy (vm-facts 3.6; C02, C18, C26, R07).

C26 ``generation-check``: a sleeper that wakes takes the page queues to see whether the object's generation is what it was and the page busy
still, before it looks the page up again, which takes the page queues once more. ``relookup``: it looks the page up again.

R07 ``left-cached``: a page found on the cache queue is made busy where it stands, among those that an allocation may take, and the caller
gives the object back for as long as its I/O lasts. ``deactivated``: it leaves the queue first, as a cached page does that is mapped.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.page_content import zero_unless
from actors.kernel.page_io import soft_busy
from actors.kernel.vm_page import page_state, vm_page_busy, vm_wait
from actors.kernel.vm_page_alloc import vm_page_alloc, vm_page_alloc_idle
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Generation, Lookup, SoftBusy
from protocol.messages.pages import Deactivate, SetFlags, Unbusy, WantBusy, Wire, page_channel
from protocol.pages import ALLOC_NOBUSY, ALLOC_RETRY, ALLOC_WIRED, ALLOC_ZERO, CACHE, ZERO

Grabbed = tuple[int, bool, bool]
"""(frame or 0, it was allocated here, its content was zero when it was)."""
NOTHING: Grabbed = (0, False, False)


@recorded("object", subject=0)
async def vm_page_grab(k: Context, obj: str, pindex: int, flags: int) -> Grabbed:
    """The page at (obj, pindex): busy unless NOBUSY is asked, wired if WIRED is, allocated if there is none.

    [L: OBJ on entry and exit] Sleeps for a busy page and for memory; without RETRY it gives up after it has slept. C18 ``grab-zeroes``:
    with ZERO a page that is allocated here is zero; ``caller-zeroes``: it may be, and PG_ZERO says whether.
    """
    await k.enter("vm_page_grab", obj, pindex)
    found = NOTHING
    while True:
        frame, _, soft = (await k.call(obj, Lookup(pindex)))[:3]
        if frame > 0:
            if await _claimed(k, frame, obj, pindex, int(soft), flags):
                found = (frame, False, False)
                break
        else:
            frame, zeroed = await _allocated(k, obj, pindex, flags)
            if frame:
                found = (frame, True, zeroed)
                break
        if not flags & ALLOC_RETRY:
            break
    await k.leave("vm_page_grab", "ok" if found[0] else "nothing")
    return found


async def _claimed(k: Context, frame: int, obj: str, pindex: int, soft: int, flags: int) -> bool:
    """A resident page: take it, or sleep until it is not busy."""
    await k.acquire(PAGE_QUEUES)
    soft = await soft_busy(k, obj, pindex, soft)
    if await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
        await _sleep_until_idle(k, frame, obj, pindex, flags)
        return False
    if flags & ALLOC_WIRED:
        await k.post(PAGE_QUEUES, Wire(frame))
    idle = flags & ALLOC_NOBUSY and k.form("C02") == "nobusy"
    if not idle:
        await _uncache(k, frame)
        await vm_page_busy(k, frame)
    await k.release(PAGE_QUEUES)
    if flags & ALLOC_NOBUSY and not idle:
        await _clear_busy(k, frame)
    return True


@locks("object", "pq")
async def _uncache(k: Context, frame: int) -> None:
    """R07: a page that is about to be busy does not stay among those that may be taken. [L: PQ, OBJ]"""
    if k.form("R07") == "deactivated" and (await page_state(k, frame))[0] == CACHE:
        await k.post(PAGE_QUEUES, Deactivate(frame))


async def _clear_busy(k: Context, frame: int) -> None:
    """C02 ``busy-then-clear``: the caller, who did not want the page busy, clears the flag under the page queues."""
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Unbusy(frame))
    await k.release(PAGE_QUEUES)


@locks("obj", "pq", drops=(("always", ("pq",)),))
async def _sleep_until_idle(k: Context, frame: int, obj: str, pindex: int, flags: int) -> None:
    """Sleep for the page. [L: PQ, OBJ on entry; OBJ on exit]"""
    generation = await k.call(obj, Generation()) if k.form("C26") == "generation-check" else -1
    while True:
        await k.release(obj)
        await k.sleep(PAGE_QUEUES, page_channel(frame))
        await k.at("vm_page_grab.woken")
        await k.acquire(obj)
        if generation < 0 or not flags & ALLOC_RETRY:
            return
        await k.acquire(PAGE_QUEUES)
        same = await k.call(obj, Generation()) == generation
        if not same or not await k.call(PAGE_QUEUES, WantBusy(frame, await k.call(obj, SoftBusy(pindex)))):
            await k.release(PAGE_QUEUES)
            return


async def _allocated(k: Context, obj: str, pindex: int, flags: int) -> tuple[int, bool]:
    """A fresh page, zeroed by the form of C18; 0 after a wait for memory."""
    wanted = flags & (ALLOC_WIRED | ALLOC_ZERO)
    if flags & ALLOC_NOBUSY:
        frame, zeroed = await vm_page_alloc_idle(k, obj, pindex, wanted)
    else:
        frame, zeroed = await vm_page_alloc(k, obj, pindex, wanted)
    if not frame:
        await k.release(obj)
        await vm_wait(k)
        await k.acquire(obj)
    elif flags & ALLOC_ZERO and k.form("C18") == "grab-zeroes":
        await zero_unless(k, frame, zeroed)
    return frame, zeroed


@locks("object")
async def zero_grabbed(k: Context, grabbed: Grabbed, forgets: bool = False) -> None:
    """C18 ``caller-zeroes``: what every caller that asked for ZERO does; ``forgets``: it leaves PG_ZERO set. [L: OBJ]"""
    frame, fresh, zeroed = grabbed
    if not fresh or k.form("C18") == "grab-zeroes":
        return
    await zero_unless(k, frame, zeroed)
    if not forgets:
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, ZERO))
        await k.release(PAGE_QUEUES)
