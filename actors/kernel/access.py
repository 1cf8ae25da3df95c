"""A user's access to memory: TLB, walk, trap, and the access again.

The hardware sets A when it walks and M at the first store through a clean translation; both are one step at the page table's home, so the
entry is re-checked when it is changed.
"""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.vm_fault import UNRESOLVED, vm_fault
from protocol.messages.space import Walk
from protocol.records import STORE

TRIES = 64
"""An access that still faults after so many resolved faults is a livelock of the modelled kernel."""
HIT = "hit"


async def access(k: Context, vpn: int, write: bool, cold: bool = False) -> str:
    """Read or write the page.

    Returns "hit" if nothing had to be done, else what the (last) fault was: soft, zero-fill, cow, hard, segv, sigbus.
    """
    return (await touch(k, vpn, write, cold))[0]


async def touch(k: Context, vpn: int, write: bool, cold: bool = False) -> tuple[str, int]:
    """As :func:`access`; also the bits of the page-table entry that was walked last (0: the TLB had it)."""
    outcome, bits = HIT, 0
    for _ in range(TRIES):
        frame = await k.translate(vpn, write)
        if frame < 0:
            frame, bits = await k.call(k.pmap, Walk(vpn, write))
            if frame > 0 and not await k.fill(vpn, frame, bits):
                continue
        if frame > 0:
            if write:
                await k.note(STORE, k.tid, k.pmap, vpn, frame)
            return outcome, bits
        await k.compute("trap", k.costs.trap_ns)
        outcome = await vm_fault(k, vpn, write, cold)
        if outcome in UNRESOLVED:
            return outcome, bits
    return "livelock", bits
