"""vm_fault.c: the page fault (vm-facts 3.9, state of March 2006, without clustering and read-ahead).

The search for the page is in :mod:`actors.kernel.fault_search`, copying in ``fault_copy``. ``Fault`` is the faultstate of one try: what is
busy, referenced and locked, so that every exit can put it back.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held
from actors.kernel.fault_copy import copy_on_write
from actors.kernel.fault_prefault import vm_fault_prefault
from actors.kernel.fault_search import FOUND, RETRY, SEGV, SIGBUS, search
from actors.kernel.fault_state import Fault, back_out, between_steps, release_page, unlock_map
from actors.kernel.pmap_enter import pmap_enter
from actors.kernel.vm_map import vm_map_lookup, vm_map_unchanged
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Enter
from protocol.messages.pages import Finish, SetFlags, SetWriteable, Unbusy, Wire
from protocol.pages import PROT_WRITE, REFERENCED, ZERO
from protocol.records import FAULT_DONE, TRANSITION

UNRESOLVED = (SEGV, SIGBUS)
"""Outcomes of an access that the kernel cannot make good."""


@nothing_held()
async def vm_fault(k: Context, vpn: int, write: bool, cold: bool = False, wire: bool = False) -> str:
    """Resolve a fault on ``vpn``. Returns "soft", "zero-fill", "cow", "hard", or "segv" and "sigbus" for what cannot be resolved.

    ``wire``: nobody has touched the page; it is to be mapped and wired.
    """
    await k.enter("vm_fault", vpn, "write" if write else "read")
    hard = False
    while True:
        outcome, waited = await _fault_once(k, vpn, write, cold and not hard, hard, wire)
        hard = waited
        if outcome != RETRY:
            break
    await k.leave("vm_fault", outcome)
    return outcome


async def _fault_once(k: Context, vpn: int, write: bool, cold: bool, waited: bool, wire: bool) -> tuple[str, bool]:
    """One try. Returns the outcome, and whether this or an earlier try waited for a pager."""
    found = await vm_map_lookup(k, vpn, write)
    if found is None:
        return SEGV, waited
    f = Fault(vpn, write, cold, found, wire)
    f.hard = waited
    await k.acquire(f.first)
    await k.post(f.first, Enter(1, 1))
    await between_steps(k, f.first)
    outcome = await search(k, f)
    if outcome != FOUND:
        return outcome, f.hard
    if f.object != f.first:
        await copy_on_write(k, f)
    if not f.map_locked and not await vm_map_unchanged(k, f):
        await release_page(k, f)
        await back_out(k, f)
        return RETRY, f.hard
    await between_steps(k, f.object)
    await _enter(k, f)
    await k.note(FAULT_DONE, k.tid, vpn, f.how(), f.hard, f.cow)
    return f.how(), f.hard


async def _enter(k: Context, f: Fault) -> None:
    """Steps 6 and 7: the page may be written to, it is mapped, it goes on a queue."""
    if f.cow_count and not f.write and k.form("R05") == "read-only":
        f.prot &= ~PROT_WRITE
    if f.prot & PROT_WRITE:
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, SetWriteable(f.frame, f.write))
        await k.release(PAGE_QUEUES)
    await k.note(TRANSITION, k.tid, f.frame, f.object, f.pindex, True)
    await k.release(f.object)
    await k.at("vm_fault.entering")
    await pmap_enter(k, k.pmap, f.vpn, f.frame, f.prot, f.wire)
    if k.machine.prefault_pages and f.map_locked:
        await vm_fault_prefault(k, f)
    await k.acquire(f.object)
    await k.note(TRANSITION, k.tid, f.frame, f.object, f.pindex, False)
    await k.acquire(PAGE_QUEUES)
    await _finish(k, f)
    await k.release(PAGE_QUEUES)
    if f.object == f.first and f.map_locked:
        # The map entry holds a reference of its own and cannot go while the map is locked: the fault's is dropped in the same hold.
        await k.post(f.object, Enter(-1, -1, True))
        await k.release(f.object)
        await unlock_map(k, f)
        return
    await back_out(k, f)


@locks("f.object", "pq")
async def _finish(k: Context, f: Fault) -> None:
    """The page goes on its queue, or is wired, and is busy no more. [L: f.object, PQ]"""
    clear_zero = k.form("C18") == "caller-zeroes"
    if not f.wire:
        await k.post(PAGE_QUEUES, Finish(f.frame, clear_zero=clear_zero))
        return
    await k.post(PAGE_QUEUES, SetFlags(f.frame, REFERENCED, ZERO if clear_zero else 0))
    await k.post(PAGE_QUEUES, Wire(f.frame, k.form("C16") == "pinned"))
    await k.post(PAGE_QUEUES, Unbusy(f.frame))
