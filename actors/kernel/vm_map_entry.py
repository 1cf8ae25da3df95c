"""vm_map_entry_delete: what becomes of the object when an entry, or a part of one, is removed."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.vm_object_collapse import vm_object_collapse
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_object_header import ANONYMOUS, header
from actors.kernel.vm_object_pages import free_pages
from protocol.identity import SWAP_PAGER
from protocol.messages.device import PagerFree
from protocol.messages.objects import OBJ_ONEMAPPING, Enter
from protocol.pages import OBJT_SWAP


async def vm_map_entry_delete(k: Context, obj: str, offset: int, pages: int, entries_more: int) -> None:
    """An entry, or a part of one, that referred to ``pages`` pages of ``obj`` from ``offset`` on has been removed.

    ``entries_more`` is how many entries more refer to the object than before: -1 for a whole entry, 0 for an end clipped off, 1 for a hole.
    If the object lives on and no other mapping can want the pages, they go at once; those behind it that only it could find come up before.
    """
    await k.acquire(obj)
    if entries_more > 0:
        await k.post(obj, Enter(entries_more, 0))
    head = await header(k, obj)
    lives_on = entries_more >= 0 or head.refs != 1
    if lives_on and head.flags & OBJ_ONEMAPPING and head.type in ANONYMOUS:
        await vm_object_collapse(k, obj)
        await free_pages(k, obj, offset, offset + pages)
        if (await header(k, obj)).type == OBJT_SWAP:
            await k.call(SWAP_PAGER, PagerFree(obj, offset, offset + pages))
    await k.release(obj)
    if entries_more < 0:
        await vm_object_deallocate(k, obj)
