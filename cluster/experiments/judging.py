"""Is a change reproduced? Each arm against what it must show, the figures against the formula, and one digest for any number of workers.

Every reason why not is a sentence; a change is reproduced when there is none. A score was rejected: half a reproduction is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.experiments.experiment import Experiment
from cluster.experiments.form import ArmTable
from cluster.experiments.measures import Distance, Said
from cluster.experiments.telling import Step


@dataclass
class ArmResult:
    """What one arm did. ``digests``: by number of workers. ``figure``: None if it cannot be measured there."""

    name: str
    ended: str
    said: list[Said]
    metrics: Mapping[str, int]
    digests: dict[int, str]
    figure: int | None = None
    distance: Distance | None = None
    """Of a figure that is a distance: in events and in ns."""
    held: dict[str, int] = field(default_factory=dict)
    """Point of a routine to how often a script held a thread there."""
    unheld: list[str] = field(default_factory=list)
    """Points at which the script meant to hold a thread that never came there."""
    forms: Mapping[str, str] = field(default_factory=dict)
    run_dir: str = ""
    tasks: Mapping[int, str] = field(default_factory=dict)
    """Threads to the names of their tasks."""
    steps: list[Step] = field(default_factory=list)
    """The run step by step, if it was asked for."""

    @property
    def spoke(self) -> set[str]:
        """Checks that spoke, the kernel's own panics among them."""
        return {said.check for said in self.said}

    def as_json(self) -> dict[str, Any]:
        """What ``experiments --json`` says of an arm."""
        return {
            "ended": self.ended,
            "violations": [said.as_json() for said in self.said[:100]],
            "violations_total": len(self.said),
            "metrics": dict(self.metrics),
            "digests": {str(workers): digest for workers, digest in self.digests.items()},
            "figure": self.figure,
            **({"distance": self.distance._asdict()} if self.distance is not None else {}),
            "held": self.held,
            "kernel_forms": dict(self.forms),
        }


def figure_in_words(result: ArmResult, missing: str = "not measured") -> str:
    """The figure of an arm; a distance in events and in ns."""
    if result.distance is not None:
        return f"{result.distance.events:,} events, {result.distance.ns:,} ns"
    return missing if result.figure is None else f"{result.figure:,}"


def reasons_against(experiment: Experiment, results: Mapping[str, ArmResult]) -> list[str]:
    """Why the change is not reproduced, in sentences; empty if it is."""
    found = []
    for name, table in experiment.arms.items():
        found += [f"{name}: {reason}" for reason in _of_arm(table, results[name])]
        predicted = experiment.predicted(name)
        if predicted is not None and results[name].figure != predicted:
            figure = experiment.figure(name)
            found.append(f"{name}: {figure.name} is {results[name].figure} {figure.unit}, predicted was {predicted} ({table.predict})")
    return found + _of_all(experiment, results)


def _of_arm(table: ArmTable, result: ArmResult) -> list[str]:
    found = []
    silent = [name for name in table.shows if name not in result.spoke]
    surprising = sorted(result.spoke - {*table.shows, *table.may})
    if silent:
        found.append(f"{', '.join(silent)} did not speak")
    if surprising:
        first = next(said for said in result.said if said.check in surprising)
        found.append(f"{', '.join(surprising)} spoke, which was not expected: {first.message}")
    messages = "\n".join(said.message for said in result.said)
    found += [f"nothing said {text!r}" for text in table.says if text not in messages]
    if result.ended not in table.endings:
        found.append(f"it ended {result.ended}, expected was {' or '.join(table.endings)}")
    if result.unheld:
        found.append(f"no thread came to {', '.join(result.unheld)}")
    if len(set(result.digests.values())) > 1:
        told = ", ".join(f"{digest} on {workers}" for workers, digest in result.digests.items())
        found.append(f"the digest depends on the number of workers: {told}")
    return found


def _of_all(experiment: Experiment, results: Mapping[str, ArmResult]) -> list[str]:
    """What compares arms: a cost must fall, a detection must come sooner, an equivalence must tell a foil apart."""
    before, after = results["before"].figure, results["after"].figure
    kind = experiment.change.kinds[0]
    if kind in ("cost", "rule", "detection") and not (before is not None and after is not None and after < before):
        return [f"{experiment.table.figure.name} does not fall: {before} before, {after} after"]
    if kind == "equivalence":
        return _of_equivalence(experiment, results)
    return []


def _of_equivalence(experiment: Experiment, results: Mapping[str, ArmResult]) -> list[str]:
    foils = [name for name, table in experiment.arms.items() if set(table.forms.values()) & set(experiment.change.foils)]
    if not foils:
        return ["no arm has a form made to be told apart"]
    same: Sequence[str] = [name for name in foils if not results[name].figure]
    return [f"{name}: a form that differs was not told apart" for name in same]
