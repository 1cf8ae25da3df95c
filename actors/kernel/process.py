"""Processes: fork, vfork, threads, exec, exit (vm-facts 3.14, 3.16; model notes 6).

At fork every entry is protected and shot down by itself: the kernel of the period batches nothing.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import nothing_held
from actors.kernel.mman import add_mapping
from actors.kernel.pmap import pmap_protect
from actors.kernel.pmap_copy import pmap_copy
from actors.kernel.pmap_pte_object import PTE_OBJECT_PAGES
from actors.kernel.pmap_release import pmap_release
from actors.kernel.requests import Again
from actors.kernel.vm_fault_copy_entry import vm_fault_copy_entry
from actors.kernel.vm_map import copied_flags, vm_map_delete
from actors.kernel.vm_object import vm_object_allocate, vm_object_reference, vm_object_share
from protocol.identity import PTE_LABEL, SEQUENCER
from protocol.messages.processor import Await
from protocol.messages.space import ENTRY_NEEDS_COPY, ENTRY_SHARED, ENTRY_WIRED, AddEntry, Entries, EntryRow, SetEntryObject, SpaceUsers
from protocol.pages import OBJT_DEFAULT, PROT_WRITE
from protocol.workload import Exec, Exit, Fork

SPACE_END = 1 << 52
"""Above every virtual page number."""
ENTRIES_AT_ONCE = 16
"""Map entries a teardown removes in one step of its history."""


@nothing_held("fork", "vfork", "thread")
async def fork(k: Context, s: Fork) -> str:
    """fork copies the address space on write; vfork and threads share it, and vfork's parent waits until the child leaves it."""
    await k.enter(s.how, s.child)
    if s.how == "fork":
        space, pmap = await _new_space(k)
        await _copy_space(k, space, pmap)
    else:
        space, pmap = k.map, k.pmap
        await k.call(space, SpaceUsers(1))
    await k.start_task(s.child, space, pmap, s.how)
    if s.how == "vfork":
        last = k.tables.leaves_at(s.child)
        if last >= 0:
            await k.wait_for(SEQUENCER, Await(((s.child, last),)))
    await k.leave(s.how, "ok")
    return "ok"


async def _new_space(k: Context) -> tuple[str, str]:
    """pmap_pinit. C14 ``pte-object``: an object for the page-table pages is made with the pmap."""
    pte_object = ""
    if k.form("C14") == "pte-object":
        pte_object = str(await k.create("object", PTE_LABEL, type=OBJT_DEFAULT, size=PTE_OBJECT_PAGES))
    return str(await k.create("map")), str(await k.create("pmap", paging=k.machine.pmap, pte_object=pte_object))


async def _copy_space(k: Context, space: str, pmap: str) -> None:
    """vmspace_fork: share what is shared, set copy on write up for the rest, and copy what is mapped."""
    await k.acquire(k.map)
    await k.acquire(space)
    start = 0
    while True:
        rows = await k.call(k.map, Entries(start, SPACE_END))
        for row in rows:
            await _copy_entry(k, space, pmap, row)
        if len(rows) < 64:
            break
        start = rows[-1][1]
    await k.release(space)
    await k.release(k.map)


async def _copy_entry(k: Context, space: str, pmap: str, row: EntryRow) -> None:
    start, end, obj, offset, prot, flags = row
    if flags & ENTRY_SHARED:
        if not obj:
            obj = await vm_object_allocate(k, offset + end - start)
            await k.call(k.map, SetEntryObject(start, obj, offset, flags))
        await vm_object_reference(k, obj)
    elif flags & ENTRY_WIRED and obj and await vm_fault_copy_entry(k, space, pmap, row):
        return
    elif obj:
        if not flags & ENTRY_NEEDS_COPY:
            await pmap_protect(k, k.pmap, start, end, prot & ~PROT_WRITE)
            flags = copied_flags(flags)
            await k.call(k.map, SetEntryObject(start, obj, offset, flags))
        await vm_object_share(k, obj)
    # Wiring is not inherited.
    await k.call(space, AddEntry(start, end, obj, offset, prot, flags & ~ENTRY_WIRED))
    await pmap_copy(k, pmap, k.pmap, start, end)


@nothing_held()
async def execve(k: Context, s: Exec) -> str | Again:
    """A new address space with the image's mappings; the old one is left to whoever else is in it."""
    await k.enter("execve", len(s.mappings))
    old_map, old_pmap = k.map, k.pmap
    space, pmap = await _new_space(k)
    await k.set_space(space, pmap)
    await k.acquire(space)
    for start, end, prot, file, offset, stack in s.mappings:
        await vm_map_delete(k, start, end)
        await add_mapping(k, start, end, prot, file, offset, False, stack)
    await k.release(space)
    await k.leave("execve", "ok")
    if await k.call(old_map, SpaceUsers(-1)):
        return "ok"
    return Again("vmspace_free", (k.index, old_map, old_pmap, 0, ""))


@nothing_held("exit")
async def exit_task(k: Context, s: Exit) -> str | Again:
    """The task ends; the last one in an address space tears it down while it is still loaded."""
    await k.enter("exit")
    if await k.call(k.map, SpaceUsers(-1)):
        await k.leave("exit", "ok")
        return "ok"
    return Again("vmspace_free", (k.index, k.map, k.pmap, 0, "exit"))


async def vmspace_free(k: Context, index: int, space: str, pmap: str, start: int, ends: str) -> Again:
    """Tear an address space down, some entries at a time. ``ends``: the routine that has come to its end with that."""
    mine = k.map, k.pmap
    k.map, k.pmap = space, pmap
    await k.acquire(space)
    rows = await k.call(space, Entries(start, SPACE_END, ENTRIES_AT_ONCE))
    for row in rows:
        await vm_map_delete(k, row[0], row[1])
    await k.release(space)
    k.map, k.pmap = mine
    if len(rows) < ENTRIES_AT_ONCE:
        await pmap_release(k, pmap)
        if ends:
            await k.leave(ends, "ok")
        return Again("step_done", (index, "ok"))
    return Again("vmspace_free", (index, space, pmap, rows[-1][1], ends))
