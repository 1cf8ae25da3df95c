"""vm_object_page_remove: the pages of a range of an object are freed (vm-facts 2.4)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.device_pager import dev_pager_putfake
from actors.kernel.page_io import soft_busy
from actors.kernel.pmap import pmap_remove_all
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_object_header import BATCH
from actors.kernel.vm_page import free_unless_refused, vm_page_sleep_if_busy
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Resident
from protocol.messages.pages import PageState, Rebind
from protocol.pages import FAKE


@locks("obj")
async def free_pages(k: Context, obj: str, start: int, end: int, mapped: bool = False) -> None:
    """vm_object_page_remove: free the resident pages of [start, end), waiting for those that are busy. [L: obj]

    ``mapped``: mappings are removed here, as the kernel always does. Callers that hold the map exclusively have removed them all
    and spare the messages.
    """
    while True:
        rows = await k.call(obj, Resident(start, end, BATCH))
        if not rows:
            return
        await k.acquire(PAGE_QUEUES)
        for pindex, frame, _, seen in rows:
            if await vm_page_sleep_if_busy(k, frame, await soft_busy(k, obj, pindex, seen), obj):
                break
            if mapped:
                await pmap_remove_all(k, frame)
            await free_or_disown(k, frame, obj, pindex)
            start = pindex + 1
        else:
            await k.release(PAGE_QUEUES)


@locks("obj", "pq")
async def free_or_disown(k: Context, frame: int, obj: str, pindex: int) -> None:
    """Free a page; one that is wired only leaves the object, and whoever wired it frees it (a zero-copy send, when it is complete).

    vm_object_page_remove leaves such a page in place, invalid; here it goes as at vm_object_terminate, or a fault on what was unmapped
    and mapped again would fill the page that is being sent. [L: PQ, obj]
    """
    if frame >= FAKE:
        await dev_pager_putfake(k, frame, obj, pindex)
        return
    refusal = await free_unless_refused(k, frame, obj, pindex)
    if refusal:
        state = await k.call(PAGE_QUEUES, PageState(frame))
        if state is None or not state[2]:
            raise KernelPanic(refusal)
        await pmap_remove_all(k, frame)
        await k.call(PAGE_QUEUES, Rebind(frame, "", pindex, k.form("C01") == "busy-first"))
