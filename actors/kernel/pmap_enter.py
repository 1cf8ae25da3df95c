"""pmap.c: pmap_enter and pmap_enter_quick (vm-facts 3.14; C11).

C11 ``locked``: page queues and pmap are held throughout, and the old entry is swapped out, so that the bits that hardware has set in it are
not lost. ``partial``: see :mod:`actors.kernel.pmap_enter_partial`.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.page_array import phys_to_vm_page
from actors.kernel.pmap_enter_partial import pmap_enter_partial, pmap_enter_quick_partial
from actors.kernel.pmap_table import free_table_pages, pmap_allocpte
from actors.kernel.pv_entry import get_pv_entry
from actors.kernel.shootdown import pmap_invalidate
from actors.kernel.uma import uma_zfree
from actors.kernel.vm_page import vm_page_busy, vm_wait
from protocol.identity import PAGE_QUEUES, PV_ZONE
from protocol.messages.pages import Unbusy
from protocol.messages.pvs import Harvest, PvAdd, PvDel
from protocol.messages.space import PteSwap, PteTest, PtHold
from protocol.pages import (
    FAKE,
    PROT_WRITE,
    PTE_A,
    PTE_M,
    PTE_MANAGED,
    PTE_PREFAULTED,
    PTE_RW,
    PTE_U,
    PTE_V,
    PTE_WIRED,
)


@recorded(without=("object", "pq", "pmap"))
async def pmap_enter(k: Context, pmap: str, vpn: int, frame: int, prot: int, wired: bool = False) -> None:
    """Map a busy page; a fictitious one gets no pv entry. [L: none but the map; may sleep for a page-table page]"""
    await k.enter("pmap_enter", pmap, vpn, frame)
    bits = PTE_V | PTE_U | (PTE_RW if prot & PROT_WRITE else 0) | (PTE_WIRED if wired else 0) | (PTE_MANAGED if frame < FAKE else 0)
    if k.form("C11") == "partial":
        await pmap_enter_partial(k, pmap, vpn, frame, bits)
    else:
        await _enter_locked(k, pmap, vpn, frame, bits)
    await k.leave("pmap_enter", "ok")


async def _enter_locked(k: Context, pmap: str, vpn: int, frame: int, bits: int) -> None:
    """With the page queues and the pmap held from the search for the table to the end of the shootdown."""
    await _lock_with_tables(k, pmap, vpn)
    await k.at("pmap_enter.table_found")
    counted = await _exchange_pv(k, pmap, vpn, frame, bits)
    old_frame, old_bits = await k.call(pmap, PteSwap(vpn, frame, bits, counted=counted))
    await k.at("pmap_enter.pte_read")
    if old_bits & PTE_MANAGED:
        await _harvest_old(k, pmap, vpn, frame, old_frame, old_bits)
    if bits & PTE_MANAGED and old_frame != frame:
        await k.post(PAGE_QUEUES, PvAdd(frame, pmap, vpn))
    if (old_bits & PTE_A and old_frame != frame) or (old_bits & PTE_M and not bits & PTE_RW):
        await pmap_invalidate(k, pmap, vpn, vpn + 1)
    await k.release(PAGE_QUEUES)
    await k.release(pmap)


@locks("pmap", "pq")
async def _harvest_old(k: Context, pmap: str, vpn: int, frame: int, old_frame: int, old_bits: int) -> None:
    """Tell the page of the entry that was swapped out what hardware had set in it, and that this mapping is none of its any more.

    [L: PQ, pmap] Where pv entries are limited the page has heard the latter (_exchange_pv).
    """
    accessed, modified = bool(old_bits & PTE_A), bool(old_bits & PTE_M)
    if old_frame != frame:
        await phys_to_vm_page(k, old_frame)
        if not k.machine.pv_entries_max:
            await k.post(PAGE_QUEUES, PvDel(old_frame, pmap, vpn, accessed, modified))
            return
    if accessed or modified:
        await k.post(PAGE_QUEUES, Harvest(old_frame, accessed, modified))


async def _lock_with_tables(k: Context, pmap: str, vpn: int) -> None:
    """Take the page queues and the pmap, with every page-table page on the way to ``vpn`` in place (pmap_allocpte, M_WAITOK)."""
    while True:
        await k.acquire(PAGE_QUEUES)
        await k.acquire(pmap)
        if await pmap_allocpte(k, pmap, vpn):
            return
        await k.release(pmap)
        await k.release(PAGE_QUEUES)
        await vm_wait(k)


@locks("pmap", "pq")
async def _exchange_pv(k: Context, pmap: str, vpn: int, frame: int, bits: int) -> bool:
    """Where pv entries are limited and another page is mapped than before: give the old mapping's entry back (pmap_remove_entry), then get
    one for the new mapping (pmap_insert_entry). Mappings may be destroyed for it, so the PTE to be is counted first. Returns whether it
    was. [L: PQ, pmap]

    In this order a mapping is replaced even when all entries are in use; and who destroys mappings cannot find the one that is replaced.
    Where they are not limited, the entry goes with what its PTE says when that is swapped out, which saves a message.
    """
    if not k.machine.pv_entries_max:
        return False
    old_frame, old_bits = await k.call(pmap, PteTest(vpn))
    if old_frame == frame:
        return False
    if old_bits & PTE_MANAGED:
        await k.post(PAGE_QUEUES, PvDel(old_frame, pmap, vpn))
        await uma_zfree(k, PV_ZONE)
    if not bits & PTE_MANAGED:
        return False
    await k.call(pmap, PtHold(vpn, 1))
    await get_pv_entry(k, pmap)
    return True


@locks("obj", "pq")
async def pmap_enter_quick(k: Context, pmap: str, vpn: int, frame: int, obj: str) -> None:
    """Map a resident page read-only where nothing is mapped, before anybody asks for it.

    [L: OBJ, PQ on entry and exit] May sleep for a page-table page, with the page busy and nothing locked.
    """
    if k.form("C11") == "partial":
        await pmap_enter_quick_partial(k, pmap, vpn, frame, obj)
        return
    await k.acquire(pmap)
    while not await pmap_allocpte(k, pmap, vpn):
        await k.release(pmap)
        await vm_page_busy(k, frame)
        await k.release(PAGE_QUEUES)
        await k.release(obj)
        await vm_wait(k)
        await k.acquire(obj)
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Unbusy(frame))
        await k.acquire(pmap)
    await k.call(pmap, PtHold(vpn, 1))
    if (await k.call(pmap, PteTest(vpn)))[0] > 0:
        _, emptied = await k.call(pmap, PtHold(vpn, -1))
        await free_table_pages(k, pmap, list(emptied))
    else:
        await get_pv_entry(k, pmap)
        await k.call(pmap, PteSwap(vpn, frame, PTE_V | PTE_U | PTE_MANAGED | PTE_PREFAULTED, counted=True))
        await k.post(PAGE_QUEUES, PvAdd(frame, pmap, vpn))
    await k.release(pmap)
