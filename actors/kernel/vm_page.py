"""vm_page.c: busy, remove, free, wait for memory, wait for a busy page (vm-facts 3.2 to 3.5; C01, C12).

C01 ``busy-first``: a removal from an object asks for BUSY, so whoever frees a page marks it busy first, although he holds the object's lock
and nobody can see the flag. ``plain``: a removal takes any page.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.idle_zero import vm_page_zero_idle_wakeup
from actors.kernel.requests import KernelPanic
from actors.kernel.vnode import insert_resident, page_gone, remove_resident
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts, Put
from protocol.messages.locks import TRY
from protocol.messages.objects import Enter, TreeJoin, TreeRise, TreeStore
from protocol.messages.pages import FreePage, PageOwner, PageState, Rebind, SetBusy, WantBusy, page_channel
from protocol.messages.queues import CHAN_FREE, PagesNeeded
from protocol.pages import FREE, VALID_ALL
from protocol.records import BELIEF


@locks("pq")
async def vm_page_busy(k: Context, frame: int) -> None:
    """Set BUSY, which is clear. [L: PQ, OBJ if it has an object] Raises KernelPanic where the kernel asserts."""
    refusal = await k.call(PAGE_QUEUES, SetBusy(frame))
    if refusal:
        raise KernelPanic(str(refusal))


PageFields = tuple[int, int, int, int, int, int, int, str, int]
"""(queue, flags, wire, hold, act, dirty, cow, object, pindex) of a page record."""
NOBODYS: PageFields = (FREE, 0, 0, 0, 0, 0, 0, "", -1)
"""What is read of a frame on the free lists, by whoever still believes it to be a page."""


@locks("pq")
async def page_state(k: Context, frame: int) -> PageFields:
    """The page record as it is, also if the frame is free: a thread that an old protocol has misled goes on with what it reads. [L: PQ]"""
    found: PageFields | None = await k.call(PAGE_QUEUES, PageState(frame))
    return NOBODYS if found is None else found


# Removing and freeing --------------------------------------------------------------------------------------------------------------


@locks("pq")
async def vm_page_free(k: Context, frame: int, obj: str, pindex: int, zeroed: bool = False, busy: bool = False) -> None:
    """Free a page: out of its object and queue, and onto the free list unless somebody holds it. ``busy``: the caller has it busy.

    [L: PQ, OBJ if it has an object, which the kernel asserts] Must not sleep. Raises KernelPanic where the kernel does.
    """
    refusal = await free_unless_refused(k, frame, obj, pindex, zeroed, busy)
    if refusal:
        raise KernelPanic(refusal)


@locks("pq")
async def free_unless_refused(k: Context, frame: int, obj: str, pindex: int, zeroed: bool = False, busy: bool = False) -> str:
    """As :func:`vm_page_free`, for callers that know what to do with a page that may not be freed: returns the panic's text, "" when freed.

    The page is out of its object's list either way; a refused one keeps its record. While I/O on it is under way it stays, and that is a
    panic at once. C18 ``caller-zeroes``: PG_ZERO is not cleared here, so a page whose user has left it set goes back among those that are
    zero. [L: PQ, OBJ if it has an object]
    """
    must_be_busy = bool(obj) and k.form("C01") == "busy-first"
    if must_be_busy and not busy:
        await vm_page_busy(k, frame)
    if obj:
        await _leave_object(k, obj, pindex, freed=True)
    verdict, needed, flagged, zeroer = await k.call(PAGE_QUEUES, FreePage(frame, must_be_busy))
    if isinstance(verdict, str):
        return verdict
    if verdict:
        trusted = flagged and k.form("C18") == "caller-zeroes"
        await free_to_list(k, frame, zeroed or trusted, needed)
        if zeroer and not zeroed:
            await vm_page_zero_idle_wakeup(k)
    return ""


@locks("pq")
async def free_to_list(k: Context, frame: int, zeroed: bool, needed: bool) -> None:
    """The last steps of a free: onto the free list, and wake who waits for memory when there is enough (3.2 steps 8 and 9).

    [L: PQ]
    """
    await k.acquire(FREE_QUEUES)
    if not needed:
        await k.post(FREE_QUEUES, Put(frame, zeroed))
        await k.release(FREE_QUEUES)
        return
    available, _ = await k.call(FREE_QUEUES, Put(frame, zeroed))
    await k.release(FREE_QUEUES)
    if available >= k.machine.thresholds.free_min:
        await k.post(PAGE_QUEUES, PagesNeeded(False))


@locks("pq")
async def free_wakeup(k: Context) -> None:
    """vm_page_free_wakeup, after a page became free to be taken without being freed: as the last step of a free. [L: PQ]"""
    await k.peek("v_free_count")
    free, cache, _ = await k.call(FREE_QUEUES, FreeCounts())
    if free + cache >= k.machine.thresholds.free_min:
        await k.post(PAGE_QUEUES, PagesNeeded(False))


@locks()
async def _leave_object(k: Context, obj: str, pindex: int, freed: bool = False) -> None:
    """Unlink a page from its object, for good if it is ``freed``. [L: OBJ]

    The lock is asserted. C15 ``exempt``: on alpha it is not, and whoever looks a page up meanwhile comes between the steps of a removal
    without it. Raises KernelPanic where the kernel asserts.
    """
    if await k.owns(obj):
        await remove_resident(k, obj, pindex, freed)
        return
    if k.form("C15") == "always":
        raise KernelPanic(f"mutex vm object not owned at vm_page_remove ({obj})")
    await k.call(obj, TreeRise(pindex))
    await k.at("vm_page_remove.splayed")
    root = await k.call(obj, TreeJoin(pindex))
    await k.at("vm_page_remove.joined")
    await page_gone(k, obj, await k.call(obj, TreeStore(pindex, root)))


@locks("obj", "pq")
async def vm_page_remove(k: Context, frame: int, obj: str, pindex: int, busy: bool = False) -> None:
    """Take a page out of its object and leave it to the caller. ``busy``: it is busy as far as the caller knows. [L: PQ, OBJ]"""
    must_be_busy = k.form("C01") == "busy-first"
    if must_be_busy and not busy:
        await vm_page_busy(k, frame)
    await _leave_object(k, obj, pindex)
    refusal = await k.call(PAGE_QUEUES, Rebind(frame, "", pindex, must_be_busy))
    if refusal:
        raise KernelPanic(str(refusal))


@locks("old", "obj", "pq")
async def vm_page_rename(k: Context, frame: int, old: str, old_pindex: int, obj: str, pindex: int, valid: int = VALID_ALL) -> None:
    """Move a page, valid as it is, to another object: remove, which un-busies it if the caller has it busy, and insert.

    [L: PQ, both objects]
    """
    must_be_busy = k.form("C01") == "busy-first"
    await _leave_object(k, old, old_pindex)
    await insert_resident(k, obj, pindex, frame, valid)
    refusal = await k.call(PAGE_QUEUES, Rebind(frame, obj, pindex, must_be_busy))
    if refusal:
        raise KernelPanic(str(refusal))


@locks("obj", "pq")
async def vm_page_insert(k: Context, frame: int, obj: str, pindex: int) -> None:
    """Put a page without an owner into an object, valid as it was. [L: PQ, OBJ]"""
    await insert_resident(k, obj, pindex, frame, VALID_ALL)
    await k.call(PAGE_QUEUES, Rebind(frame, obj, pindex))


# Waiting --------------------------------------------------------------------------------------------------------------------------


@locks()
async def vm_wait(k: Context) -> None:
    """VM_WAIT and VM_WAITPFAULT: wake the page daemon and sleep until memory is free. [L: nothing that may not be held when sleeping]"""
    await k.acquire(PAGE_QUEUES)
    await k.sleep(PAGE_QUEUES, CHAN_FREE)


@recorded("object", "pq", drops=(("slept", ("pq",)),), subject=1)
async def vm_page_sleep_if_busy(k: Context, frame: int, soft: int, obj: str, keep: bool = False) -> bool:
    """If the page is busy, sleep until it is not. Returns True if it slept: then PQ is not held, ``obj`` is, and the page must be looked
    up again.

    C12 ``reread``: the object that is locked afterwards is the one the page names then; it may be none, or another. ``cached``: it is the
    one that was unlocked. A caller that has no object locked (``obj`` "", C13 ``reversed``) comes back with none. ``keep``: if it sleeps,
    it gets a reference to the object first, which the caller drops. [L: PQ, OBJ]
    """
    if not await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
        return False
    await k.enter("vm_page_sleep_if_busy", frame, obj)
    if keep:
        await k.post(obj, Enter(1, 0))
    if obj:
        await k.release(obj)
    await k.sleep(PAGE_QUEUES, page_channel(frame))
    await k.at("vm_page_sleep_if_busy.woken")
    if obj:
        await k.acquire(obj if k.form("C12") == "cached" else await owner_now(k, frame, obj))
    await k.leave("vm_page_sleep_if_busy", "slept")
    return True


async def owner_now(k: Context, frame: int, obj: str) -> str:
    """m.object, read without a lock, by a thread that saw the page in ``obj``. Raises KernelPanic where the kernel follows a null
    pointer."""
    await k.peek("m.object")
    await k.note(BELIEF, k.tid, frame, obj, -1)
    owner, _ = await k.call(PAGE_QUEUES, PageOwner(frame))
    _assert_owned(frame, owner)
    return str(owner)


async def try_owner(k: Context, frame: int, owner: str) -> bool:
    """VM_OBJECT_TRYLOCK(m->object), by whoever holds the page queues and so may not wait for it. Raises KernelPanic where there is none."""
    _assert_owned(frame, owner)
    return bool(await k.acquire(owner, TRY))


def _assert_owned(frame: int, owner: str) -> None:
    if not owner:
        raise KernelPanic(f"Fatal trap 12: page fault while in kernel mode (the lock of the NULL object of vm page {frame:#x})")
