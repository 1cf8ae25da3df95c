"""Alpha before C14: the page-table pages of a pmap are the pages of an object of its own, found by an index made of level and slot.

They are got by vm_page_grab, with that object locked; and pmap_enter, which needs them, has the page queues and the pmap locked by then.
That is the reverse of the order of all other objects. Grab, moreover, waits for memory where there is none, with the page queues held. A
page whose last entry goes is freed under the page queues, without the object's lock (which is why C15 exempted alpha).

The index begins with the leaf tables; alpha's one level-1 table comes last.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.page_content import zero_unless
from actors.kernel.vm_page_grab import vm_page_grab
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import SetValid
from protocol.messages.pages import SetFlags, Unbusy
from protocol.messages.space import PteObject, PtInstall
from protocol.pages import ALLOC_RETRY, ALLOC_WIRED, ALLOC_ZERO, VALID_ALL, ZERO

LEVEL_STRIDE = 1 << 26
"""More page-table pages than a level has."""
PTE_OBJECT_PAGES = 3 * LEVEL_STRIDE


def table_index(level: int, slot: int) -> int:
    """Where a page-table page stands in its object."""
    return (level - 1) * LEVEL_STRIDE + slot


def table_at(index: int) -> tuple[int, int]:
    """(level, slot) of the page-table page at ``index`` of the object."""
    return index // LEVEL_STRIDE + 1, index % LEVEL_STRIDE


@locks("pmap", "pq", either=("giant",))
async def install_from_object(k: Context, pmap: str, level: int, slot: int) -> None:
    """Get a page-table page, zeroed, wired and not busy, and install it. [L: PQ, pmap, before C11 Giant; may sleep with them held]

    C18 ``caller-zeroes``: PG_ZERO is cleared with BUSY, under the same hold of the page queues.
    """
    obj, index = await k.call(pmap, PteObject()), table_index(level, slot)
    locked = await k.owns(obj)
    if not locked:
        await k.acquire(obj)
    frame, fresh, zeroed = await vm_page_grab(k, obj, index, ALLOC_WIRED | ALLOC_ZERO | ALLOC_RETRY)
    callers_zero = k.form("C18") == "caller-zeroes"
    if fresh and callers_zero:
        await zero_unless(k, frame, zeroed)
    await k.post(obj, SetValid(index, VALID_ALL))
    await k.acquire(PAGE_QUEUES)
    if callers_zero:
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, ZERO))
    await k.post(PAGE_QUEUES, Unbusy(frame))
    await k.release(PAGE_QUEUES)
    await k.call(pmap, PtInstall(level, slot, frame))
    if not locked:
        await k.release(obj)
