"""Initial state that a script asks for, made by the kernel's own steps before the first task begins, and recorded as injected."""

from __future__ import annotations

from typing import Any

from actors.kernel.context import Context
from actors.kernel.idle_zero import zero_one
from actors.kernel.mman import vnode_name
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page_alloc import vm_page_alloc_idle
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import FreeCounts, Withhold
from protocol.messages.objects import Lookup, SetValid
from protocol.messages.pages import Activate, Deactivate, MakeCache, Poke, SetDirty, SetFlags
from protocol.pages import REFERENCED, VALID_ALL
from protocol.records import INJECTED

BEFORE_TASKS_NS = 1_000_000
"""Tasks begin so late when there is something to inject."""


async def inject(k: Context) -> None:
    """Make everything that the workload wants injected."""
    for wanted in k.tables.workload.injected:
        await k.note(INJECTED, wanted.what)
        await INJECTIONS[wanted.what](k, **wanted.fields)


async def file_page(k: Context, file: int, pindex: int, queue: str = "active", dirty: bool = False) -> None:
    """A page of a file is resident and valid, on the queue named (active, inactive, cache)."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame, _ = await vm_page_alloc_idle(k, obj, pindex)
    if not frame:
        raise KernelPanic("inject: no free page")
    await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.acquire(PAGE_QUEUES)
    if dirty:
        await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
    await k.post(PAGE_QUEUES, SetFlags(frame, REFERENCED if queue == "active" else 0))
    await k.post(PAGE_QUEUES, Activate(frame) if queue == "active" else Deactivate(frame))
    if queue == "cache":
        await k.call(PAGE_QUEUES, MakeCache(frame))
    await k.release(PAGE_QUEUES)
    await k.release(obj)


async def page(k: Context, file: int, pindex: int, field: str, value: int) -> None:
    """A field of a resident page has a value that no operation of the kernel gave it. Raises KernelPanic for a page that is not there."""
    obj = vnode_name(file)
    await k.acquire(obj)
    frame = (await k.call(obj, Lookup(pindex)))[0]
    if frame <= 0:
        raise KernelPanic(f"inject: page {pindex} of file {file} is not resident")
    refusal = await k.call(PAGE_QUEUES, Poke(frame, field, value))
    if refusal:
        raise KernelPanic(f"inject: {refusal}")
    await k.release(obj)


async def zeroed_frames(k: Context, frames: int) -> None:
    """So many free frames are zero, as if the idle loop had been at work."""
    for number in range(frames):
        await zero_one(k, number % k.machine.colours)


async def free_frames(k: Context, frames: int) -> None:
    """Only so many frames are free; the others are withheld for good."""
    free, _, _ = await k.call(FREE_QUEUES, FreeCounts())
    if free > frames:
        await k.post(FREE_QUEUES, Withhold(free - frames, 0))


async def page_stats_drops_queues(k: Context) -> None:
    """A script's walk of vm_pageout_page_stats will drop the page queues once, between two pages. (It looks for this injection itself.)"""


PAGE_STATS_DROPS_QUEUES = "page-stats-drops-queues"

INJECTIONS: dict[str, Any] = {
    "file-page": file_page,
    "free-frames": free_frames,
    "page": page,
    "page-stats-drops-queues": page_stats_drops_queues,
    "zeroed-frames": zeroed_frames,
}
"""What a script's ``[[inject]]`` may name."""
