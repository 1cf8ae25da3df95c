"""What is in a page: zeroing and copying (pmap_zero_page, pmap_copy_page; vm-facts 3.14)."""

from __future__ import annotations

from actors.kernel.context import Context
from protocol.records import FRAME_COPY, FRAME_ZERO


async def zero_page(k: Context, frame: int) -> None:
    """Zero a page (pmap_zero_page, pmap_zero_page_idle)."""
    await k.compute("zero page", k.costs.zero_page_ns)
    await k.note(FRAME_ZERO, frame, k.tid)


async def zero_unless(k: Context, frame: int, zeroed: bool) -> None:
    """Zero a fresh page if its content is not zero already."""
    if not zeroed:
        await zero_page(k, frame)


async def copy_page(k: Context, source: int, frame: int) -> None:
    """Copy a page's content (pmap_copy_page)."""
    await k.compute("copy page", k.costs.copy_page_ns)
    await k.note(FRAME_COPY, frame, source, k.tid)
