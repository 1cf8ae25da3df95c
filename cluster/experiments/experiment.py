"""An experiment: a file read, its parameters chosen, its arms as scenarios.

What cannot be is refused before anything runs: an unknown id, a parameter it does not have or out of its range, parameters with which the
scenario does not reach the state it is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from cluster.errors import InputError
from cluster.experiments.expressions import ALLOWED, ExpressionError, evaluate
from cluster.experiments.form import PANIC, ArmTable, ExperimentTable, FigureTable, RecordsTable
from cluster.experiments.refusals import refuse_unknown
from cluster.experiments.templates import TemplateError, expanded
from cluster.scenario import Scenario, load
from cluster.scenario.overrides import PLACE
from cluster.scenario.places import names
from cluster.scenario.read import parse, read_text
from cluster.scenario.refusal import Place, refusal_of, refuse, shown
from cluster.scenario.scenario import load_tables
from protocol.changes import CHANGES, Change
from protocol.kernels import KernelError, change_called
from protocol.workload import Workload

DIGITS_MAX = 4000
"""Of a parameter as it is typed: fewer than Python converts at once, and far more than any parameter takes."""
NO_PARAMETER = "no parameter: this experiment has none"
_INTEGER = re.compile(f"-?[0-9]{{1,{DIGITS_MAX}}}")


@dataclass(frozen=True)
class Experiment:
    """One experiment with its parameters' values."""

    change: Change
    table: ExperimentTable
    values: Mapping[str, int]
    place: Place
    base: Path
    _made: dict[str, Scenario] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The arms' scenarios that have been asked for: expanding and validating one costs as much as a small run."""

    @property
    def title(self) -> str:
        """What it is about, in a line."""
        return self.table.title or self.change.title

    @property
    def arms(self) -> dict[str, ArmTable]:
        """The arms by name: before, after, clean, and further ones."""
        return self.table.arms

    def names(self, arm: str) -> dict[str, int]:
        """What expressions of this arm may name: the parameters and the switches."""
        table = self.arms[arm]
        for name in table.switches:
            if name not in self.table.switches:
                known = sorted(self.table.switches) or "no switch: this experiment has none"
                raise self.place.refuse(f"arms.{arm}.switches.{name}", name, known, "unknown switch")
        return {**self.table.switches, **table.switches, **self.values, **self._values(table.parameters, f"arms.{arm}.parameters")}

    def scenario(self, arm: str) -> Scenario:
        """The arm as a scenario. Raises InputError."""
        if arm not in self._made:
            self._made[arm] = self._scenario(arm)
        return self._made[arm]

    def _scenario(self, arm: str) -> Scenario:
        table = self.arms[arm]
        raw = self._expanded(self.table.scenario, arm, "scenario")
        injected = table.injected if table.injected is not None else arm != "clean"
        if injected:
            work = dict(raw.get("workload", {}))
            work["inject"] = [*work.get("inject", []), *self._expanded(self.table.inject, arm, "inject")]
            raw["workload"] = work if work["inject"] else raw.get("workload", {})
            raw["faults"] = [*raw.get("faults", []), *self._expanded(self.table.faults, arm, "faults")]
        revert = table.revert if table.revert is not None else [self.change.id] if arm == "before" and not table.forms else []
        raw["kernel"] = {"preset": table.preset, "revert": revert, "apply": table.apply, "forms": table.forms}
        raw["expect"] = {"ended": list(table.endings), "violations": [name for name in (*table.shows, *table.may) if name != PANIC]}
        raw["name"] = f"{self.change.id}-{arm}"
        raw.setdefault("title", f"{self.title} ({arm})")
        try:
            return load_tables(raw, self.place.file, self.base)
        except InputError as error:
            raise self._in_this_file(error, arm) from None

    def workload(self, arm: str, seed: int) -> Workload:
        """What the tasks of this arm do. Raises InputError."""
        try:
            return self.scenario(arm).compile(seed)
        except InputError as error:
            raise self._in_this_file(error, arm) from None

    def _in_this_file(self, error: InputError, arm: str) -> InputError:
        """What is wrong with an arm's scenario, said of the file in which it was written."""
        key = str(error.key)
        if key.startswith(("scenario.", "arms.", "figure")):
            return error
        here = f"arms.{arm}.{key.removeprefix('kernel.')}" if key.startswith("kernel.") else f"scenario.{key}"
        reason = str(error).partition(f"{key}: ")[2].partition("found ")[0].strip("; ")
        return self.place.refuse(here, error.found, error.allowed if isinstance(error.allowed, list) else str(error.allowed), reason)

    def figure(self, arm: str) -> FigureTable:
        """What is measured in this arm."""
        return self.arms[arm].figure or self.table.figure

    def predicted(self, arm: str) -> int | None:
        """What the formula says of this arm's figure, or None if the arm has no formula."""
        text = self.arms[arm].predict
        if text is None:
            return None
        return self._evaluated(text, self.known(arm), f"arms.{arm}.predict")

    def schedules(self) -> int:
        """In how many schedules an equivalence is tried."""
        count = self._evaluated(self.table.figure.schedules, self.values, "figure.schedules")
        if count < 1:
            raise self.place.refuse("figure.schedules", f"{self.table.figure.schedules} = {count}", "1 or more")
        return count

    def known(self, arm: str) -> dict[str, int]:
        """What formulas and measures of this arm may name: the machine's sizes and thresholds besides."""
        machine = self.scenario(arm).machine
        limits = msgspec.structs.asdict(machine.thresholds)
        return {"cpus": machine.cpus, "frames": machine.frames, "colours": machine.colours, **limits, **self.names(arm)}

    def _expanded(self, value: Any, arm: str, key: str) -> Any:
        try:
            return expanded(value, self.names(arm), key)
        except TemplateError as error:
            raise self.place.refuse(error.key, error.found, error.allowed, str(error)) from None

    def _evaluated(self, text: str, known: Mapping[str, int], key: str) -> int:
        try:
            return evaluate(text, known)
        except ExpressionError as error:
            raise self.place.refuse(key, text, ALLOWED, str(error)) from None

    def _values(self, given: Mapping[str, int | str], key: str) -> dict[str, int]:
        """Values for parameters, which may be expressions over the others."""
        found = {}
        for name, value in given.items():
            if name not in self.table.parameters:
                known = sorted(self.table.parameters) or NO_PARAMETER
                raise self.place.refuse(f"{key}.{name}", name, known, "unknown parameter")
            found[name] = value if isinstance(value, int) else self._evaluated(value, self.values, f"{key}.{name}")
            parameter = self.table.parameters[name]
            if not parameter.min <= found[name] <= parameter.max:
                allowed = f"{parameter.min} to {parameter.max}: {parameter.meaning}"
                raise self.place.refuse(f"{key}.{name}", _with_value(value, found[name]), allowed)
        return found

    def refuse_impossible(self) -> None:
        """Every arm must be a scenario, and every formula have a value, before anything runs. Raises InputError."""
        self.schedules()
        self.refuse_density()
        for arm in self.arms:
            self.predicted(arm)
            tasks = [task.name for task in self.workload(arm, 1).tasks]
            for name in ("records", "since"):
                records: RecordsTable | None = getattr(self.figure(arm), name)
                if records is not None:
                    self._refuse_records(records, tasks, self.known(arm), f"figure.{name}")

    def refuse_density(self) -> None:
        """What ``[density]`` sets must be possible in its scenario. Raises InputError."""
        density = self.table.density
        if density is None:
            return
        try:
            load(density.scenario, density.sets)
        except InputError as error:
            keys = [text.partition("=")[0].strip() for text in density.sets]
            key = (
                f"density.sets[{keys.index(error.key)}]"
                if error.key in keys
                else "density.sets"
                if error.file == PLACE
                else "density.scenario"
            )
            raise self.place.refuse(key, error.found, str(error.allowed), f"{density.scenario}, {error.key}") from None

    def _refuse_records(self, records: RecordsTable, tasks: Sequence[str], known: Mapping[str, int], key: str) -> None:
        if records.task and not any(fnmatchcase(task, records.task) for task in tasks):
            raise self.place.refuse(f"{key}.task", records.task, tasks, "no task is called so")
        for name, value in records.where.items():
            if isinstance(value, str) and value[:1] in ("<", ">"):
                self._evaluated(value[1:].strip(), known, f"{key}.where.{name}")

    def refuse_unreachable(self) -> None:
        """The parameters together must let the scenario reach the state it is about. Raises InputError."""
        for index, need in enumerate(self.table.needs):
            if not self._evaluated(need.that, self.values, f"needs[{index}].that"):
                found = ", ".join(f"{name} = {value}" for name, value in sorted(self.values.items()))
                raise refuse(f"experiment {self.change.id}", "parameters", found, f"{need.that} ({need.why})")


def experiment_files() -> dict[str, Path]:
    """Id to file of every experiment that is shipped, in order of id."""
    return {name.partition("-")[0]: path for name, path in names("experiments").items()}


def load_experiment(name: str, sets: Mapping[str, int] | None = None) -> Experiment:
    """The experiment of a change, by id, slug or file, with some of its parameters set. Raises InputError."""
    path = path_of(name)
    text = read_text(path, "experiment", "id, [scenario] and [arms]")
    place = Place(str(path), text)
    try:
        table = ExperimentTable.model_validate(parse(text, str(path), "experiment"))
    except ValidationError as error:
        raise refusal_of(error, ExperimentTable, place) from None
    if table.id not in CHANGES:
        raise place.refuse("id", table.id, list(CHANGES))
    refuse_unknown(table, place)
    values = {key: parameter.value for key, parameter in table.parameters.items()}
    experiment = Experiment(CHANGES[table.id], table, {**values, **_set(table, sets or {})}, place, path.parent)
    experiment.refuse_unreachable()
    return experiment


def path_of(name: str, command: str = "experiments") -> Path:
    """The file of an experiment by id, slug or file, as it was typed after ``command``. Raises InputError."""
    if name.endswith(".toml"):
        return Path(name)
    shipped = experiment_files()
    try:
        found = change_called(name).id
    except KernelError:
        found = ""
    if found not in shipped:
        known = [f"{key} ({CHANGES[key].slug})" for key in shipped if key in CHANGES]
        raise refuse(command, "ID", name, known, why="no experiment has this id or slug")
    return shipped[found]


def _with_value(value: int | str, found: int) -> str:
    """A value as it was written, and what that is."""
    return str(found) if isinstance(value, int) else f"{value} = {found}"


def _set(table: ExperimentTable, sets: Mapping[str, int]) -> dict[str, int]:
    for name, value in sets.items():
        parameter = table.parameters.get(name)
        place = f"experiment {table.id}"
        if parameter is None:
            known = sorted(table.parameters) or NO_PARAMETER
            raise refuse(place, f"--set {name}", name, known, why="unknown parameter")
        if not parameter.min <= value <= parameter.max:
            allowed = f"{parameter.min} to {parameter.max}: {parameter.meaning}"
            raise refuse(place, f"--set {name}", value, allowed)
    return dict(sets)


def parameter_sets(texts: Sequence[str]) -> dict[str, int]:
    """``NAME=INTEGER`` texts as values of parameters. Raises InputError."""
    found = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or not _INTEGER.fullmatch(value):
            allowed = f"NAME=INTEGER with a parameter of the experiment, of at most {DIGITS_MAX} digits"
            raise InputError(f"--set: found {shown(text)}, allowed: {allowed}", key="--set", found=text, allowed=allowed)
        found[name] = int(value)
    return found
