"""vm_map.c: lookup for a fault, the check that a map has not changed, and removal of a range (vm-facts 3.9 steps 1 and 5)."""

from __future__ import annotations

from typing import Protocol

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.fault_unwire import is_device, vm_fault_unwire
from actors.kernel.pmap import pmap_remove
from actors.kernel.vm_map_entry import vm_map_entry_delete
from actors.kernel.vm_object import vm_object_allocate, vm_object_shadow
from protocol.messages.locks import EXCLUSIVE, SHARED, TRY_SHARED, UPGRADE
from protocol.messages.space import ENTRY_COW, ENTRY_NEEDS_COPY, ENTRY_WIRED, Cut, Find, SetEntryObject
from protocol.pages import PROT_WRITE


class Found:
    """What a lookup found: the entry's object and offset for the page, its protection, and the map's timestamp."""

    __slots__ = ("object", "pindex", "prot", "timestamp")

    def __init__(self, timestamp: int, obj: str, pindex: int, prot: int) -> None:
        self.timestamp, self.object, self.pindex, self.prot = timestamp, obj, pindex, prot


async def vm_map_lookup(k: Context, vpn: int, write: bool) -> Found | None:
    """Look ``vpn`` up for an access. Returns None, with the map unlocked, if it is not allowed; else the map is held shared.

    An entry without an object gets one; a write to a needs-copy entry gets a shadow object. Both change the map, so the lock is
    upgraded; if another reader is there, it is dropped and taken exclusively, and the entry is looked at again.
    """
    mode = SHARED
    while True:
        await k.acquire(k.map, mode)
        row = await k.call(k.map, Find(vpn))
        if len(row) == 1 or not row[5] or (write and not row[5] & PROT_WRITE):
            await k.release(k.map)
            return None
        timestamp, start, end, obj, offset, prot, flags = row
        copies = flags & ENTRY_NEEDS_COPY
        if obj and not (write and copies):
            if mode != SHARED:
                await k.release(k.map)
                mode = SHARED
                continue
            return Found(timestamp, obj, vpn - start + offset, prot & ~PROT_WRITE if copies else prot)
        if mode == SHARED and not await k.acquire(k.map, UPGRADE):
            await k.release(k.map)
            mode = EXCLUSIVE
            continue
        await _give_object(k, start, end, obj, offset, flags)
        await k.release(k.map)
        mode = SHARED


@locks("k.map")
async def _give_object(k: Context, start: int, end: int, obj: str, offset: int, flags: int) -> None:
    """[L: the map, exclusively]"""
    if obj:
        shadow, at = await vm_object_shadow(k, obj, offset, end - start)
        await k.post(k.map, SetEntryObject(start, shadow, at, flags & ~ENTRY_NEEDS_COPY))
    else:
        fresh = await vm_object_allocate(k, offset + end - start)
        await k.post(k.map, SetEntryObject(start, fresh, offset, flags & ~ENTRY_NEEDS_COPY))


class Faulting(Protocol):
    """The part of a fault that the re-check needs."""

    vpn: int
    write: bool
    stamp: int
    first: str
    first_pindex: int
    prot: int
    map_locked: bool


async def vm_map_unchanged(k: Context, f: Faulting) -> bool:
    """Step 5: the map was unlocked for I/O. Take it again without waiting, and see whether the mapping is still the same."""
    if not await k.acquire(k.map, TRY_SHARED):
        return False
    f.map_locked = True
    row = await k.call(k.map, Find(f.vpn))
    if len(row) == 1:
        return False
    timestamp, start, _, obj, offset, prot, flags = row
    if timestamp == f.stamp:
        return True
    if obj != f.first or f.vpn - start + offset != f.first_pindex or not prot:
        return False
    if f.write and (flags & ENTRY_NEEDS_COPY or not prot & PROT_WRITE):
        return False
    f.prot &= prot & ~PROT_WRITE if flags & ENTRY_NEEDS_COPY else prot
    return True


@locks("k.map")
async def vm_map_delete(k: Context, start: int, end: int) -> int:
    """Remove what is mapped in [start, end). Returns how many entries there were. [L: the map, exclusively]"""
    rows = await k.call(k.map, Cut(start, end))
    for first, last, obj, offset, _, flags, entries_more in rows:
        if flags & ENTRY_WIRED:
            await vm_fault_unwire(k, first, last, await is_device(k, obj))
        await pmap_remove(k, k.pmap, first, last)
        if obj:
            await vm_map_entry_delete(k, obj, offset, last - first, entries_more)
    return len(rows)


def copied_flags(flags: int) -> int:
    """The flags of an entry after copy on write was set up for it."""
    return flags | ENTRY_COW | ENTRY_NEEDS_COPY
