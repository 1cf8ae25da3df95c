"""What a scenario's machine is to do: a recording, a generator's output or a script, found, named and compiled.

Only this module knows of ``cluster.intake``, and loads it when a workload is compiled: validating a file needs none of it but the
generators' tables of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from cluster.scenario.places import names, stem_of
from cluster.scenario.read import Source, parse, read_text
from cluster.scenario.refusal import Place
from cluster.scenario.schedule import closed
from cluster.scenario.tables import SCRIPT_KEYS, WorkloadTable
from cluster.scenario.units import SIZE_BYTES, TIME_NS, quantity
from protocol.machine import Machine
from protocol.workload import Workload


@dataclass(frozen=True)
class Work:
    """A workload to be compiled. ``source``: recording, generator or script; ``name`` is its name without a path."""

    source: str
    name: str
    path: Path | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    script: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    """The key under which the script's tables stand in ``place`` ("" in a file of its own)."""
    cpus: int = 0
    retouch: int = 0
    lines_max: int = 0
    schedule: str = "open"
    place: Place = field(default_factory=lambda: Place("scenario"), compare=False, repr=False)

    def options(self) -> dict[str, int | str]:
        """What changes how the compiled workload is stepped through (part of the model)."""
        return {"cpus": self.cpus, "lines_max": self.lines_max, "retouch": self.retouch, "schedule": self.schedule}

    def expanded(self) -> dict[str, Any]:
        """The table with every option, without paths."""
        if self.source == "script":
            return self.options() | dict(self.script)
        extra = {"parameters": dict(sorted(self.parameters.items()))} if self.source == "generator" else {}
        return {self.source: self.name, **extra, **self.options()}

    def compile(self, machine: Machine, seed: int) -> Workload:
        """The compiled workload. Raises InputError for a source that cannot be read or a machine with too few CPUs for it."""
        workload = self._compiled(seed)
        self._refuse_frames(workload, machine)
        if self.cpus:
            from cluster.intake import respread

            workload = respread(workload, self.cpus)
        if self.schedule == "closed":
            workload = closed(workload, machine.costs.user_ns)
        if workload.cpus > machine.cpus:
            found = f"{machine.cpus} for a workload of {workload.cpus}"
            allowed = f"at least {workload.cpus}, or workload.cpus = {machine.cpus} to spread its tasks over the machine's"
            raise self.place.refuse("machine.cpus", found, allowed)
        return workload

    def _refuse_frames(self, workload: Workload, machine: Machine) -> None:
        """An injection cannot be of more frames than there are. Raises InputError."""
        for index, wanted in enumerate(workload.injected):
            frames = wanted.fields.get("frames", 0)
            if isinstance(frames, int) and frames > machine.frames:
                key = ".".join(part for part in (self.key, f"inject[{index}].frames") if part)
                raise self.place.refuse(key, frames, f"0 to {machine.frames}: the machine has {machine.frames} frames (machine.frames)")

    def recorded_cpus(self) -> int:
        """How many CPUs a recording needs if its tasks are to stay where they were recorded; 0 for any other workload."""
        return self._compiled(0).cpus if self.source == "recording" and not self.cpus else 0

    def _compiled(self, seed: int) -> Workload:
        if self.source == "recording":
            assert self.path is not None, "a recording has a path"
            found = self.path.stat() if self.path.is_file() else None
            return _recording(self.path, self.lines_max, (found.st_mtime_ns, found.st_size) if found else None)
        if self.source == "generator":
            from cluster.intake.generators import GENERATORS

            return GENERATORS[self.name].generate(dict(self.parameters), seed)
        from cluster.intake.scripts import compile_script

        return compile_script(dict(self.script), self.name, self.key, self.place.file)


@lru_cache(maxsize=2)
def _recording(path: Path, lines_max: int, version: tuple[int, int] | None) -> Workload:
    """A compiled recording. ``version`` tells a file from what it was: loading asks for its CPUs, compiling for the rest."""
    from cluster.intake import compile_recording

    return compile_recording(path, lines_max)


def work_of(table: WorkloadTable, machine: Machine, source: Source, place: Place) -> Work:
    """The workload a table asks for. Raises InputError for what does not exist or cannot be."""
    if table.cpus > machine.cpus:
        raise place.refuse("workload.cpus", table.cpus, f"0 to {machine.cpus}: the machine has {machine.cpus} CPUs (machine.cpus)")
    work = Work("script", source.name, cpus=table.cpus, retouch=table.retouch, lines_max=table.lines_max, place=place)
    work = replace(work, schedule=table.schedule)
    if table.recording:
        path = _found(table.recording, source.base, "recording", place)
        return replace(work, source="recording", name=stem_of(path), path=path)
    if table.generator:
        return replace(work, source="generator", name=table.generator, parameters=_parameters(table, place))
    if table.script:
        path = _found(table.script, source.base, "script", place)
        text = read_text(path, "script", "[[task]]")
        return replace(work, name=stem_of(path), script=parse(text, str(path), "script"), place=Place(str(path), text))
    return replace(work, script={name: getattr(table, name) for name in SCRIPT_KEYS if getattr(table, name)}, key="workload")


def _found(ref: str, base: Path, key: str, place: Place) -> Path:
    """A recording by its shipped name, or a file relative to the scenario's."""
    shipped = names("recordings") if key == "recording" else {}
    if ref in shipped:
        return shipped[ref]
    path = base / ref
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no such file"
        known = f", or one of {', '.join(shipped)}" if shipped else ""
        raise place.refuse(f"workload.{key}", f"{ref}: {found}", f"a file relative to {base}{known}")
    return path


def _parameters(table: WorkloadTable, place: Place) -> dict[str, int]:
    from cluster.intake.generators import GENERATORS

    if table.generator not in GENERATORS:
        raise place.refuse("workload.generator", table.generator, sorted(GENERATORS))
    declared = {parameter.name: parameter for parameter in GENERATORS[table.generator].parameters}
    values = {name: parameter.default for name, parameter in declared.items()}
    for name, given in table.parameters.items():
        key = f"workload.parameters.{name}"
        if name not in declared:
            raise place.refuse(key, name, sorted(declared), why="unknown parameter")
        value = _integer(name, given, key, place)
        if not declared[name].min <= value <= declared[name].max:
            raise place.refuse(key, value, f"{declared[name].min} to {declared[name].max}: {declared[name].meaning}")
        values[name] = value
    return values


def _integer(name: str, given: int | str, key: str, place: Place) -> int:
    """A parameter's integer; a text is a quantity if the parameter's name ends in a unit."""
    units = TIME_NS if name.endswith("_ns") else SIZE_BYTES if name.endswith("_bytes") else None
    if isinstance(given, bool) or (isinstance(given, str) and units is None):
        raise place.refuse(key, given, "an integer")
    if isinstance(given, int):
        return given
    assert units is not None, "checked above"
    try:
        return quantity(given, units, next(iter(units)))
    except PydanticCustomError as error:
        raise place.refuse(key, given, error.message()) from None
