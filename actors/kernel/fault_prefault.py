"""vm_fault_prefault: map resident neighbours of a page that has just been mapped, read-only, without a fault of their own (vm-facts 3.9).

Off unless the machine asks for it: a recording holds what its host's own fault-around left, so those faults are not in it.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.fault_state import Fault
from actors.kernel.pmap_enter import pmap_enter_quick
from actors.kernel.vm_page import page_state
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.pages import Deactivate
from protocol.messages.space import Find, PteTest, PtFind
from protocol.pages import BUSY, CACHE, FICTITIOUS, OBJT_DEFAULT, VALID_ALL


@locks("k.map")
async def vm_fault_prefault(k: Context, f: Fault) -> None:
    """Prefault around ``f.vpn``: one page behind, one ahead, two behind, and so on; it ends where a page is not resident. [L: the map]"""
    _, start, end, obj, offset, *_ = await k.call(k.map, Find(f.vpn))
    for distance in range(1, k.machine.prefault_pages + 1):
        for vpn in (f.vpn - distance, f.vpn + distance):
            if start <= vpn < end and await _prefaultable(k, vpn) and not await _prefault(k, vpn, obj, vpn - start + offset):
                return


async def _prefaultable(k: Context, vpn: int) -> bool:
    """pmap_is_prefaultable: the page-table page is there, and the entry is empty."""
    await k.acquire(k.pmap)
    found = await k.call(k.pmap, PtFind(vpn)) and (await k.call(k.pmap, PteTest(vpn)))[0] < 0
    await k.release(k.pmap)
    return bool(found)


async def _prefault(k: Context, vpn: int, obj: str, pindex: int) -> bool:
    """Map one page, if it is idle and valid. Returns whether it was resident."""
    await k.acquire(obj)
    while True:
        found = await k.call(obj, Lookup(pindex))
        if found[0] > 0 or found[1] != OBJT_DEFAULT or not found[3]:
            break
        _, _, _, backing, offset, _ = found
        await k.acquire(backing)
        await k.release(obj)
        obj, pindex = backing, pindex + offset
    if found[0] > 0:
        await k.acquire(PAGE_QUEUES)
        await _enter_idle(k, vpn, found[0], found[1], found[2], obj)
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return bool(found[0] > 0)


@locks("obj", "pq")
async def _enter_idle(k: Context, vpn: int, frame: int, valid: int, soft: int, obj: str) -> None:
    """[L: obj, PQ]"""
    queue, flags, *_ = await page_state(k, frame)
    if valid != VALID_ALL or soft or flags & (BUSY | FICTITIOUS):
        return
    if queue == CACHE:
        await k.post(PAGE_QUEUES, Deactivate(frame))
    await pmap_enter_quick(k, k.pmap, vpn, frame, obj)
