"""The other tables of a scenario file: ``[kernel] [workload] [[faults]] [checks] [limits] [expect]``.

Each model says what a file may hold; what needs two tables at once (a fault on a CPU that does not exist) is in
:mod:`cluster.scenario.cross`, because only there both are known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cluster.plan import Limits
from cluster.scenario.machine_table import CPUS_MAX, MachineTable, Table
from cluster.scenario.refusal import impossible
from cluster.scenario.units import Count, Ns, PositiveNs
from protocol.kernels import DEFAULT_PRESET

ENDINGS = ("finished", "stuck", "panic", "limit")
"""How a run can end (design 6)."""

Ending = Literal["finished", "stuck", "panic", "limit"]


class KernelTable(Table):
    """``[kernel]``: a preset, with changes put back to their oldest form (``revert``) or on to their newest (``apply``).

    ``forms`` names a form outright (``R03 = "clear-set-load"``) and has the last word: a change can have more than two.
    """

    preset: str = DEFAULT_PRESET
    revert: list[str] = []
    apply: list[str] = []
    forms: dict[str, str] = {}


class WorkloadTable(Table):
    """``[workload]``: exactly one of ``recording``, ``generator``, ``script`` and ``task``, and how it is stepped through."""

    recording: str | None = None
    generator: str | None = None
    parameters: dict[str, int | str] = {}
    script: str | None = None
    task: list[dict[str, Any]] = []
    file: list[dict[str, Any]] = []
    inject: list[dict[str, Any]] = []
    cpus: Annotated[int, Field(strict=True, ge=0, le=CPUS_MAX)] = 0
    retouch: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    lines_max: Count = 0
    schedule: Literal["open", "closed"] = "open"

    @model_validator(mode="after")
    def _one_source(self) -> WorkloadTable:
        given = [name for name in SOURCES if getattr(self, name)]
        if len(given) != 1:
            raise impossible(" and ".join(given) or "none", f"exactly one of {', '.join(SOURCES)}")
        if self.parameters and not self.generator:
            raise impossible(f"parameters with {given[0]}", "parameters only with generator")
        if self.lines_max and not self.recording:
            raise impossible(f"lines_max with {given[0]}", "lines_max only with recording")
        for name in SCRIPT_KEYS:
            if getattr(self, name) and not self.task:
                raise impossible(f"{name} with {given[0]}", f"{name} only with task (or inside the script file)")
        return self


SCRIPT_KEYS = ("task", "file", "inject")
"""The tables of a script that stands in the scenario's own file."""
SOURCES = ("recording", "generator", "script", "task")


class WhenTable(Table):
    """``when``: the predicate of :class:`protocol.faults.When`."""

    kind: str = "*"
    to: str = "*"
    sender: str = "*"
    nth: Count = 0
    every: Count = 0
    from_ns: Ns = 0
    until_ns: Ns = 0
    count: Count = 0

    @model_validator(mode="after")
    def _can_match(self) -> WhenTable:
        if self.nth and self.every:
            raise impossible(f"nth = {self.nth} and every = {self.every}", "one of nth and every")
        if self.until_ns and self.until_ns <= self.from_ns:
            raise impossible(f"from_ns = {self.from_ns} and until_ns = {self.until_ns}", "until_ns above from_ns (or 0: no end)")
        return self


NEEDS: dict[str, frozenset[str]] = {
    "delay": frozenset({"delay_ns"}),
    "jitter": frozenset({"delay_ns"}),
    "lose": frozenset({"when"}),
    "stall": frozenset({"cpu", "at_ns", "duration_ns"}),
    "pager-error": frozenset(),
    "memory": frozenset({"frames", "at_ns", "duration_ns"}),
}
"""The keys each kind of fault must be given; besides ``name`` and ``kind``, message faults may have ``when``, and nothing else."""
TAKES_WHEN = frozenset({"delay", "jitter", "lose", "pager-error"})


class FaultTable(Table):
    """One ``[[faults]]`` entry: :class:`protocol.faults.Fault`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    kind: Literal["delay", "jitter", "lose", "stall", "pager-error", "memory"]
    when: WhenTable | None = None
    delay_ns: PositiveNs | None = None
    cpu: Annotated[int, Field(strict=True, ge=0)] | None = None
    at_ns: Ns | None = None
    duration_ns: PositiveNs | None = None
    frames: Annotated[int, Field(strict=True, ge=1)] | None = None

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> FaultTable:
        given = {name for name in type(self).model_fields if name not in {"name", "kind"} and getattr(self, name) is not None}
        may = NEEDS[self.kind] | ({"when"} if self.kind in TAKES_WHEN else set())
        if not NEEDS[self.kind] <= given <= may:
            optional = sorted(may - NEEDS[self.kind])
            words = f"for kind = {self.kind}: {', '.join(sorted(NEEDS[self.kind])) or 'no other key'}"
            raise impossible(", ".join(sorted(given)) or "no keys", words + (f", and if wanted {', '.join(optional)}" if optional else ""))
        return self


class ChecksTable(Table):
    """``[checks]``: which invariants are evaluated, and whether the trace is cut at the first violation."""

    enable: Literal["all"] | list[str] = "all"
    stop_at_first: bool = False


class LimitsTable(Table):
    """``[limits]``: :class:`cluster.plan.Limits`."""

    wait_ns: PositiveNs = Limits().wait_ns
    virtual_ns: Ns = Limits().virtual_ns
    events: Count = Limits().events
    restarts: Annotated[int, Field(strict=True, ge=0, le=1000)] = Limits().restarts
    memory_waits: Count = Limits().memory_waits


class ExpectTable(Table):
    """``[expect]``: what this scenario is meant to show. Anything else ends a command with status 1 (a limit: 3).

    ``ended``: one ending or several. ``violations``: names of checks that may speak.
    """

    ended: Ending | list[Ending] = "finished"
    violations: list[str] = []

    @property
    def endings(self) -> tuple[str, ...]:
        """The expected endings."""
        return (self.ended,) if isinstance(self.ended, str) else tuple(self.ended)


class ScenarioTable(Table):
    """A whole scenario file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")] | None = None
    title: str = ""
    machine: MachineTable
    kernel: KernelTable = KernelTable()
    workload: WorkloadTable
    faults: list[FaultTable] = []
    checks: ChecksTable = ChecksTable()
    limits: LimitsTable = LimitsTable()
    expect: ExpectTable = ExpectTable()
