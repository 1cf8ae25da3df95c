"""The scenario: all that defines a run besides its seed, validated and free of paths where it counts.

:func:`load` makes one from a file, a name or a recording; :meth:`Scenario.expanded` prints every option, chosen or default, so that two
scenarios that mean the same expand to the same text; :meth:`Scenario.to_plan` is what the engine runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from cluster.plan import Limits, Liveness, Model, Plan
from cluster.scenario.checks_named import all_known, checks_of
from cluster.scenario.cross import faults_of
from cluster.scenario.expand import declared_expanded, machine_expanded
from cluster.scenario.fault_tables import SwarmTable
from cluster.scenario.kernel_options import kernel_notes, kernel_refusal, lay_changes, lay_preset, refuse_two_presets
from cluster.scenario.overrides import PLACE, apply_sets, parse_set
from cluster.scenario.read import Raw, Source, read_source, with_preset
from cluster.scenario.refusal import Place, refusal_of
from cluster.scenario.swarm import Declared, drawn
from cluster.scenario.tables import ExpectTable, KernelTable, ScenarioTable
from cluster.scenario.work import Work, work_of
from protocol.faults import Fault
from protocol.kernels import Chosen, KernelError, applicable, choose
from protocol.machine import Machine
from protocol.workload import Workload


@dataclass(frozen=True)
class Scenario:
    """A validated scenario. ``file`` is what it was read from, for messages only; nothing else holds a path but ``work``."""

    name: str
    title: str
    file: str
    machine: Machine
    kernel_preset: str
    kernel: dict[str, str]
    """The form of every change."""
    kernel_notes: tuple[str, ...]
    """What is to be said of the choice of forms."""
    work: Work
    declared: tuple[Declared, ...]
    """The faults as declared; which of them a run has, :meth:`faults` says."""
    swarm: SwarmTable | None
    checks: tuple[str, ...]
    stop_at_first: bool
    limits: Limits
    expect: ExpectTable

    def expanded(self) -> dict[str, Any]:
        """Every option as plain data in the shape of a scenario file, canonical in order and without paths; loading it gives the same."""
        return {
            "name": self.name,
            "title": self.title,
            "machine": machine_expanded(self.machine),
            "kernel": {"preset": self.kernel_preset, "forms": applicable(self.kernel, self.machine.pmap)},
            "workload": self.work.expanded(),
            "faults": [declared_expanded(found) for found in self.declared],
            **({"swarm": self.swarm.model_dump()} if self.swarm is not None else {}),
            **({"liveness": msgspec.to_builtins(self.limits.liveness)} if self.limits.liveness else {}),
            "checks": {"enable": list(self.checks), "stop_at_first": self.stop_at_first},
            "limits": {key: value for key, value in msgspec.to_builtins(self.limits).items() if key != "liveness"},
            "expect": {"ended": list(self.expect.endings), "violations": sorted(self.expect.violations)},
        }

    def faults(self, seed: int) -> tuple[Fault, ...]:
        """The faults of the run with this seed: the declared ones, or those that its swarm draws."""
        return drawn(self.declared, self.swarm, seed)

    def compile(self, seed: int) -> Workload:
        """The compiled workload (recordings and scripts do not depend on ``seed``, generators do). Raises InputError."""
        return self.work.compile(self.machine, seed)

    def to_plan(
        self,
        seed: int,
        workers: int = 1,
        backend: str = "trio",
        transport: str = "inproc",
        trace: bool = True,
        workload: Workload | None = None,
    ) -> Plan:
        """The run as data. ``workload`` is the compiled one, whose digest becomes part of the model; paths are the caller's to fill in."""
        model = Model(
            name="machine",
            machine=self.machine,
            kernel=dict(sorted(self.kernel.items())),
            faults=self.faults(seed),
            limits=self.limits,
            workload_digest=workload.digest if workload is not None else "",
            workload_options=self.work.options(),
        )
        return Plan(
            model=model,
            seed=seed,
            scenario=self.name,
            workers=workers,
            backend=backend,
            transport=transport,
            trace=trace,
            checks=self.checks,
            stop_at_first=self.stop_at_first,
        )


def load(
    ref: str | Path,
    sets: Sequence[str] = (),
    kernel: str | None = None,
    revert: Sequence[str] = (),
    apply: Sequence[str] = (),
) -> Scenario:
    """The scenario ``ref`` means: a ``.toml`` path, a name under ``configs/``, a recording's path or name.

    ``sets`` are ``KEY=VALUE`` texts; ``kernel`` replaces the file's ``[kernel]``, not what ``sets`` say of it; ``revert`` and ``apply`` add
    to it. Raises InputError.
    """
    return _loaded(read_source(ref), sets, kernel, revert, apply)


def load_tables(raw: Raw, file: str, base: Path) -> Scenario:
    """The scenario of tables that were made, not read; ``file`` is what they were made from, for messages. Raises InputError."""
    return _loaded(Source(raw, str(raw.get("name", "scenario")), file, "", base), (), None, (), ())


def _loaded(source: Source, sets: Sequence[str], kernel: str | None, revert: Sequence[str], apply: Sequence[str]) -> Scenario:
    raw = dict(source.raw)
    raw["machine"] = _machine(raw, sets, source.file)
    place = Place(source.file, source.text, _lay_options(raw, sets, kernel, revert, apply))
    try:
        table = ScenarioTable.model_validate(raw)
    except ValidationError as error:
        raise refusal_of(error, ScenarioTable, place) from None
    return _scenario(source, table, place)


def _lay_options(raw: Raw, sets: Sequence[str], kernel: str | None, revert: Sequence[str], apply: Sequence[str]) -> dict[str, str]:
    """Lay the options over ``raw``; returns each key they gave with the option's name, the narrowest key first."""
    preset = lay_preset(raw, kernel)
    given = apply_sets(raw, [text for text in sets if parse_set(text)[0] != PRESET_KEY])
    refuse_two_presets(raw, kernel)
    return lay_changes(raw, revert, apply, given) | given | preset


PRESET_KEY = "machine.preset"


def _machine(raw: Raw, sets: Sequence[str], file: str) -> Raw:
    """The file's ``[machine]`` over its preset, which ``--set machine.preset=NAME`` replaces before other sets are laid over."""
    machine = raw.get("machine", {})
    presets = [value for key, value in map(parse_set, sets) if key == PRESET_KEY]
    if not presets or not isinstance(machine, dict):
        return with_preset(machine, file)
    return with_preset({**machine, "preset": presets[-1]}, PLACE)


def _scenario(source: Source, table: ScenarioTable, place: Place) -> Scenario:
    machine = table.machine.to_machine()
    work = work_of(table.workload, machine, source, place)
    if work.recorded_cpus() > machine.cpus and not _names_a_machine(source, place):
        machine = table.machine.model_copy(update={"cpus": work.recorded_cpus()}).to_machine()
    chosen = _kernel(table.kernel, machine.pmap, place)
    all_known(table.expect.violations, "expect.violations", place)
    return Scenario(
        name=table.name or source.name,
        title=table.title,
        file=source.file,
        machine=machine,
        kernel_preset=table.kernel.preset,
        kernel=chosen.forms,
        kernel_notes=kernel_notes(chosen, table.kernel.preset),
        work=work,
        declared=faults_of(table, machine, place),
        swarm=table.swarm,
        checks=checks_of(table.checks.enable, place),
        stop_at_first=table.checks.stop_at_first,
        limits=Limits(**table.limits.model_dump(), liveness=Liveness(**table.liveness.model_dump()) if table.liveness else msgspec.UNSET),
        expect=table.expect,
    )


def _names_a_machine(source: Source, place: Place) -> bool:
    """Did the user say which machine it shall be? If not, a recording gets one with as many CPUs as it was recorded on."""
    machine = source.raw.get("machine", {})
    return any(key in machine or f"machine.{key}" in place.given for key in ("cpus", "preset", "cpu_domains"))


def _kernel(table: KernelTable, pmap: str, place: Place) -> Chosen:
    """The forms in force; what cannot be is refused at the key or option that asked for it."""
    try:
        return choose(table.preset, tuple(table.revert), tuple(table.apply), table.forms, pmap)
    except KernelError as error:
        named = [("preset", table.preset)]
        named += [(f"revert[{index}]", name) for index, name in enumerate(table.revert)]
        named += [(f"apply[{index}]", name) for index, name in enumerate(table.apply)]
        named += [(f"forms.{name}", word) for name, form in table.forms.items() for word in (name, form)]
        raise kernel_refusal(error, named, place) from None
