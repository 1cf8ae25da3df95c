"""vm_page_array: a page record found by its physical address, and what lies below the array (C27).

Records of pages stand in one array, by physical page number; an address below the first page, such as one that was truncated, gives a
negative index. C27 ``mapped-below``: there is memory there, the boot-time slab of UMA, and it is read and written as if it were a page
record. ``guard``: nothing is mapped there for one page's worth of records, and the access traps.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.requests import KernelPanic
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import BootSlab, PageState, Wire
from protocol.pages import FIRST_FRAME, GUARD_RECORDS
from protocol.records import ARRAY


async def phys_to_vm_page(k: Context, phys: int) -> int:
    """PHYS_TO_VM_PAGE: the page whose physical page number this is. Raises KernelPanic where the access traps."""
    index = phys - FIRST_FRAME
    await k.note(ARRAY, k.tid, index, k.machine.frames)
    if k.form("C27") == "guard" and -GUARD_RECORDS <= index < 0:
        raise KernelPanic(f"Fatal trap 12: page fault while in kernel mode (vm_page_array[{index}])")
    return phys


async def page_wire_phys(k: Context, phys: int, truncated: int = 0) -> str:
    """A driver wires a page that it knows by its physical page number; ``truncated``: of which it has kept so many bits only."""
    if truncated:
        phys %= 1 << truncated
    frame = await phys_to_vm_page(k, phys)
    await k.acquire(PAGE_QUEUES)
    if frame < FIRST_FRAME or await k.call(PAGE_QUEUES, PageState(frame)) is not None:
        await k.post(PAGE_QUEUES, Wire(frame))
    await k.release(PAGE_QUEUES)
    return "ok"


async def uma_boot_alloc(k: Context) -> str:
    """UMA takes an item from its boot-time slab, all of whose items are in use. Raises KernelPanic if it is given one nevertheless."""
    item = await k.call(PAGE_QUEUES, BootSlab())
    if item:
        raise KernelPanic(f"Duplicate alloc of item {item - 1} from zone UMA Slabs: the boot-time slab says that {item} are free")
    return "none free"
