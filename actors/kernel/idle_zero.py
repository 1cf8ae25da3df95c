"""The idle loop's zeroing of free pages: vm_page_zero_idle (vm-facts 3.16).

A frame is taken off the free lists under their lock, zeroed with no lock held, and put back at the tail; meanwhile it is on no queue and in
nobody's hands but the idle loop's. The thread gives the CPU up after each page, so that anybody who is ready goes first.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import nothing_held
from actors.kernel.requests import Again
from actors.kernel.vm_page import zero_unless
from protocol.identity import FREE_QUEUES
from protocol.messages.free import FreeCounts, PutZeroed, TakeDirty

PAGES_AT_ONCE = 16
"""Colours tried in one step of the thread's history."""
PRIME2 = 7
"""How far the rover goes on from one colour to the next."""


async def pagezero(k: Context, rover: int, zeroing: bool) -> Again:
    """One turn of the idle loop: some pages, or a rest."""
    free, _, zeroed = await k.call(FREE_QUEUES, FreeCounts())
    if not _wanted(free, zeroed, zeroing):
        await k.pause(k.machine.daemon_rest_ns)
        return Again("pagezero", (rover, False))
    for _ in range(PAGES_AT_ONCE):
        await zero_one(k, rover)
        rover = (rover + PRIME2) % k.machine.colours
        await k.pause(k.costs.zero_page_ns)
    return Again("pagezero", (rover, True))


def _wanted(free: int, zeroed: int, zeroing: bool) -> bool:
    """Zeroing begins when fewer than 2/3 of the free pages are zero, and goes on until 4/5 are."""
    return zeroed * 5 < free * 4 if zeroing else zeroed * 3 < free * 2


@nothing_held("vm_page_zero_idle")
async def zero_one(k: Context, colour: int) -> None:
    """Zero the free frame that would be taken next for ``colour``, unless it is zero."""
    await k.enter("vm_page_zero_idle")
    await k.acquire(FREE_QUEUES)
    frame = await k.call(FREE_QUEUES, TakeDirty(colour))
    await k.release(FREE_QUEUES)
    if frame > 0:
        await _zero_and_put_back(k, frame)
    await k.leave("vm_page_zero_idle", frame)


async def _zero_and_put_back(k: Context, frame: int) -> None:
    await zero_unless(k, frame, False)
    await k.at("vm_page_zero_idle.zeroed")
    await k.acquire(FREE_QUEUES)
    await k.post(FREE_QUEUES, PutZeroed(frame))
    await k.release(FREE_QUEUES)
