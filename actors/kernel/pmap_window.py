"""pmap.c on i386: pmap_pte and pmap_pte_quick, the windows to page tables that are not loaded (C10; vm-facts 3.14).

The page table of the loaded address space is in the kernel's reach at a fixed place; another one is reached by letting a page of kernel
address space show the page-table page. What a CPU then stores into is what its TLB says that the window shows. amd64 maps all memory
directly and has no windows.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.shootdown import pmap_invalidate_window
from protocol.identity import LOCAL_WINDOW, SHARED_WINDOW
from protocol.messages.space import PtFind
from protocol.messages.windows import WINDOW_CHANGED, WINDOW_SAME, PointWindow, WindowWalk

DIRECT = 0
"""In place of a page-table page: it is reached without a window."""


@locks("pq", either=("giant",))
async def pmap_pte_quick(k: Context, pmap: str, vpn: int) -> int:
    """Reach the leaf page-table page for ``vpn`` through PADDR1, invalidating this CPU's own translation only.

    Returns the frame that is reached, DIRECT if no window is needed. [L: PQ, before C09 Giant; the thread stays on its CPU]
    """
    table = await _far_table(k, pmap, vpn)
    if not table:
        return DIRECT
    if await k.call(LOCAL_WINDOW, PointWindow(table, k.cpu)) != WINDOW_SAME:
        await k.flush_local(LOCAL_WINDOW, 0, 1)
    return await _reached(k, LOCAL_WINDOW)


async def pmap_pte(k: Context, pmap: str, vpn: int) -> int:
    """Reach it through PADDR2; every other CPU is interrupted if that showed another page.

    Returns the frame that is reached, with the window's mutex held (:func:`pmap_pte_release`); DIRECT, and no mutex, if no window is
    needed.
    """
    table = await _far_table(k, pmap, vpn)
    if not table:
        return DIRECT
    await k.acquire(SHARED_WINDOW)
    if await k.call(SHARED_WINDOW, PointWindow(table, k.cpu)) == WINDOW_CHANGED:
        await pmap_invalidate_window(k, SHARED_WINDOW)
    return await _reached(k, SHARED_WINDOW)


async def pmap_pte_release(k: Context, table: int) -> None:
    """Done with what pmap_pte reached."""
    if table != DIRECT:
        await k.release(SHARED_WINDOW)


async def reach_copy(k: Context, pmap: str, vpn: int) -> int:
    """Reach a page-table page for pmap_copy, through the window of C10's form; :func:`leave_copy` ends it."""
    if k.form("C10") == "broadcast":
        return await pmap_pte(k, pmap, vpn)
    return await pmap_pte_quick(k, pmap, vpn)


async def leave_copy(k: Context, table: int) -> None:
    """Done with what reach_copy reached."""
    if k.form("C10") == "broadcast":
        await pmap_pte_release(k, table)


async def _far_table(k: Context, pmap: str, vpn: int) -> int:
    """The leaf page-table page, if it can only be reached through a window."""
    if k.machine.pmap != "i386" or pmap == k.pmap:
        return DIRECT
    return int(await k.call(pmap, PtFind(vpn)))


async def _reached(k: Context, window: str) -> int:
    """What the CPU's TLB, or else a page walk, says that the window shows."""
    frame = await k.translate_window(window)
    if frame < 0:
        frame = await k.call(window, WindowWalk())
        await k.fill_window(window, frame)
    return int(frame)
