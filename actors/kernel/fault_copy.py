"""Copy on write: step 4 of a page fault (vm-facts 3.9)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.fault_state import Fault, release_page
from actors.kernel.page_content import copy_page
from actors.kernel.vm_page import vm_page_busy, vm_page_free, vm_page_rename
from protocol.identity import PAGE_QUEUES
from protocol.messages.locks import TRY
from protocol.messages.objects import Describe, Enter, SetValid
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP, PROT_WRITE, VALID_ALL


async def copy_on_write(k: Context, f: Fault) -> None:
    """The page was found below the first object: copy it up for a write (or move it, if nobody else can want it); a read maps it read-
    only."""
    if not f.write:
        f.prot &= ~PROT_WRITE
        return
    moved, tried = await _rename_up(k, f)
    if not moved:
        await copy_page(k, f.frame, f.first_frame)
        if k.form("C30") == "wrapper":
            await vm_page_copy_valid(k, f.first, f.first_pindex)
        await release_page(k, f)
    f.cow = True
    await k.post(f.object, Enter(0, -1))
    await k.release(f.object)
    f.object, f.pindex = f.first, f.first_pindex
    f.frame, f.first_frame = (f.frame if moved else f.first_frame), 0
    if not moved:
        if not tried:
            await k.acquire(f.first)
        await k.at("vm_fault.copied")
        if k.form("C30") == "caller":
            await k.post(f.first, SetValid(f.first_pindex, VALID_ALL))


async def vm_page_copy_valid(k: Context, obj: str, pindex: int) -> None:
    """What the wrapper vm_page_copy did after pmap_copy_page: the destination is valid, whoever holds its object's lock (C30)."""
    await k.call(obj, SetValid(pindex, VALID_ALL))


async def _rename_up(k: Context, f: Fault) -> tuple[bool, bool]:
    """The optimisation of step 4: an anonymous object that only the first one shadows gives its page away instead of a copy.

    Returns whether it did, and whether the first object was locked for it, which it stays.
    """
    kind, _, refs, shadows, *_ = await k.call(f.object, Describe())
    if shadows != 1 or refs != 1 or kind not in (OBJT_DEFAULT, OBJT_SWAP) or not await k.acquire(f.first, TRY):
        return False, False
    if (await k.call(f.first, Describe()))[5] != f.object:
        return False, True
    await k.acquire(PAGE_QUEUES)
    await vm_page_free(k, f.first_frame, f.first, f.first_pindex, busy=True)
    await vm_page_rename(k, f.frame, f.object, f.pindex, f.first, f.first_pindex)
    await vm_page_busy(k, f.frame)
    await k.release(PAGE_QUEUES)
    return True, True
