"""What the promises are shown on: every generator and shortened recordings in sizes of a second, and whole ones.

The small sizes are chosen so that something of every kind happens (remote shootdowns, objects made at run time, page-outs), not so that
all of it happens often.
"""

from __future__ import annotations

from typing import NamedTuple

RECORDINGS = ("gcc-compile", "gcc-compile.rich", "mprotect-storm", "mprotect-storm.rich", "redis-bgsave", "redis-bgsave.rich")
GENERATED = ("fault-storm", "map-churn", "fork-cow", "file-read", "memory-pressure", "kernel-mix", "domains-64")
SCARCE = ("scarce-fault-storm", "scarce-map-churn", "scarce-fork-cow", "scarce-file-read", "scarce-memory-pressure", "kernel-mix")
"""Every generator with less memory than it needs and with random delays."""
SEEDS = range(1, 201)
"""On so many schedules of each of these the repaired kernel is silent."""
WITH_FAULTS = ("demo", "lost-ipi", "pager-error")
"""Scenarios whose injected delays, losses and errors must not depend on anything either."""


class Size(NamedTuple):
    """A scenario and what is set in it."""

    scenario: str
    sets: tuple[str, ...] = ()


def _size(scenario: str, parameters: str, *sets: str) -> Size:
    return Size(scenario, (f"workload.parameters={{{parameters}}}", *sets))


SMALL = {
    "fault-storm": _size("fault-storm", "cpus=4,tasks=4,pages=8,rounds=1", "machine.cpus=4"),
    "map-churn": _size("map-churn", "cpus=4,threads=4,pages=2,rounds=2", "machine.cpus=4", "workload.cpus=4"),
    "fork-cow": _size("fork-cow", "cpus=4,parents=2,children=1,pages=6,touches=6", "machine.cpus=4", "workload.cpus=4"),
    "file-read": _size("file-read", "cpus=4,tasks=4,pages=8,reads=8,shared=1", "machine.cpus=4", "machine.disk_read_ns=200 us"),
    "memory-pressure": _size("memory-pressure", "cpus=2,tasks=2,pages=28,touches=4", "machine.frames=64"),
}
"""Every generator, small."""

SHORTENED = Size("gcc-compile", ("workload.lines_max=250",))
"""A recording's first lines: a child by vfork, exec, file mappings, hard faults."""

SHORTENED_SCARCE = Size("gcc-compile", ("workload.lines_max=350", "machine.frames=150"))
"""The same with less memory than it needs: page-outs and waits for memory."""

NO_DRAWS = _size("file-read", "cpus=2,tasks=2,pages=8,reads=8,shared=1,cold_percent=100,write_percent=0,think_ns=0", "machine.cpus=2")
"""A generator whose sizes leave nothing to draw, on too few CPUs for the machine to draw (a spin lock's next owner among several)."""

ONLY_LOCKS_DRAW = _size("fault-storm", "cpus=8,tasks=8,pages=1,rounds=4,think_ns=0,write_percent=100")
"""A generator whose sizes leave nothing to draw, on so many CPUs that a spin lock has several waiters at once."""
