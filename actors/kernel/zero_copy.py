"""Zero-copy sends: set up, fault, completion (vm-facts 3.8; C03, C04, C08, R01, R09).

R01 open: after waiting for memory, with both locks dropped, the routine still trusts the page it was called with. Closed: it looks the
page up again and gives up if it is another, or no longer as it was: once its send is complete it may have come to the cache queue, where an
allocation would find a victim without an object, or be on its way to the disk, whose interrupt would find another page in its place.

R09 open: a send begins whether the page is busy or not, and a fault that has it busy maps it writable afterwards. Closed: it waits.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held, recorded
from actors.kernel.page_content import copy_page
from actors.kernel.page_io import soft_busy
from actors.kernel.pmap import pmap_page_protect, pmap_remove_all
from actors.kernel.vm_map import vm_map_lookup
from actors.kernel.vm_page import page_state, vm_page_busy, vm_page_free, vm_page_insert, vm_page_remove, vm_wait
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.identity import NETWORK_CARD, PAGE_QUEUES
from protocol.messages.device import NicSend
from protocol.messages.objects import Lookup, SetValid
from protocol.messages.pages import CowCount, PageState, SetDirty, Unbusy, Unwire, WantBusy, Wire, page_channel
from protocol.pages import BUSY, CACHE, CLASS_INTERRUPT, CLASS_NORMAL, VALID_ALL
from protocol.records import BELIEF


@locks("pq")
async def vm_page_cowsetup(k: Context, frame: int) -> None:
    """A send of the page begins: count it, take write access away, wire the page. [L: PQ]"""
    await k.call(PAGE_QUEUES, CowCount(frame, 1))
    await pmap_page_protect(k, frame)
    await k.post(PAGE_QUEUES, Wire(frame))


@locks(without=("any",))
async def vm_page_cowclear(k: Context, frame: int) -> None:
    """The network card has sent it: count down and unwire; free it if it has no owner any more. [L: nothing]"""
    await k.acquire(PAGE_QUEUES)
    await k.call(PAGE_QUEUES, CowCount(frame, -1))
    await k.post(PAGE_QUEUES, Unwire(frame, False))
    state = await k.call(PAGE_QUEUES, PageState(frame))
    if state is not None and not state[7] and not state[2]:
        await vm_page_free(k, frame, "", 0)
    await k.release(PAGE_QUEUES)


@recorded("object", "pq", subject=1)
async def vm_page_cowfault(k: Context, frame: int, obj: str, pindex: int) -> bool:
    """A store hits a page being sent: give the object another page with the same content. Returns whether it did. [L: PQ, OBJ]

    While a removal asks for BUSY (C01), the page is busied before it is removed: C03 ``busy-once``, before the first try only, so that a
    second one finds it not busy; ``busy-each-try``.
    """
    await k.enter("vm_page_cowfault", frame, obj, pindex)
    replaced = await _cowfault(k, frame, obj, pindex)
    await k.leave("vm_page_cowfault", replaced)
    return replaced


async def _cowfault(k: Context, frame: int, obj: str, pindex: int) -> bool:
    once = k.form("C03") == "busy-once" and k.form("C01") == "busy-first"
    if once:
        await vm_page_busy(k, frame)
    klass = CLASS_INTERRUPT if k.form("C08") == "interrupt" else CLASS_NORMAL
    while True:
        await pmap_remove_all(k, frame)
        await vm_page_remove(k, frame, obj, pindex, busy=once)
        fresh, _ = await vm_page_alloc(k, obj, pindex, 0, klass)
        if fresh:
            break
        await vm_page_insert(k, frame, obj, pindex)
        if not await _memory_came(k, frame, obj, pindex):
            return False
    state = await page_state(k, frame)
    if not state[6]:
        await _give_up(k, frame, fresh, obj, pindex)
        return False
    await _replace(k, frame, fresh, obj, pindex, state[2] - state[6])
    return True


async def _memory_came(k: Context, frame: int, obj: str, pindex: int) -> bool:
    """Drop both locks, wait for memory, take them again. Returns whether the page is to be trusted still (R01)."""
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    await vm_wait(k)
    await k.at("vm_page_cowfault.woken")
    await k.acquire(obj)
    await k.acquire(PAGE_QUEUES)
    if k.form("R01") == "looks-again" and not await _still_there(k, frame, obj, pindex):
        return False
    await k.note(BELIEF, k.tid, frame, obj, pindex)
    return True


@locks("obj", "pq")
async def _still_there(k: Context, frame: int, obj: str, pindex: int) -> bool:
    """Is the page where it was, in nobody's hands and not to be taken? [L: PQ, OBJ]"""
    there, _, seen = (await k.call(obj, Lookup(pindex)))[:3]
    if there != frame or await soft_busy(k, obj, pindex, seen):
        return False
    queue, flags, *_ = await page_state(k, frame)
    return queue != CACHE and not flags & BUSY


async def _give_up(k: Context, frame: int, fresh: int, obj: str, pindex: int) -> None:
    """The send was complete in the meantime: the page stays, the new one goes. C04 ``busy-again``: after it was made busy once more."""
    if k.form("C04") == "busy-again":
        await vm_page_busy(k, fresh)
    await vm_page_free(k, fresh, obj, pindex, busy=True)
    await vm_page_insert(k, frame, obj, pindex)


async def _replace(k: Context, frame: int, fresh: int, obj: str, pindex: int, wirings: int) -> None:
    await copy_page(k, frame, fresh)
    await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.post(PAGE_QUEUES, SetDirty(fresh, VALID_ALL))
    for _ in range(wirings):
        await k.post(PAGE_QUEUES, Wire(fresh))
        await k.post(PAGE_QUEUES, Unwire(frame, False))
    await k.post(PAGE_QUEUES, Unbusy(fresh))


@nothing_held()
async def nic_done(k: Context, frame: int) -> None:
    """The interrupt thread of a completed send."""
    await k.enter("nic_done", frame)
    await vm_page_cowclear(k, frame)
    await k.leave("nic_done", "ok")


async def zero_copy_send(k: Context, vpn: int, for_ns: int = 0) -> str:
    """A script's step: begin a zero-copy send of the page that is mapped at ``vpn``. Returns "sent" or "not-resident".

    With ``for_ns`` the network card has it, and interrupts when so much time is over; without, a later step says that it is sent.
    """
    while (found := await vm_map_lookup(k, vpn, False)) is not None:
        await k.acquire(found.object)
        frame = (await k.call(found.object, Lookup(found.pindex)))[0]
        if frame > 0:
            await k.acquire(PAGE_QUEUES)
            if _waits(k) and await k.call(PAGE_QUEUES, WantBusy(frame, 0)):
                await _sleep_until_unbusy(k, frame, found.object)
                continue
            await vm_page_cowsetup(k, frame)
            await k.release(PAGE_QUEUES)
        await k.release(found.object)
        await k.release(k.map)
        if frame > 0 and for_ns:
            await k.call(NETWORK_CARD, NicSend(frame, for_ns))
        return "sent" if frame > 0 else "not-resident"
    return "segv"


def _waits(k: Context) -> bool:
    """R09: whether a busy page is waited for before its send begins."""
    return k.form("R09") == "waits"


@locks("k.map", "obj", "pq", drops=(("always", ("k.map", "obj", "pq")),))
async def _sleep_until_unbusy(k: Context, frame: int, obj: str) -> None:
    """The page is busy: sleep until it is not. What is mapped then is looked up again. [L: map, OBJ, PQ on entry; nothing on exit]"""
    await k.release(obj)
    await k.release(k.map)
    await k.sleep(PAGE_QUEUES, page_channel(frame))


async def zero_copy_done(k: Context, frame: int) -> str:
    """A script's step: the network card has sent the page in ``frame``."""
    await vm_page_cowclear(k, frame)
    return "done"
