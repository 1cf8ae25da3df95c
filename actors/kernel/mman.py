"""The system calls that change an address space: mmap, munmap, mprotect, madvise, brk, mremap."""

from __future__ import annotations

from actors.kernel.access import access
from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held
from actors.kernel.fault_unwire import is_device, vm_fault_unwire
from actors.kernel.pmap import pmap_protect, pmap_remove
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_map import vm_map_delete
from actors.kernel.vm_map_wire import vm_map_wire
from actors.kernel.vm_object import vm_object_allocate, vm_object_reference
from actors.kernel.vm_object_pages import free_pages
from protocol.messages.locks import SHARED
from protocol.messages.objects import Describe, Enter
from protocol.messages.space import (
    ENTRY_COW,
    ENTRY_NEEDS_COPY,
    ENTRY_SHARED,
    ENTRY_STACK,
    ENTRY_WIRED,
    AddEntry,
    Cut,
    Entries,
    FindSpace,
    Gap,
    ProtectEntries,
)
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP, PROT_READ, PROT_WRITE
from protocol.workload import Brk, Madvise, Mmap, Mprotect, Mremap, Munmap

LOWEST_FREE_VPN = 0x7F000_0000
"""Where mmap looks for room when the caller leaves the address to the kernel."""


def vnode_name(file: int) -> str:
    """The boot object of the workload's file number ``file``."""
    return f"object.{file + 1}"


@locks("k.map")
async def add_mapping(k: Context, start: int, end: int, prot: int, file: int, offset: int, shared: bool, stack: bool) -> None:
    """Insert an entry for a file or for anonymous memory. [L: the map, exclusively]"""
    obj, flags = "", ENTRY_STACK if stack else 0
    if file >= 0:
        obj = vnode_name(file)
        await vm_object_reference(k, obj)
        flags |= ENTRY_SHARED if shared else ENTRY_COW | ENTRY_NEEDS_COPY
    elif shared:
        obj = await vm_object_allocate(k, offset + end - start)
        flags |= ENTRY_SHARED
    panic = await k.call(k.map, AddEntry(start, end, obj, offset, prot, flags))
    if panic:
        raise KernelPanic(str(panic))


@nothing_held()
async def mmap(k: Context, s: Mmap) -> str:
    """Map anonymous memory or a file; a fixed mapping replaces what was there, both under one hold of the map lock.

    The address of one that is not fixed is a hint: where something is mapped already, the next gap is taken.
    """
    await k.enter("mmap", s.start, s.end, s.prot)
    await k.acquire(k.map)
    start, end = s.start, s.end
    if start < 0:
        start = await k.call(k.map, FindSpace(LOWEST_FREE_VPN, end))
        end += start
    elif s.fixed:
        await vm_map_delete(k, start, end)
    else:
        start = await k.call(k.map, FindSpace(start, end - start))
        end += start - s.start
    await add_mapping(k, start, end, s.prot, s.file, s.offset, s.shared, s.stack)
    await k.release(k.map)
    if s.populate:
        await populate(k, start, end, bool(s.prot & PROT_WRITE))
    await k.leave("mmap", "ok")
    return "ok"


async def populate(k: Context, start: int, end: int, write: bool) -> None:
    """Make the pages of [start, end) present, as a fault on each would."""
    for vpn in range(start, end):
        await access(k, vpn, write)


@nothing_held()
async def munmap(k: Context, s: Munmap) -> str:
    """Unmap a range."""
    await k.enter("munmap", s.start, s.end)
    await k.acquire(k.map)
    await vm_map_delete(k, s.start, s.end)
    await k.release(k.map)
    await k.leave("munmap", "ok")
    return "ok"


@nothing_held()
async def mprotect(k: Context, s: Mprotect) -> str:
    """Change the protection of a range; only rights that are taken away need the page table changed now."""
    await k.enter("mprotect", s.start, s.end, s.prot)
    await k.acquire(k.map)
    rows = await k.call(k.map, ProtectEntries(s.start, s.end, s.prot))
    for start, end, obj, _, old, flags, entries_more in rows:
        if obj and entries_more > 0:
            await k.acquire(obj)
            await k.post(obj, Enter(entries_more, 0))
            await k.release(obj)
        new = s.prot & ~PROT_WRITE if flags & ENTRY_COW else s.prot
        if old & ~s.prot & (PROT_READ | PROT_WRITE):
            await pmap_protect(k, k.pmap, start, end, new)
    await k.release(k.map)
    await k.leave("mprotect", "ok")
    return "ok"


@nothing_held()
async def madvise(k: Context, s: Madvise) -> str:
    """DONTNEED and FREE drop pages (freed only where nobody else can want them), but none that is wired; populate advice makes pages
    present."""
    if s.advice != "drop":
        await populate(k, s.start, s.end, s.advice == "populate-write")
        return "ok"
    await k.enter("madvise", s.start, s.end)
    await k.acquire(k.map, SHARED)
    for start, end, obj, offset, _, flags in await _entries(k, s.start, s.end):
        if flags & ENTRY_WIRED:
            continue
        first, last = max(start, s.start), min(end, s.end)
        await pmap_remove(k, k.pmap, first, last)
        if obj:
            await _drop_private(k, obj, offset + first - start, last - first)
    await k.release(k.map)
    await k.leave("madvise", "ok")
    return "ok"


async def _entries(k: Context, start: int, end: int) -> list[tuple[int, int, str, int, int, int]]:
    rows: list[tuple[int, int, str, int, int, int]] = []
    while True:
        batch = await k.call(k.map, Entries(start, end))
        rows += batch
        if len(batch) < 64:
            return rows
        start = batch[-1][1]


async def _drop_private(k: Context, obj: str, offset: int, pages: int) -> None:
    """Free pages that only this entry can want. The map is held shared, so a fault may have mapped some again meanwhile."""
    await k.acquire(obj)
    kind, _, refs, shadows, _, backing, *_ = await k.call(obj, Describe())
    if kind in (OBJT_DEFAULT, OBJT_SWAP) and refs == 1 and not shadows and not backing:
        await free_pages(k, obj, offset, offset + pages, mapped=True)
    await k.release(obj)


async def brk(k: Context, s: Brk) -> str:
    """Grow or shrink the heap."""
    if s.new_end > s.old_end:
        return await mmap(k, Mmap(s.old_end, s.new_end, PROT_READ | PROT_WRITE))
    if s.new_end < s.old_end:
        return await munmap(k, Munmap(s.new_end, s.old_end))
    return "ok"


@nothing_held()
async def mremap(k: Context, s: Mremap) -> str:
    """Move a mapping: its entries go to the new place with their objects, the page table is emptied at the old one; what grows is
    anonymous."""
    await k.enter("mremap", s.start, s.end, s.new_start, s.new_end)
    await k.acquire(k.map)
    pages = min(s.end - s.start, s.new_end - s.new_start)
    wired = await _move(k, s, pages) if s.new_start != s.start else []
    if pages < s.end - s.start:
        await vm_map_delete(k, s.start + pages, s.end)
    if s.new_end > s.new_start + pages:
        await vm_map_delete(k, s.new_start + pages, s.new_end)
        await add_mapping(k, s.new_start + pages, s.new_end, PROT_READ | PROT_WRITE, -1, 0, False, False)
    await k.release(k.map)
    for start, end in wired:
        await vm_map_wire(k, start, end)
    await k.leave("mremap", "ok")
    return "ok"


@locks("k.map")
async def _move(k: Context, s: Mremap, pages: int) -> list[tuple[int, int]]:
    """The entries go to the new place. What is wired is unwired here; returns the ranges to be wired there. [L: the map, exclusively]"""
    rows, moved, wired = await k.call(k.map, Cut(s.start, s.start + pages)), s.new_start - s.start, []
    for start, end, obj, _, _, flags, _ in rows:
        if flags & ENTRY_WIRED:
            await vm_fault_unwire(k, start, end, await is_device(k, obj))
            wired.append((start + moved, end + moved))
    await pmap_remove(k, k.pmap, s.start, s.end)
    await vm_map_delete(k, s.new_start, s.new_end)
    for start, end, obj, offset, prot, flags, entries_more in rows:
        for _ in range(entries_more + 1 if obj else 0):
            await vm_object_reference(k, obj)
        await k.call(k.map, AddEntry(start + moved, end + moved, obj, offset, prot, flags & ~ENTRY_WIRED))
    return wired


async def map_unknown(k: Context, vpn: int) -> bool:
    """A recorded access outside every known mapping belongs to an earlier one: map the gap around it. Returns whether there was a gap."""
    await k.acquire(k.map)
    gap = await k.call(k.map, Gap(vpn))
    if gap is not None:
        await add_mapping(k, gap[0], gap[1], PROT_READ | PROT_WRITE, -1, 0, False, False)
    await k.release(k.map)
    return gap is not None
