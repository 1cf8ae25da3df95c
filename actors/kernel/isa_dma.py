"""isa_dma.c: bounce buffers in low memory, for a DMA controller that reaches 16 MB and cannot cross 64 KB (channels 0 to 3) or
128 KB (4 to 7) (C06).

C06 ``void``: isa_dmainit() returns nothing, never waits, and panics for a channel that has a buffer (DIAGNOSTIC); where there is no memory
it prints a line, and the driver goes on. ``status``: isa_dma_init() returns 0 or ENOMEM, waits if it is told to, and takes a channel that
has its buffer for shared. A macro of the old name calls it and prints a warning when it fails.

A machine's low memory is what the scenario says: a limit in frames.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contig import contigmalloc
from actors.kernel.contig_map import map_run
from actors.kernel.contig_scan import Want
from actors.kernel.contracts import locks
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import vm_page_free, vm_wait
from actors.kernel.vm_page_alloc import vm_page_alloc_idle
from protocol.identity import ISA_DMA, KERNEL_BASE, KERNEL_OBJECT, PAGE_QUEUES
from protocol.messages.isa import DmaBuffer, DriverTold, SetDmaBuffer
from protocol.messages.objects import Lookup
from protocol.pages import ALLOC_NOOBJ, CLASS_INTERRUPT, CLASS_SYSTEM
from protocol.records import DMA_INIT, DMA_START, FRAME_STORE, NOTE

ENOMEM = 12
FRAMES_64K, FRAMES_128K = 16, 32


@locks(without=("object", "pq", "pmap", "fq"))
async def isa_dma_init(k: Context, channel: int, pages: int, wait: bool, low: int) -> int:
    """Give a channel its bounce buffer among the frames below ``low``. ``wait``: M_WAITOK. Returns 0 or ENOMEM; C06 ``void``: 0 always.

    [L: nothing of the VM's; nothing that may not be held when sleeping, if ``wait``]
    """
    old = k.form("C06") == "void"
    if await k.call(ISA_DMA, DmaBuffer(channel)) is not None:
        if old:
            raise KernelPanic("isa_dmainit: impossible request")
        return 0
    status = await _give_buffer(k, channel, _wanted(channel, pages, low), wait and not old)
    await k.note(DMA_INIT, k.tid, channel, pages, 0 if old else status)
    if status and old:
        await k.note(NOTE, f"isa_dmainit({channel}, {pages << 12}) failed")
    return 0 if old else status


async def isa_dmainit(k: Context, channel: int, pages: int, low: int) -> None:
    """The old name, in the new kernel a macro: M_NOWAIT, and a warning for a driver that cannot be told."""
    if await isa_dma_init(k, channel, pages, False, low):
        await k.note(NOTE, f"WARNING: isa_dmainit({channel}, {pages << 12}) failed")


def _wanted(channel: int, pages: int, low: int) -> Want:
    return Want(pages, 1, low, 1, FRAMES_128K if channel & 4 else FRAMES_64K)


async def _give_buffer(k: Context, channel: int, want: Want, wait: bool) -> int:
    """malloc first, contigmalloc when that gives memory the controller cannot use."""
    frames = await malloc(k, want.pages, wait)
    first = frames[0] if frames else 0
    if frames and not isa_dmarangecheck(frames, want):
        await free(k, frames)
        first = 0
    if first:
        await map_run(k, first, want.pages, (), False)
    else:
        address = await contigmalloc(k, want, wait)
        first = await _frame_at(k, address) if address else 0
    if not first:
        return ENOMEM
    await k.call(ISA_DMA, SetDmaBuffer(channel, first, want.pages))
    return 0


async def _frame_at(k: Context, address: int) -> int:
    """vtophys: the frame at an address of the kernel."""
    await k.acquire(KERNEL_OBJECT)
    found = await k.call(KERNEL_OBJECT, Lookup(address - KERNEL_BASE))
    await k.release(KERNEL_OBJECT)
    return int(found[0])


def isa_dmarangecheck(frames: list[int], want: Want) -> bool:
    """Can the controller reach these frames in one transfer?"""
    first = frames[0]
    return frames == list(range(first, first + len(frames))) and want.may_begin(first) and first + len(frames) <= want.high


async def malloc(k: Context, pages: int, wait: bool) -> list[int]:
    """kmem_malloc of whole pages, wherever they are. M_NOWAIT takes the last frame but does not wait. Returns no frame if there are not
    enough."""
    frames: list[int] = []
    klass = CLASS_SYSTEM if wait else CLASS_INTERRUPT
    while len(frames) < pages:
        frame, _ = await vm_page_alloc_idle(k, "", len(frames), ALLOC_NOOBJ, klass)
        if frame:
            frames.append(frame)
        elif wait:
            await vm_wait(k)
        else:
            await free(k, frames)
            return []
    return frames


async def free(k: Context, frames: list[int]) -> None:
    """kmem_free of pages that belong to no object."""
    await k.acquire(PAGE_QUEUES)
    for frame in frames:
        await vm_page_free(k, frame, "", 0)
    await k.release(PAGE_QUEUES)


async def isa_dmastart(k: Context, channel: int) -> None:
    """Start a transfer through the channel's bounce buffer. Raises KernelPanic where the kernel copies to a null pointer."""
    found = await k.call(ISA_DMA, DmaBuffer(channel))
    frame, pages = found or (0, 0)
    await k.note(DMA_START, k.tid, channel, frame, pages)
    if not frame:
        raise KernelPanic(f"Fatal trap 12: page fault while in kernel mode (the NULL bounce buffer of DMA channel {channel})")
    for at in range(frame, frame + pages):
        await k.note(FRAME_STORE, at, k.tid, f"DMA channel {channel}")


# The drivers of litmus tests ------------------------------------------------------------------------------------------------------


async def isa_attach(k: Context, channel: int, pages: int, low: int, wait: bool = False, mutex: bool = False) -> str:
    """A driver attaches, and remembers what it was told. ``mutex``: it attaches with its own mutex held."""
    if mutex:
        await k.acquire(ISA_DMA)
    status = await isa_dma_init(k, channel, pages, wait, low)
    if mutex:
        await k.release(ISA_DMA)
    await k.call(ISA_DMA, DriverTold(channel, status))
    return "ENOMEM" if status else "ok"


async def isa_old_attach(k: Context, channel: int, pages: int, low: int) -> str:
    """A driver that knows the old name only attaches, and is told nothing."""
    await isa_dmainit(k, channel, pages, low)
    await k.call(ISA_DMA, DriverTold(channel, 0))
    return "ok"


async def isa_transfer(k: Context, channel: int) -> str:
    """The channel's driver does a transfer, unless it was told that it has no buffer and has detached."""
    if await k.call(ISA_DMA, DriverTold(channel)):
        return "detached"
    await isa_dmastart(k, channel)
    return "ok"
