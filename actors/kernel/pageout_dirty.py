"""Is an inactive page clean? The page daemon's question before it caches one (vm-facts 3.11; C21).

Nobody but hardware makes a page dirty without the page queues; so a page without writable mappings stays as clean as it was found. ``5.2``:
the mappings are looked at, and removed later, when the page is cached; a store in between is found by vm_page_cache, which panics.
``1.251``: if the page may be mapped writable the mappings are removed, and the question is asked again. ``simplified``: the same in fewer
words; who comes later looks at the dirty bits anyway. ``no-recheck``, a form that no kernel had, made to be told apart: it takes the answer
from before the removal.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.pmap import pmap_is_modified, pmap_remove_all
from actors.kernel.vm_page import page_state
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import SetDirty
from protocol.pages import VALID_ALL, WRITEABLE


@locks("object", "pq")
async def dirty_for_pageout(k: Context, frame: int, flags: int, dirty: int) -> int:
    """The dirty bits of a page after it has been made as clean, or as dirty, as it can be told to be. [L: OBJ, PQ]"""
    form = k.form("C21")
    if form == "simplified":
        return await _simplified(k, frame, flags, dirty)
    if form == "no-recheck":
        if flags & WRITEABLE:
            await pmap_remove_all(k, frame)
        return dirty
    dirty = await _tested(k, frame, dirty)
    if form == "1.251" and not dirty and flags & WRITEABLE:
        return await _unmapped(k, frame)
    return dirty


async def _tested(k: Context, frame: int, dirty: int) -> int:
    """A page that is partly dirty, or modified through a mapping, is dirty; so says vm_page_test_dirty."""
    if dirty or await pmap_is_modified(k, frame):
        await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
        return VALID_ALL
    return 0


async def _simplified(k: Context, frame: int, flags: int, dirty: int) -> int:
    if not dirty and not await pmap_is_modified(k, frame):
        return await _unmapped(k, frame) if flags & WRITEABLE else 0
    await k.post(PAGE_QUEUES, SetDirty(frame, VALID_ALL))
    return VALID_ALL


async def _unmapped(k: Context, frame: int) -> int:
    """Of a page that was found clean: its dirty bits when it has no mapping any more."""
    await k.at("vm_pageout_scan.clean")
    await pmap_remove_all(k, frame)
    return await _dirty_now(k, frame)


async def _dirty_now(k: Context, frame: int) -> int:
    return (await page_state(k, frame))[5]
