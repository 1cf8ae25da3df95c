"""The thread that zeroes free pages when nobody else wants the CPU: vm_pagezero, vm_page_zero_idle (vm-facts 3.16).

A frame is taken off the free lists under their lock, zeroed with no lock held, and put back at the tail; meanwhile it is on no queue and in
nobody's hands but this thread's. The thread gives the CPU up after each page, so that anybody who is ready goes first. While enough free
pages are zero it sleeps, until a page is freed and they are not enough any more. Whether they are is asked without a lock, so a page
freed between the question and the sleep wakes nobody; the next one does, or the end of the sleep.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks, nothing_held
from actors.kernel.page_content import zero_page
from actors.kernel.requests import Again
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import PutZeroed, TakeDirty, ZeroCheck
from protocol.messages.locks import Wakeup
from protocol.messages.queues import CHAN_ZERO

PAGES_AT_ONCE = 16
"""Colours tried in one step of the thread's history."""
PRIME2 = 7
"""How far the rover goes on from one colour to the next."""
SLEEP_INTERVALS = 60
"""The longest sleep, in intervals of the page daemon: 300 s to its 5 s."""


@locks(without=("any",))
async def pagezero(k: Context, rover: int) -> Again:
    """vm_pagezero: some pages, as long as more are to be zero; then a sleep. [L: nothing]"""
    for _ in range(PAGES_AT_ONCE):
        if not await vm_page_zero_check(k):
            await k.acquire(PAGE_QUEUES)
            await k.sleep(PAGE_QUEUES, CHAN_ZERO, SLEEP_INTERVALS * k.machine.daemon_interval_ns)
            break
        await zero_one(k, rover)
        rover = (rover + PRIME2) % k.machine.colours
        await k.pause(k.costs.zero_page_ns)
    return Again("pagezero", (rover,))


async def vm_page_zero_check(k: Context) -> bool:
    """Are more free pages to be zeroed?"""
    await k.peek("v_free_count")
    return bool(await k.call(FREE_QUEUES, ZeroCheck()))


@locks("pq")
async def vm_page_zero_idle_wakeup(k: Context) -> None:
    """A page was freed that is not zero, and the thread sleeps: wake it if it is to go on. [L: PQ]"""
    if await vm_page_zero_check(k):
        await k.post(PAGE_QUEUES, Wakeup(CHAN_ZERO))


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
    await zero_page(k, frame)
    await k.at("vm_page_zero_idle.zeroed")
    await k.acquire(FREE_QUEUES)
    await k.post(FREE_QUEUES, PutZeroed(frame))
    await k.release(FREE_QUEUES)
