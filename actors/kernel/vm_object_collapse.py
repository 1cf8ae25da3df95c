"""vm_object_collapse: an object and those behind it become one, or it goes round them (vm-facts 2.4).

Every fork puts an object in front of another. When nobody but the one in front refers to the one behind, its pages, swap blocks and place
in the chain pass to the one in front and it is gone: a collapse. When others still refer to it, but it has nothing that the one in front
has not got itself, the one in front shadows what is behind it instead: a bypass. Without either, chains grow with every fork and keep pages
that nobody can find any more.

Paging in progress on either blocks both; idle pages move up all the same. No fault calls this: a fault that copied has paging in progress
on the object itself. It is called where a reference is given up, where a part of a mapping is removed, and before a fork.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, recorded
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_object_header import ANONYMOUS, header
from actors.kernel.vm_object_scan import Pair, look, scan_all_shadowed, scan_collapse_nowait, scan_collapse_wait
from protocol.identity import SWAP_PAGER
from protocol.messages.device import PagerMove
from protocol.messages.objects import OBJ_DEAD, Backing, Enter, Header, SetType, ShadowCount
from protocol.pages import OBJT_DEAD, OBJT_SWAP
from protocol.records import OBJECT_COLLAPSE


@recorded("object", subject=0)
async def vm_object_collapse(k: Context, obj: str) -> None:
    """Collapse or bypass what is behind ``obj`` for as long as there is something to do. [L: obj, dropped where a scan sleeps]"""
    backing = (await header(k, obj)).backing
    if not backing:
        return
    await k.enter("vm_object_collapse", obj)
    while backing and await _once(k, obj, backing):
        backing = (await header(k, obj)).backing
    await k.leave("vm_object_collapse", backing)


@locks("obj")
async def _once(k: Context, obj: str, backing: str) -> bool:
    """One object behind. Returns whether ``obj`` shadows another now, or none. [L: obj]"""
    await k.acquire(backing)
    pair = await look(k, obj, backing)
    gone = False
    if _collapsible(pair.front) and _collapsible(pair.behind):
        gone = await _join(k, pair)
    await k.release(backing)
    return gone


def _collapsible(head: Header) -> bool:
    return head.type in ANONYMOUS and not head.flags & OBJ_DEAD


@locks("pair.obj", "pair.backing")
async def _join(k: Context, pair: Pair) -> bool:
    """[L: both] Returns whether the object got past its backing object."""
    alone = pair.behind.refs == 1
    if pair.front.pip or pair.behind.pip:
        if alone:
            await _tell(k, pair, "pages", *await scan_collapse_nowait(k, pair))
        return False
    if alone:
        await k.at("vm_object_collapse.locked")
        await _absorb(k, pair, *await scan_collapse_wait(k, pair))
        return True
    if pair.front.resident == pair.front.size or await scan_all_shadowed(k, pair):
        await _bypass(k, pair)
        return True
    return False


@locks("pair.obj", "pair.backing")
async def _absorb(k: Context, pair: Pair, moved: int, freed: int) -> None:
    """The backing object is empty. Its swap and what it shadows, with its reference on that, become the object's; it stays a husk.

    Raises KernelPanic where the kernel asserts. [L: both]
    """
    obj, front, backing, behind = await look(k, pair.obj, pair.backing)
    if behind.refs != 1:
        raise KernelPanic(f"backing_object {backing} was somehow re-referenced during collapse!")
    if behind.type == OBJT_SWAP and await k.call(SWAP_PAGER, PagerMove(backing, obj, front.offset, front.size)):
        await k.post(obj, SetType(OBJT_SWAP))
    await k.post(backing, ShadowCount(-1, obj))
    if behind.backing:
        await k.acquire(behind.backing)
        await k.call(behind.backing, ShadowCount(0, obj, backing))
        await k.release(behind.backing)
    await _shadow_what_is_behind(k, pair.obj, front, behind)
    await k.post(backing, Backing("", 0))
    await k.post(backing, Enter(-1, 0))
    await k.post(backing, SetType(OBJT_DEAD))
    await _tell(k, pair, "collapse", moved, freed)


@locks("pair.obj", "pair.backing")
async def _bypass(k: Context, pair: Pair) -> None:
    """Shadow what the backing object shadows, with a reference on it, and give up the one on the backing object. That has others, so that
    nothing more is to be done about it. [L: both]"""
    await k.post(pair.backing, ShadowCount(-1, pair.obj))
    further = pair.behind.backing
    if further:
        await k.acquire(further)
        await k.call(further, ShadowCount(1, pair.obj))
        await k.call(further, Enter(1, 0))
        await k.release(further)
    await _shadow_what_is_behind(k, pair.obj, pair.front, pair.behind)
    await k.post(pair.backing, Enter(-1, 0))
    await _tell(k, pair, "bypass", 0, 0)


@locks("obj")
async def _shadow_what_is_behind(k: Context, obj: str, front: Header, behind: Header) -> None:
    """[L: obj]"""
    await k.call(obj, Backing(behind.backing, front.offset + behind.offset if behind.backing else 0))


async def _tell(k: Context, pair: Pair, how: str, moved: int, freed: int) -> None:
    await k.note(OBJECT_COLLAPSE, k.tid, pair.obj, pair.backing, how, moved, freed)
