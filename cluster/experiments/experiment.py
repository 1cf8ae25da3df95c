"""An experiment: a file read, its parameters chosen, its arms as scenarios.

What cannot be is refused before anything runs: an unknown id, a parameter it does not have or out of its range, parameters with which the
scenario does not reach the state it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from cluster.errors import InputError
from cluster.experiments.expressions import ExpressionError, evaluate
from cluster.experiments.form import PANIC, ArmTable, ExperimentTable, FigureTable
from cluster.experiments.templates import TemplateError, expanded
from cluster.scenario import Scenario
from cluster.scenario.checks_named import known_checks
from cluster.scenario.places import names
from cluster.scenario.read import parse, read_text
from cluster.scenario.refusal import Place, refusal_of, refuse
from cluster.scenario.scenario import load_tables
from protocol.changes import CHANGES, Change
from protocol.kernels import KernelError, change_called


@dataclass(frozen=True)
class Experiment:
    """One experiment with its parameters' values."""

    change: Change
    table: ExperimentTable
    values: Mapping[str, int]
    place: Place
    base: Path

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
                raise self.place.refuse(f"arms.{arm}.switches.{name}", name, sorted(self.table.switches), "unknown switch")
        return {**self.table.switches, **table.switches, **self.values, **self._values(table.parameters, f"arms.{arm}.parameters")}

    def scenario(self, arm: str) -> Scenario:
        """The arm as a scenario. Raises InputError."""
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
        return load_tables(raw, self.place.file, self.base)

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
        return self._evaluated(self.table.figure.schedules, self.values, "figure.schedules")

    def known(self, arm: str) -> dict[str, int]:
        """What formulas and measures of this arm may name: the machine's sizes and thresholds besides."""
        machine = self.scenario(arm).machine
        limits = msgspec.structs.asdict(machine.thresholds)
        return {"cpus": machine.cpus, "frames": machine.frames, "colours": machine.colours, **limits, **self.names(arm)}

    def _expanded(self, value: Any, arm: str, key: str) -> Any:
        try:
            return expanded(value, self.names(arm), key)
        except TemplateError as error:
            raise self.place.refuse(error.key, error.found, str(error)) from None

    def _evaluated(self, text: str, known: Mapping[str, int], key: str) -> int:
        try:
            return evaluate(text, known)
        except ExpressionError as error:
            raise self.place.refuse(key, text, str(error)) from None

    def _values(self, given: Mapping[str, int | str], key: str) -> dict[str, int]:
        """Values for parameters, which may be expressions over the others."""
        found = {}
        for name, value in given.items():
            if name not in self.table.parameters:
                raise self.place.refuse(f"{key}.{name}", name, sorted(self.table.parameters), "unknown parameter")
            found[name] = value if isinstance(value, int) else self._evaluated(value, self.values, f"{key}.{name}")
        return found

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
    path = _path_of(name)
    text = read_text(path)
    place = Place(str(path), text)
    try:
        table = ExperimentTable.model_validate(parse(text, str(path)))
    except ValidationError as error:
        raise refusal_of(error, ExperimentTable, place) from None
    if table.id not in CHANGES:
        raise place.refuse("id", table.id, list(CHANGES))
    if table.figure.violations and table.figure.violations not in known_checks():
        raise place.refuse("figure.violations", table.figure.violations, list(known_checks()))
    values = {key: parameter.value for key, parameter in table.parameters.items()}
    experiment = Experiment(CHANGES[table.id], table, {**values, **_set(table, sets or {})}, place, path.parent)
    experiment.refuse_unreachable()
    return experiment


def _path_of(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    shipped = experiment_files()
    try:
        found = change_called(name).id
    except KernelError:
        found = ""
    if found not in shipped:
        known = [f"{key} ({CHANGES[key].slug})" for key in shipped if key in CHANGES]
        raise refuse("experiments", "ID", name, known, why="no experiment has this id or slug")
    return shipped[found]


def _set(table: ExperimentTable, sets: Mapping[str, int]) -> dict[str, int]:
    for name, value in sets.items():
        parameter = table.parameters.get(name)
        place = f"experiment {table.id}"
        if parameter is None:
            known = sorted(table.parameters) or "no parameter: this experiment has none"
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
        if not equals or not name.isidentifier() or not value.lstrip("-").isdigit():
            raise InputError(
                f"--set: found {text!r}, allowed: NAME=INTEGER with a parameter of the experiment", key="--set", found=text,
                allowed="NAME=INTEGER",
            )  # fmt: skip
        found[name] = int(value)
    return found
