"""The ``[machine]`` table: CPUs, domains, memory, links, costs, and how it becomes the actors' :class:`protocol.machine.Machine`.

Latencies are given as two numbers per link (same domain, across domains) or as a matrix: the two numbers are what is measured and
remembered, the matrix is for machines whose domains are not equally far apart.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from cluster.scenario.refusal import impossible
from cluster.scenario.units import Bytes, Ns, PositiveNs
from protocol.identity import DISK_PAGER, FREE_QUEUES, PAGE_QUEUES, RENDEZVOUS, SEQUENCER, SWAP_PAGER
from protocol.machine import Costs, Machine, Thresholds, thresholds
from protocol.messages import LINK_NAMES
from protocol.pages import PAGE_BYTES

CPUS_MAX = 1024
FRAMES_MIN, FRAMES_MAX = 64, 1 << 28
SHARED_HOMES = (PAGE_QUEUES, FREE_QUEUES, RENDEZVOUS, SEQUENCER, DISK_PAGER, SWAP_PAGER)

Small = Annotated[int, Field(strict=True, ge=1, le=1 << 20)]


class Table(BaseModel):
    """Base of all tables: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LinkTable(Table):
    """One link's latency: within a domain and across domains, or ``matrix_ns[from][to]``."""

    same_ns: PositiveNs | None = None
    cross_ns: PositiveNs | None = None
    matrix_ns: list[list[PositiveNs]] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> LinkTable:
        pair = self.same_ns is not None or self.cross_ns is not None
        if pair == (self.matrix_ns is not None) or (pair and self.same_ns is None):
            raise impossible("neither or both" if not pair else "a mixture", "same_ns with cross_ns, or matrix_ns alone")
        return self

    def rows(self, domains: int) -> tuple[tuple[int, ...], ...]:
        """The latency from each domain to each, in ns."""
        if self.matrix_ns is not None:
            return tuple(tuple(row) for row in self.matrix_ns)
        same = self.same_ns or 1
        cross = self.cross_ns or same
        return tuple(tuple(same if a == b else cross for b in range(domains)) for a in range(domains))


class LatencyTable(Table):
    """The links of :data:`protocol.messages.LINK_NAMES` that leave an actor."""

    memory: LinkTable
    ipi: LinkTable
    device: LinkTable


CostsTable = create_model(  # type: ignore[call-overload]
    "CostsTable",
    __base__=Table,
    __doc__="Cost of each primitive in ns: the fields of protocol.machine.Costs.",
    **{field.name: (Ns, field.default) for field in msgspec.structs.fields(Costs)},
)
ThresholdsTable = create_model(  # type: ignore[call-overload]
    "ThresholdsTable",
    __base__=Table,
    __doc__="Free-memory thresholds in pages, each in place of the kernel's formula.",
    **{name: (Annotated[int, Field(strict=True, ge=0)] | None, None) for name in Thresholds.__struct_fields__},
)


class MachineTable(Table):
    """``[machine]``: see configs/machines for the presets."""

    preset: str | None = None
    cpus: Annotated[int, Field(strict=True, ge=1, le=CPUS_MAX)]
    domains: Annotated[int, Field(strict=True, ge=1, le=CPUS_MAX)] = 1
    cpu_domains: list[Annotated[int, Field(strict=True, ge=0)]] | None = None
    frames: Annotated[int, Field(strict=True, ge=FRAMES_MIN, le=FRAMES_MAX)] | None = None
    memory_bytes: Bytes | None = None
    colours: Annotated[int, Field(strict=True, ge=1, le=4096)] = 32
    pmap: Literal["amd64", "i386", "alpha"] = "amd64"
    tlb_entries: Small = 512
    quantum_ns: PositiveNs = 10_000_000
    disk_read_ns: PositiveNs = 100_000
    disk_write_ns: PositiveNs = 50_000
    swap_read_ns: PositiveNs = 80_000
    swap_write_ns: PositiveNs = 40_000
    pager_queue: Small = 8
    daemon_rest_ns: PositiveNs = 500_000
    daemon_interval_ns: PositiveNs = 5_000_000
    tick_ns: PositiveNs = 1_000
    idle_zero: Annotated[bool, Field(strict=True)] = False
    prefault_pages: Annotated[int, Field(strict=True, ge=0, le=64)] = 0
    pv_entries_max: Annotated[int, Field(strict=True, ge=0)] = 0
    pv_slab_items: Small = 170
    pv_slab_pages: Annotated[int, Field(strict=True, ge=1, le=256)] = 1
    latency: LatencyTable
    costs: CostsTable = CostsTable()
    thresholds: ThresholdsTable = ThresholdsTable()
    home_domains: dict[str, Annotated[int, Field(strict=True, ge=0)]] = {}

    @field_validator("home_domains")
    @classmethod
    def _known_homes(cls, value: dict[str, int]) -> dict[str, int]:
        for name in value:
            if name not in SHARED_HOMES:
                raise impossible(name, ", ".join(SHARED_HOMES))
        return value

    @model_validator(mode="after")
    def _possible(self) -> MachineTable:
        if (self.frames is None) == (self.memory_bytes is None):
            raise impossible(f"frames {self.frames} and memory_bytes {self.memory_bytes}", "exactly one of frames and memory_bytes")
        if not FRAMES_MIN <= self.frames_total <= FRAMES_MAX:
            raise impossible(f"{self.frames_total} frames", f"{FRAMES_MIN} to {FRAMES_MAX} frames of {PAGE_BYTES} bytes")
        if self.domains > self.cpus:
            raise impossible(f"{self.domains} domains for {self.cpus} CPUs", "at most as many domains as CPUs")
        self._possible_domains()
        self._possible_thresholds()
        return self

    def _possible_domains(self) -> None:
        given = self.cpu_domains
        if given is not None and (len(given) != self.cpus or sorted({*given}) != list(range(self.domains))):
            raise impossible(given, f"cpu_domains with {self.cpus} numbers in which every domain 0 to {self.domains - 1} occurs")
        for name, domain in self.home_domains.items():
            if domain >= self.domains:
                raise impossible(f"{name} = {domain}", f"home_domains with domains 0 to {self.domains - 1}")
        for link in LINK_NAMES[:3]:
            matrix = getattr(self.latency, link).matrix_ns
            if matrix is not None and [len(row) for row in matrix] != [self.domains] * self.domains:
                raise impossible(f"a matrix of {len(matrix)} rows for {link}", f"{self.domains} rows of {self.domains} numbers")

    def _possible_thresholds(self) -> None:
        t = self._thresholds()
        order = (t.interrupt_free_min, t.pageout_free_min, t.free_reserved, t.free_severe, t.free_min, t.free_target, self.frames_total - 1)
        if list(order) != sorted(order):
            names = "interrupt_free_min <= pageout_free_min <= free_reserved <= free_severe <= free_min <= free_target < frames"
            raise impossible(f"thresholds {', '.join(map(str, order[:-1]))} for {self.frames_total} frames", names)

    @property
    def frames_total(self) -> int:
        """Page frames, whichever way they were given."""
        return self.frames if self.frames is not None else (self.memory_bytes or 0) // PAGE_BYTES

    def _thresholds(self) -> Thresholds:
        given = {name: value for name, value in self.thresholds.model_dump().items() if value is not None}
        return msgspec.structs.replace(thresholds(self.frames_total), **given)

    def to_machine(self) -> Machine:
        """The machine as the actors need to know it."""
        spread = tuple(cpu * self.domains // self.cpus for cpu in range(self.cpus))
        same = {name: getattr(self, name) for name in _SAME_NAMES}
        return Machine(
            cpu_domains=spread if self.cpu_domains is None else tuple(self.cpu_domains),
            frames=self.frames_total,
            thresholds=self._thresholds(),
            latency_ns=tuple(getattr(self.latency, link).rows(self.domains) for link in LINK_NAMES[:3]),
            costs=Costs(**self.costs.model_dump()),
            home_domains=dict(sorted(self.home_domains.items())),
            **same,
        )


_SAME_NAMES = tuple(
    name
    for name in Machine.__struct_fields__
    if name in MachineTable.model_fields and name not in {"cpu_domains", "frames", "thresholds", "costs", "home_domains"}
)
"""Fields that the table and the machine share as they are."""
