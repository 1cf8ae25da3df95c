"""pmap.c: page-table pages (vm-facts 3.14). They belong to no object; the page tables themselves are their index. (Alpha before C14: see
:mod:`actors.kernel.pmap_pte_object`.)

Their count of valid entries is kept with the page table, where the entries are; the page record says wired once. In the kernel it is the
page's wire count (before C11 its hold count), under the page-queues lock, which every caller here holds.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.page_content import zero_unless
from actors.kernel.pmap_pte_object import install_from_object, table_index
from actors.kernel.vm_page import vm_page_busy, vm_page_free
from actors.kernel.vm_page_alloc import vm_page_alloc_idle
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import SetFlags, Unwire
from protocol.messages.space import PteClear, PteObject, PtInstall, PtNeed
from protocol.pages import ALLOC_NOOBJ, ALLOC_WIRED, ALLOC_ZERO, ZERO

TablePages = list[tuple[int, int, int]]
"""(level, slot, frame) of page-table pages that have become empty."""


@locks("pmap", "pq")
async def pmap_allocpte(k: Context, pmap: str, vpn: int) -> bool:
    """Put every page-table page on the way to ``vpn`` in place. Never sleeps (but for C14 ``pte-object``). Returns false if a page could
    not be had.

    [L: PQ, pmap]
    """
    for level, slot in await k.call(pmap, PtNeed(vpn)):
        if not await install_table(k, pmap, level, slot):
            return False
    return True


@recorded("pmap", "pq", either=("giant",), name="_pmap_allocpte")
async def install_table(k: Context, pmap: str, level: int, slot: int) -> bool:
    """_pmap_allocpte: get a zeroed, wired page and make it the page-table page of (level, slot). Returns false if there is none.

    [L: PQ, pmap; before C09 and C11 Giant]
    """
    await k.enter("_pmap_allocpte", level, slot)
    if k.form("C14") == "pte-object":
        await install_from_object(k, pmap, level, slot)
        got = True
    else:
        got = await _install_page(k, pmap, level, slot)
    await k.leave("_pmap_allocpte", "ok" if got else "no page")
    return got


async def _install_page(k: Context, pmap: str, level: int, slot: int) -> bool:
    """If the slot has been filled meanwhile, the page is given back. C18 ``caller-zeroes``: PG_ZERO is cleared, under the page queues."""
    frame, zeroed = await vm_page_alloc_idle(k, "", slot, ALLOC_NOOBJ | ALLOC_WIRED | ALLOC_ZERO)
    if not frame:
        return False
    await zero_unless(k, frame, zeroed)
    if k.form("C18") == "caller-zeroes":
        await k.post(PAGE_QUEUES, SetFlags(frame, 0, ZERO))
    if not await k.call(pmap, PtInstall(level, slot, frame)):
        await free_table_pages(k, pmap, [(level, slot, frame)])
    return True


@locks("pmap", "pq")
async def give_up_path(k: Context, pmap: str, vpn: int) -> None:
    """The page-table pages on the way to ``vpn`` are not needed after all: free those without an entry. [L: PQ, pmap]"""
    _, _, emptied = await k.call(pmap, PteClear(vpn))
    await free_table_pages(k, pmap, list(emptied))


@locks("pq")
async def free_table_pages(k: Context, pmap: str, tables: TablePages) -> None:
    """vm_page_free_zero of empty page-table pages. [L: PQ] C14 ``pte-object``: each is taken out of its object, whose lock nobody asks."""
    if not tables:
        return
    old = k.form("C14") == "pte-object"
    obj = str(await k.call(pmap, PteObject())) if old else ""
    for level, slot, frame in tables:
        await k.post(PAGE_QUEUES, Unwire(frame, False))
        if not old and k.form("C01") == "busy-first":
            await vm_page_busy(k, frame)  # although nothing asks for it: the page has no object to be removed from
        await vm_page_free(k, frame, obj, table_index(level, slot) if old else 0, zeroed=True)
