"""What memory does to vnodes: a vnode is held while its object has resident pages (vm-facts 3.2, 3.4; C19).

The hold count is under the vnode's interlock, a sleep mutex: whoever inserts a file object's first page or removes its last one takes it,
with the page queues held or not; with a spin lock held it may not be taken.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.requests import KernelPanic
from protocol.identity import vnode_of
from protocol.messages.objects import Insert, Remove
from protocol.messages.vnodes import VnodeHold


@locks("obj")
async def insert_resident(k: Context, obj: str, pindex: int, frame: int, valid: int) -> None:
    """A page becomes resident in an object; a file's first page holds the vnode. [L: OBJ]

    C23 ``alloc``: whatever is at the offset already. Raises KernelPanic where the kernel asserts.
    """
    vnode = vnode_of(obj)
    check = k.form("C23") == "insert"
    if not vnode:
        await k.post(obj, Insert(pindex, frame, valid, check))
        return
    first = await k.call(obj, Insert(pindex, frame, valid, check, True))
    if isinstance(first, str):
        raise KernelPanic(first)
    if first:
        await _hold(k, vnode, 1)


@locks("obj")
async def remove_resident(k: Context, obj: str, pindex: int, freed: bool = False) -> None:
    """A page is resident no more; a file's last one drops the hold on the vnode. [L: OBJ]

    Raises KernelPanic if the page is to be ``freed`` and I/O on it is under way.
    """
    vnode = vnode_of(obj)
    if not vnode:
        await k.post(obj, Remove(pindex, freed))
        return
    gone = await k.call(obj, Remove(pindex, freed))
    if isinstance(gone, str):
        raise KernelPanic(gone)
    await page_gone(k, obj, gone)


async def page_gone(k: Context, obj: str, gone: tuple[int, int, int] | None) -> None:
    """A removal's answer: if the page was a file's last one, the vnode is held no more."""
    if gone is not None and not gone[2] and vnode_of(obj):
        await _hold(k, vnode_of(obj), -1)


async def _hold(k: Context, vnode: str, delta: int) -> None:
    await k.acquire(vnode)
    await k.post(vnode, VnodeHold(delta))
    await k.release(vnode)
