"""vm_object_deallocate and vm_object_terminate: a reference is given up (vm-facts 2.4).

Where one reference is left and one object shadows this one, that object's is the one that is left: nobody can find this one but through it,
and it is collapsed into its shadow. The shadow is in front, and objects are locked from front to back; so its lock is only tried, and where
somebody has it the reference is taken back, and the thread naps for a tick and begins again.

A terminated object stays as a husk with its lock: a stale pointer still leads to a mutex, which the page daemon's fallback lock relies on.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.vm_object_collapse import vm_object_collapse
from actors.kernel.vm_object_header import ANONYMOUS, EVERYTHING, header, vm_object_pip_wait
from actors.kernel.vm_object_pages import free_pages
from protocol.identity import SWAP_PAGER
from protocol.messages.device import PagerFree
from protocol.messages.locks import TRY
from protocol.messages.objects import CHAN_PIP, OBJ_DEAD, Backing, Enter, SetFlag, SetType, ShadowCount, Shadows, WantPip
from protocol.pages import OBJT_DEAD, OBJT_SWAP


@locks(without=("object",))
async def vm_object_deallocate(k: Context, obj: str) -> None:
    """Drop a reference; the last one terminates the object, and then drops its reference on what it shadows. [L: no object]"""
    while obj:
        await k.acquire(obj)
        obj = await _drop(k, obj)


@locks("obj", drops=(("always", ("obj",)),))
async def _drop(k: Context, obj: str) -> str:
    """One reference less. Returns the object of which one is to be dropped next, "" if none. [L: obj on entry, no object on exit]"""
    refs, _, shadows = await k.call(obj, Enter(-1, 0, True))
    if refs <= 0:
        return await _terminate(k, obj)
    if refs == 1 and shadows == 1 and (await header(k, obj)).type in ANONYMOUS:
        return await _into_its_shadow(k, obj)
    await k.release(obj)
    return ""


async def _into_its_shadow(k: Context, obj: str) -> str:
    """The only reference left is that of the one object in front: collapse into it. Returns as :func:`_drop`, and wants what it wants."""
    front = str((await k.call(obj, Shadows()))[0])
    if not await k.acquire(front, TRY):
        await k.call(obj, Enter(1, 0))
        await k.release(obj)
        await k.pause(k.machine.tick_ns)
        return obj
    head = await header(k, front)
    if head.flags & OBJ_DEAD or head.type not in ANONYMOUS:
        await k.release(front)
        await k.release(obj)
        return ""
    await k.post(front, Enter(1, 0))
    await _wait_for_paging(k, front, obj)
    if (await header(k, front)).refs == 1:
        return await _drop(k, front)
    await vm_object_collapse(k, front)
    await k.release(front)
    return front


@locks("front", "obj", drops=(("always", ("obj",)),))
async def _wait_for_paging(k: Context, front: str, obj: str) -> None:
    """Until nothing is paging in either, or ``front`` does not shadow ``obj`` any more. [L: both on entry, front on exit]"""
    while (await header(k, front)).backing == obj:
        if (await header(k, front)).pip:
            await k.release(obj)
            await vm_object_pip_wait(k, front)
        elif await k.call(obj, WantPip()):
            await k.release(front)
            await k.sleep(obj, CHAN_PIP)
            await k.acquire(front)
        else:
            break
        await k.acquire(obj)
    await k.release(obj)


@locks("obj", drops=(("always", ("obj",)),))
async def _terminate(k: Context, obj: str) -> str:
    """Off the chain, and its pages freed. [L: obj on entry, no object on exit] Returns the object it shadowed."""
    backing = (await header(k, obj)).backing
    if backing:
        await k.acquire(backing)
        await k.call(backing, ShadowCount(-1, obj))
        await k.release(backing)
        await k.post(obj, Backing("", 0))
    await k.post(obj, SetFlag(OBJ_DEAD, 0))
    await vm_object_pip_wait(k, obj)
    await free_pages(k, obj, 0, EVERYTHING)
    if (await header(k, obj)).type == OBJT_SWAP:
        await k.call(SWAP_PAGER, PagerFree(obj, 0, EVERYTHING))
    await k.post(obj, SetType(OBJT_DEAD))
    await k.release(obj)
    return backing
