"""Wiring a range for its user: vm_map_wire and vm_map_unwire, vm_fault_wire (vm-facts 3.9; C16). Unwiring is in
:mod:`actors.kernel.fault_unwire`.

The kernel marks the entries in transition while it faults the pages in with the map unlocked; here nobody may change them meanwhile.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.fault_unwire import is_device, vm_fault_unwire
from actors.kernel.vm_fault import UNRESOLVED, vm_fault
from protocol.messages.objects import Enter
from protocol.messages.space import ENTRY_WIRED, CutRow, WireEntries
from protocol.pages import PROT_WRITE


@locks(without=("any",))
async def vm_map_wire(k: Context, start: int, end: int) -> bool:
    """Wire what is mapped in [start, end). Returns false if a page could not be faulted in. [L: nothing]"""
    await k.acquire(k.map)
    rows = await _mark(k, start, end, True)
    await k.release(k.map)
    fresh = [row for row in rows if not row[5] & ENTRY_WIRED]
    for number, (first, last, obj, _, prot, _, _) in enumerate(fresh):
        if not await _fault_wire(k, first, last, bool(prot & PROT_WRITE), await is_device(k, obj)):
            await _undo(k, fresh, number)
            return False
    return True


@locks(without=("any",))
async def _undo(k: Context, rows: list[CutRow], wired: int) -> None:
    """The first ``wired`` of these entries have been wired, and all marked. [L: nothing]"""
    await k.acquire(k.map)
    for number, (first, last, obj, *_) in enumerate(rows):
        if number < wired:
            await vm_fault_unwire(k, first, last, await is_device(k, obj))
        await _mark(k, first, last, False)
    await k.release(k.map)


@locks(without=("any",))
async def vm_map_unwire(k: Context, start: int, end: int) -> None:
    """Unwire what is wired in [start, end). [L: nothing]"""
    await k.acquire(k.map)
    for first, last, obj, _, _, flags, _ in await _mark(k, start, end, False):
        if flags & ENTRY_WIRED:
            await vm_fault_unwire(k, first, last, await is_device(k, obj))
    await k.release(k.map)


@locks("k.map")
async def _mark(k: Context, start: int, end: int, wired: bool) -> tuple[CutRow, ...]:
    """[L: the map, exclusively]"""
    rows: tuple[CutRow, ...] = await k.call(k.map, WireEntries(start, end, wired))
    for *_, obj, _, _, _, entries_more in rows:
        if obj and entries_more > 0:
            await k.acquire(obj)
            await k.post(obj, Enter(entries_more, 0))
            await k.release(obj)
    return rows


async def _fault_wire(k: Context, start: int, end: int, write: bool, device: bool) -> bool:
    """vm_fault_wire: all of the range, or none of it."""
    for vpn in range(start, end):
        if await vm_fault(k, vpn, write, wire=True) in UNRESOLVED:
            await vm_fault_unwire(k, start, vpn, device)
            return False
    return True
