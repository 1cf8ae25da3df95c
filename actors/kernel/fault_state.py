"""What one try of a page fault holds, and how each of it is put back (the kernel's faultstate and unlock_things; vm-facts 3.9)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.vm_map import Found
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import vm_page_free
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Enter
from protocol.messages.pages import Finish
from protocol.records import BELIEF


class Fault:
    """What one try of a fault holds."""

    __slots__ = (
        "cold", "cow", "cow_count", "first", "first_frame", "first_pindex", "frame", "hard", "map_locked", "object", "pindex", "prot",
        "stamp", "vpn", "wire", "write", "zero_filled", "zeroed",
    )  # fmt: skip

    def __init__(self, vpn: int, write: bool, cold: bool, found: Found, wire: bool = False) -> None:
        self.vpn, self.write, self.cold, self.wire = vpn, write, cold, wire
        self.first = self.object = found.object
        self.first_pindex = self.pindex = found.pindex
        self.prot, self.stamp = found.prot, found.timestamp
        self.frame = self.first_frame = self.cow_count = 0
        self.hard = self.cow = self.zero_filled = self.zeroed = False
        self.map_locked = True

    def how(self) -> str:
        """The kind of fault it was, as metrics count it: hard if it waited for a pager, else cow if it went through step 4.

        As the kernel's v_cow_faults does, cow counts a page that was moved up instead of copied (v_cow_optim) too.
        """
        if self.hard:
            return "hard"
        if self.cow:
            return "cow"
        return "zero-fill" if self.zero_filled else "soft"


@locks("obj")
async def between_steps(k: Context, obj: str, frame: int = 0, pindex: int = 0) -> None:
    """C33 ``per-step``: the object's lock is dropped and taken again between two primitives of a fault, which goes on with the page that it
    has found, if any. [L: obj]"""
    if k.form("C33") == "per-step":
        await k.release(obj)
        await k.at("vm_fault.between-steps")
        await k.acquire(obj)
        if frame > 0:
            await k.note(BELIEF, k.tid, frame, obj, pindex)


@locks("f.object", drops=(("always", ("f.object", "k.map")),))
async def back_out(k: Context, f: Fault) -> None:
    """unlock_and_deallocate: undo paging in progress, the placeholder, the map lock and the reference. [L: f.object on entry;
    neither an object nor the map on exit]"""
    await k.post(f.object, Enter(0, -1))
    await k.release(f.object)
    await release_first(k, f)
    await vm_object_deallocate(k, f.first)
    await unlock_map(k, f)


@locks(without=("object",))
async def release_first(k: Context, f: Fault) -> None:
    """Free the placeholder in the first object and end the paging there, if the fault has gone deeper. [L: no object]"""
    if f.object == f.first:
        return
    await k.acquire(f.first)
    await k.acquire(PAGE_QUEUES)
    await vm_page_free(k, f.first_frame, f.first, f.first_pindex, busy=True)
    await k.release(PAGE_QUEUES)
    await k.post(f.first, Enter(0, -1))
    await k.release(f.first)


async def unlock_map(k: Context, f: Fault) -> None:
    """Give the map lock back, unless it was dropped for I/O."""
    if f.map_locked:
        await k.release(k.map)
        f.map_locked = False


@locks("f.object")
async def release_page(k: Context, f: Fault) -> None:
    """release_page: un-busy and deactivate. [L: f.object]"""
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Finish(f.frame, False))
    await k.release(PAGE_QUEUES)


@locks("obj")
async def free_busy(k: Context, obj: str, pindex: int, frame: int) -> None:
    """Free a page that the fault holds busy. [L: obj]"""
    await k.acquire(PAGE_QUEUES)
    await vm_page_free(k, frame, obj, pindex, busy=True)
    await k.release(PAGE_QUEUES)
