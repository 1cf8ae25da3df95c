"""The TLB shootdown: pmap_invalidate_page, _range and _all (vm-facts 3.15).

At most one is in flight: the rendezvous lock is a spin lock. The initiator reads pm_active after its PTE stores; reader and writers of
pm_active meet at the address space's own home, which also holds the PTEs, so a CPU that switches to the space either is in the mask or
walks after the stores.

On alpha every invalidation is a rendezvous of all CPUs, whether or not they have the address space loaded: each enters, drops what it has
of it, and leaves. That those who have come early wait for the last one at both barriers is left out; the initiator waits for all.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from actors.kernel.requests import KernelPanic
from protocol.identity import FREE_QUEUES, RENDEZVOUS
from protocol.messages.space import ActiveCpus
from protocol.records import SHOOT_BEGIN, SHOOT_DONE


@locks("pmap", either=("giant",))
async def pmap_invalidate(k: Context, pmap: str, start: int, end: int) -> None:
    """Drop the translations of [start, end) of ``pmap`` everywhere; all of them if start = end. Returns when every target has acknowledged.

    [L: the pmap's lock, before C11 Giant; interrupts enabled, or else KernelPanic]
    """
    await _assert_interrupts(k, "all" if start == end else "page" if end - start == 1 else "range")
    await k.acquire(RENDEZVOUS)
    if k.machine.pmap == "alpha":
        active = tuple(range(k.machine.cpus))
    else:
        active = await k.call(pmap, ActiveCpus())
    await _shoot(k, pmap, start, end, active)
    await k.release(RENDEZVOUS)


async def pmap_invalidate_window(k: Context, window: str) -> None:
    """pmap_invalidate_page of the kernel's pmap, which is active on every CPU. [interrupts enabled, or else KernelPanic]"""
    await _assert_interrupts(k, "page")
    await k.acquire(RENDEZVOUS)
    await _shoot(k, window, 0, 1, tuple(range(k.machine.cpus)))
    await k.release(RENDEZVOUS)


async def _assert_interrupts(k: Context, what: str) -> None:
    """A CPU that spins with interrupts disabled cannot answer another's shootdown. (alpha's smp_rendezvous asserts nothing.)

    Interrupts are disabled while a spin lock is held. There are two; the rendezvous's own is refused to its owner.
    """
    if k.machine.pmap != "alpha" and await k.owns(FREE_QUEUES):
        raise KernelPanic(f"pmap_invalidate_{what}: interrupts disabled")


async def _shoot(k: Context, pmap: str, start: int, end: int, active: tuple[int, ...]) -> None:
    others = tuple(cpu for cpu in active if cpu != k.cpu)
    await k.note(SHOOT_BEGIN, k.tid, pmap, start, end, others)
    if k.cpu in active:
        await k.flush_local(pmap, start, end)
    spun_ns = 0
    if others:
        spun_ns = await k.send_ipis(pmap, start, end, others)
    await k.note(SHOOT_DONE, k.tid, pmap, start, end, others, spun_ns)
