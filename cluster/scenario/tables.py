"""The other tables of a scenario file: ``[kernel] [workload] [[faults]] [checks] [limits] [expect]``, and the whole of it.

Each model says what a file may hold; what needs two tables at once (a fault on a CPU that does not exist) is in
:mod:`cluster.scenario.cross`, because only there both are known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cluster.plan import Limits
from cluster.scenario.fault_tables import LinkTable, LivenessTable, SwarmTable
from cluster.scenario.machine_table import CPUS_MAX, MachineTable, Table
from cluster.scenario.refusal import impossible
from cluster.scenario.units import Count, Ns, PositiveNs
from protocol.faults import FIELDS, KINDS
from protocol.kernels import DEFAULT_PRESET

ENDINGS = ("finished", "stuck", "panic", "limit")
"""How a run can end (design 6)."""

Ending = Literal["finished", "stuck", "panic", "limit"]


class KernelTable(Table):
    """``[kernel]``: a preset, with changes put back to their oldest form (``revert``) or on to their newest (``apply``).

    ``forms`` names a form (``R03 = "clear-set-load"``), for a change can have more than two. A change is named once: what ``forms`` and
    one of the lists say of it must agree.
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


def _known_kind(word: object) -> object:
    if not isinstance(word, str) or word not in KINDS:
        raise impossible(word, ", ".join(KINDS))
    return word


FaultKind = Annotated[str, BeforeValidator(_known_kind), WithJsonSchema({"enum": list(KINDS)})]
"""A kind of fault that there is."""


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


class FaultTable(Table):
    """One ``[[faults]]`` entry: :class:`protocol.faults.Fault`. Which keys its kind has is said once, in ``protocol.faults.kinds``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    kind: FaultKind
    when: WhenTable | None = None
    delay_ns: PositiveNs | None = None
    cpu: Annotated[int, Field(strict=True, ge=0)] | None = None
    at_ns: Ns | None = None
    duration_ns: PositiveNs | None = None
    frames: Annotated[int, Field(strict=True, ge=1)] | None = None
    percent: Annotated[int, Field(strict=True, ge=101, le=100_000)] | None = None
    ppm: Annotated[int, Field(strict=True, ge=-999_999, le=1_000_000)] | None = None
    period_ns: PositiveNs | None = None
    pages: Annotated[int, Field(strict=True, ge=1)] | None = None
    lock: Annotated[str, Field(min_length=1)] | None = None
    channel: Annotated[str, Field(min_length=1)] | None = None
    pager: Literal["disk", "swap"] | None = None
    side: Annotated[list[str], Field(min_length=1)] | None = None
    other: Annotated[list[str], Field(min_length=1)] | None = None
    one_way: bool | None = None
    retransmit_ns: Ns | None = None
    tries: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    vary: dict[str, list[Any]] | None = None
    """By key, the range in which a swarm draws it."""

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> FaultTable:
        kind = KINDS[self.kind]
        given = [name for name in FIELDS if getattr(self, name) is not None]
        foreign = [name for name in given if name not in kind.needs + kind.takes]
        missing = [name for name in kind.needs if name not in given]
        if foreign:
            raise impossible(", ".join(foreign), keys_of(self.kind))
        if missing:
            raise impossible(f"no {', no '.join(missing)}", keys_of(self.kind))
        return self


def keys_of(word: str) -> str:
    """The keys a kind of fault must and may have, in words."""
    kind = KINDS[word]
    needed = ", ".join(map(_ranged, kind.needs)) or "no other key"
    return f"for kind = {word}: {needed}" + (f", and if wanted {', '.join(map(_ranged, kind.takes))}" if kind.takes else "")


def _ranged(name: str) -> str:
    field = FIELDS[name]
    return f"{name} ({field.least} or more)" if field.unit in ("", "ns") else name


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
    link: LinkTable | None = None
    swarm: SwarmTable | None = None
    liveness: LivenessTable | None = None
    checks: ChecksTable = ChecksTable()
    limits: LimitsTable = LimitsTable()
    expect: ExpectTable = ExpectTable()
