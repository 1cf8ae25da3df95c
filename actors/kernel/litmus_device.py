"""Litmus steps about a device's memory and about wiring: mmap of /dev/mem, mlock, and a driver whose device works on wired pages (C16)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.litmus import ABSENT
from actors.kernel.mman import vnode_name
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_map_wire import vm_map_unwire, vm_map_wire
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.pages import Unwire, Wire
from protocol.messages.space import ENTRY_SHARED, AddEntry
from protocol.pages import OBJT_DEVICE, PROT_READ, PROT_WRITE
from protocol.records import FRAME_STORE


async def device_mmap(k: Context, vpn: int, phys: int, pages: int = 1) -> str:
    """mmap of a device that has its memory at physical page ``phys``.

    A page of it has one record here, so it can be in one such mapping at a time; the kernel's pager makes a record for each.
    """
    return await _map_device(k, vpn, tuple(range(phys, phys + pages)))


async def memory_mmap(k: Context, vpn: int, file: int, pindex: int, pages: int = 1) -> str:
    """mmap of /dev/mem where these pages of a file are: of memory that is RAM as well."""
    return await _map_device(k, vpn, await _frames(k, file, pindex, pages))


async def _frames(k: Context, file: int, pindex: int, pages: int) -> tuple[int, ...]:
    obj = vnode_name(file)
    await k.acquire(obj)
    frames = []
    for offset in range(pindex, pindex + pages):
        frames.append((await k.call(obj, Lookup(offset)))[0])
    await k.release(obj)
    return tuple(frames)


async def _map_device(k: Context, vpn: int, phys: tuple[int, ...]) -> str:
    if min(phys) < 0:
        return ABSENT
    await k.acquire(k.map)
    obj = str(await k.create("object", type=OBJT_DEVICE, size=len(phys), refs=1, device=phys))
    refusal = await k.call(k.map, AddEntry(vpn, vpn + len(phys), obj, 0, PROT_READ | PROT_WRITE, ENTRY_SHARED))
    if refusal:
        raise KernelPanic(str(refusal))
    await k.release(k.map)
    return "ok"


async def mlock(k: Context, vpn: int, pages: int = 1) -> str:
    """Wire a range."""
    await k.enter("mlock", vpn, pages)
    wired = await vm_map_wire(k, vpn, vpn + pages)
    await k.leave("mlock", "ok" if wired else "EFAULT")
    return "ok" if wired else "EFAULT"


async def munlock(k: Context, vpn: int, pages: int = 1) -> str:
    """Unwire a range."""
    await k.enter("munlock", vpn, pages)
    await vm_map_unwire(k, vpn, vpn + pages)
    await k.leave("munlock", "ok")
    return "ok"


async def driver_io(k: Context, file: int, pindex: int, pages: int = 1) -> str:
    """A driver wires pages of a file, lets its device store into them, and unwires them when the device has finished."""
    frames = await _frames(k, file, pindex, pages)
    if min(frames) < 0:
        return ABSENT
    await k.acquire(PAGE_QUEUES)
    for frame in frames:
        await k.post(PAGE_QUEUES, Wire(frame, k.form("C16") == "pinned"))
    await k.release(PAGE_QUEUES)
    await k.at("driver_io.wired")
    for frame in frames:
        await k.note(FRAME_STORE, frame, k.tid, "dma")
    await k.acquire(PAGE_QUEUES)
    for frame in frames:
        await k.post(PAGE_QUEUES, Unwire(frame, True, k.form("C16") == "pinned"))
    await k.release(PAGE_QUEUES)
    return "ok"
