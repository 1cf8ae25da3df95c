"""vm_fault_unwire: what was wired by address is unwired by address (vm-facts 3.9; C16).

From the page table comes the physical page, and the page array has its record. C16 ``counted``: of a device's memory the array has another
page at that place, or it has none; its wire count goes down. ``pinned``: who maps a device's memory says so, and only the wired bit of the
page-table entry is cleared.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import recorded
from actors.kernel.page_array import phys_to_vm_page
from actors.kernel.requests import KernelPanic
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Describe
from protocol.messages.pages import Unwire
from protocol.messages.space import PteProtect, PteTest
from protocol.pages import FAKE, OBJT_DEVICE, PTE_WIRED


async def is_device(k: Context, obj: str) -> bool:
    """Does an entry map a device's memory?"""
    if not obj:
        return False
    await k.acquire(obj)
    kind = (await k.call(obj, Describe()))[0]
    await k.release(obj)
    return bool(kind == OBJT_DEVICE)


@recorded(without=("object", "pq", "pmap"))
async def vm_fault_unwire(k: Context, start: int, end: int, device: bool) -> None:
    """Unwire the pages that are mapped in [start, end). Raises KernelPanic where the kernel does.

    [L: the map, or for vm_fault_wire the entries in transition; nothing else]
    """
    await k.enter("vm_fault_unwire", start, end, device)
    fictitious = device and k.form("C16") == "pinned"
    for vpn in range(start, end):
        await k.acquire(k.pmap)
        frame, _ = await k.call(k.pmap, PteTest(vpn))
        await k.release(k.pmap)
        if frame < 0:
            continue
        await k.acquire(k.pmap)
        await k.call(k.pmap, PteProtect(vpn, PTE_WIRED))
        await k.release(k.pmap)
        if not fictitious:
            await _unwire_phys(k, frame - FAKE if frame >= FAKE else frame)
    await k.leave("vm_fault_unwire", "ok")


async def _unwire_phys(k: Context, phys: int) -> None:
    """vm_page_unwire of the page record that the array has for a physical page."""
    frame = await phys_to_vm_page(k, phys)
    await k.acquire(PAGE_QUEUES)
    refusal = await k.call(PAGE_QUEUES, Unwire(frame, pinned=k.form("C16") == "pinned"))
    if refusal:
        raise KernelPanic(str(refusal))
    await k.release(PAGE_QUEUES)
