"""How late a run's faults may make what would have been on time: the checks that know patience wait that much longer."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.faults.fault import Fault


def delay_max_ns(faults: Sequence[Fault]) -> int:
    """How much later than without these faults a message may arrive: by one delay, or by all tries of a link layer, since those behind it
    are only kept in order."""
    return max((max(fault.delay_ns, fault.retransmit_ns * fault.tries) for fault in faults), default=0)


def stalled_ns(faults: Sequence[Fault]) -> int:
    """For how long these faults keep CPUs from handling what has arrived."""
    return sum(fault.duration_ns for fault in faults if fault.kind in ("stall", "cpu-offline", "vcpu-preempted"))
