"""The plan: all that a worker must know to run its share, as data that crosses to it as MessagePack.

A scenario file is expanded to a plan once, by the parent. What must not influence the trace (workers, backend, transport, trace, paths)
is kept apart from what defines it (:class:`Model`).
"""

from __future__ import annotations

import msgspec

from protocol.faults import Fault
from protocol.machine import Machine


class Liveness(msgspec.Struct, frozen=True):
    """Two phases: faults happen before ``heal_ns`` and none after; ``bound_ns`` later, everybody who waited then must have moved."""

    heal_ns: int
    bound_ns: int


class Limits(msgspec.Struct, frozen=True):
    """When a run ends although its work is not done."""

    wait_ns: int = 1_000_000_000
    """A thread that waits longer than this in virtual time makes the run ``stuck``."""
    virtual_ns: int = 0
    """End of virtual time (0: none)."""
    events: int = 0
    """Most events handled, evaluated at slices' edges (0: no limit)."""
    restarts: int = 3
    memory_waits: int = 1_000
    """A thread that has waited for memory so often in one routine, and each time found none, makes the run ``stuck``: waits that are short
    but have no end (0: no limit)."""
    liveness: Liveness | msgspec.UnsetType = msgspec.UNSET
    """Not encoded where it is not asked for: a plan without it is what it was."""


class Model(msgspec.Struct, frozen=True):
    """What defines the trace, together with the seed.

    ``name``: "machine", or "phold" with ``parameters``. ``kernel``: switch id to form. ``workload_digest``: content hash of what the
    compiled workload was made from.
    """

    name: str
    machine: Machine | None = None
    kernel: dict[str, str] = {}
    parameters: dict[str, int] = {}
    faults: tuple[Fault, ...] = ()
    limits: Limits = Limits()
    workload_digest: str = ""
    workload_options: dict[str, int | str] = {}
    """retouch, lines_max, cpus, schedule: what changes how the compiled workload is stepped through."""


class Plan(msgspec.Struct, frozen=True):
    """A run, ready to start."""

    model: Model
    seed: int
    scenario: str
    workers: int = 1
    backend: str = "trio"
    transport: str = "inproc"
    trace: bool = True
    checks: tuple[str, ...] = ()
    stop_at_first: bool = False
    workload_path: str = ""
    """The compiled workload (protocol.workload as MessagePack), read by every worker."""
    run_dir: str = ""


MODEL_VERSION = 7
"""A digest may differ between two of these."""
FORMAT_VERSION = 2
"""What a reader of a run directory can read."""
