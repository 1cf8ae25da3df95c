"""Soft busy: vm_page_io_start, vm_page_io_finish, and the test for it (vm-facts 3.5; C05).

The count lives with the object in every form. What C05 moved is its guard: ``pq``, the page queues alone, so that whoever only wants to
know must take them; ``both-asserted``, a transition in which writers hold both locks; ``object``, the object's lock alone.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import IoCount, SoftBusy
from protocol.messages.pages import Flash


@locks("pq unless C05=object", "obj unless C05=pq")
async def vm_page_io_start(k: Context, obj: str, pindex: int) -> None:
    """One more I/O reads the page. [L: by the form of C05]"""
    await k.call(obj, IoCount(pindex, 1))


@locks("pq", "obj unless C05=pq")
async def vm_page_io_finish(k: Context, obj: str, pindex: int, frame: int) -> None:
    """One I/O less; the last one wakes who waits for the page. [L: PQ, and OBJ by the form of C05]"""
    if not await k.call(obj, IoCount(pindex, -1, frame)):
        await k.post(PAGE_QUEUES, Flash(frame))


@locks("obj", "pq")
async def soft_busy(k: Context, obj: str, pindex: int, seen: int) -> int:
    """The count that a test may rely on. [L: PQ, OBJ] While the page queues guard it (C05 ``pq``) what was seen under OBJ is stale."""
    if k.form("C05") != "pq":
        return seen
    return int(await k.call(obj, SoftBusy(pindex)))
