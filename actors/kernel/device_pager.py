"""device_pager.c: pages of a device's memory, which have a record made for them and no RAM behind it (vm-facts 2.2; C16).

Such a fictitious page is wired once, by whoever made it, and is on no queue. The page that the fault has allocated is given back.
"""

from __future__ import annotations

from typing import Protocol

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.vm_page import vm_page_free, vm_page_remove
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import DevicePage, Insert
from protocol.messages.pages import FakeFree, FakeNew
from protocol.pages import FAKE, VALID_ALL


class Wanting(Protocol):
    """The part of a fault that a device's page needs."""

    object: str
    pindex: int
    frame: int


@locks("f.object")
async def dev_pager_getpage(k: Context, f: Wanting) -> bool:
    """Put a fictitious page in the place of the busy one that the fault holds. Returns false if the device has no page there.

    [L: f.object on entry and exit] The object's lock is dropped while the driver is asked; the page is busy and paging is in progress.
    """
    await k.release(f.object)
    phys = await k.call(f.object, DevicePage(f.pindex))
    await k.acquire(f.object)
    if phys < 0:
        return False
    allocated, f.frame = f.frame, FAKE + phys
    await k.call(PAGE_QUEUES, FakeNew(f.frame, f.object, f.pindex))
    await k.acquire(PAGE_QUEUES)
    await vm_page_free(k, allocated, f.object, f.pindex, busy=True)
    await k.release(PAGE_QUEUES)
    await k.post(f.object, Insert(f.pindex, f.frame, VALID_ALL, k.form("C23") == "insert"))
    return True


@locks("obj", "pq")
async def dev_pager_putfake(k: Context, frame: int, obj: str, pindex: int) -> None:
    """The object goes: its fictitious page, which nothing maps any more, is taken out of it and dropped. [L: PQ, obj]"""
    await vm_page_remove(k, frame, obj, pindex)
    await k.call(PAGE_QUEUES, FakeFree(frame))
