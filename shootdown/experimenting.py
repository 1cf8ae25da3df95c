"""Experiments run: every arm on every number of workers, the figure measured from what happened, the verdict with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cluster.experiments.experiment import Experiment, load_experiment
from cluster.experiments.judging import ArmResult, reasons_against
from cluster.experiments.measures import Names, Said, counted_by, decisions, distance, matcher, measured, panics_of
from cluster.experiments.telling import Telling, steps
from cluster.recording.run_dir import refuse_taken
from cluster.scenario import Scenario
from cluster.seeds import seeds_around
from protocol.workload import Workload
from shootdown.placing import placement
from shootdown.result import Run, open_run
from shootdown.running import run


@dataclass
class Reproduction:
    """An experiment that has been run. ``against``: why it is not reproduced, in sentences."""

    experiment: Experiment
    arms: dict[str, ArmResult]
    against: list[str]

    @property
    def reproduced(self) -> bool:
        """Did every arm show what it must?"""
        return not self.against

    def as_json(self) -> dict[str, Any]:
        """The value of ``experiments --json`` for one change."""
        experiment, table = self.experiment, self.experiment.table
        before, after = self.arms["before"], self.arms["after"]
        return {
            "id": experiment.change.id,
            "slug": experiment.change.slug,
            "title": experiment.title,
            "kind": experiment.change.kinds[0],
            "kinds": list(experiment.change.kinds),
            **{name: self.arms[name].as_json() for name in ("before", "after", "clean")},
            "arms": {name: arm.as_json() for name, arm in self.arms.items() if name not in ("before", "after", "clean")},
            "expectation": {name: list(table.arms[name].shows) for name in table.arms if name != "clean"},
            "parameters": {
                name: {"value": experiment.values[name], "min": p.min, "max": p.max, "meaning": p.meaning}
                for name, p in table.parameters.items()
            },
            "figure": {
                "name": table.figure.name,
                "unit": table.figure.unit,
                "before": before.figure,
                "after": after.figure,
                "formula": formula(experiment),
                "predicted_before": experiment.predicted("before"),
                "predicted_after": experiment.predicted("after"),
            },
            "reproduced": self.reproduced,
            "why_not": self.against,
        }


def formula(experiment: Experiment) -> str | None:
    """The formulas of the arms as one text, or None if there are none."""
    given = [f"{name}: {table.predict}" for name, table in experiment.arms.items() if table.predict is not None and name != "clean"]
    return "; ".join(given) or None


def reproduce(
    name: str | Experiment,
    sets: Mapping[str, int] | None = None,
    workers: Sequence[int] = (1,),
    seed: int = 1,
    keep: Path | None = None,
    tell: bool = False,
    transport: str | None = None,
) -> Reproduction:
    """Run every arm of an experiment (an id, a slug, a file or a loaded one) on each number of workers.

    ``keep``: a directory in which the runs stay, as ``<id>-<arm>``; otherwise they are measured and dropped. ``tell``: the steps of
    each arm are kept. ``transport``: as of :func:`shootdown.run`, for several workers. Raises InputError, RunError.
    """
    experiment = name if isinstance(name, Experiment) else load_experiment(name, sets)
    refuse_unrunnable(experiment, workers, seed, keep)
    results: dict[str, ArmResult] = {}
    with TemporaryDirectory(prefix="shootdown-experiment-") as temporary:
        directory = keep or Path(temporary)
        for arm in experiment.arms:
            results[arm] = _arm(experiment, arm, workers, Ways(seed, directory, keep is not None, tell, transport))
        if experiment.table.figure.decisions:
            _compare_decisions(experiment, results, seed, Path(temporary))
    return Reproduction(experiment, results, reasons_against(experiment, results))


def refuse_unrunnable(experiment: Experiment, workers: Sequence[int], seed: int, keep: Path | None) -> None:
    """Every arm must be able to run on each number of workers, and find its place in ``keep``, before any does. Raises InputError."""
    for arm in experiment.arms:
        placement(experiment.scenario(arm), seed=seed, workers=max(workers), workload=experiment.workload(arm, seed))
        for name in [_name(experiment, arm, count) for count in workers]:
            if keep is not None:
                refuse_taken(keep / name)


class Ways(NamedTuple):
    """How arms are run; ``lasting``: the runs stay in the directory."""

    seed: int
    directory: Path
    lasting: bool
    tell: bool
    transport: str | None

    def run(self, experiment: Experiment, arm: str, scenario: Scenario, workers: int) -> Run:
        """One run of an arm."""
        out = self.directory / _name(experiment, arm, workers)
        transport = self.transport if workers > 1 else None
        return run(scenario, seed=self.seed, workers=workers, out=out, transport=transport, lasting=self.lasting)


def _arm(experiment: Experiment, arm: str, workers: Sequence[int], ways: Ways) -> ArmResult:
    scenario = experiment.scenario(arm)
    made = {count: ways.run(experiment, arm, scenario, count) for count in workers}
    first = made[workers[0]]
    said = _said(first)
    workload = experiment.workload(arm, ways.seed)
    meant = _meant(workload)
    held = _held(first) if meant else {}
    result = ArmResult(
        name=arm,
        ended=first.ended,
        said=said,
        metrics=first.metrics,
        digests={count: one.digest for count, one in made.items()},
        held=held,
        unheld=sorted(meant - set(held)) if _old(experiment, arm) and first.ended == "finished" else [],
        forms=scenario.kernel,
        run_dir=str(first.path),
        tasks={number: task.name for number, task in enumerate(workload.tasks)},
    )
    figure = experiment.figure(arm)
    names = Names({task.name: number for number, task in enumerate(workload.tasks)}, experiment.known(arm))
    if figure.distance:
        result.distance = distance(figure, first.stored, said, names)
        result.figure = getattr(result.distance, figure.distance, None)
    elif figure.violations:
        result.figure = sum(one.check == figure.violations for one in said)
    elif not figure.decisions:
        result.figure = measured(figure, first.stored, first.metrics, names)
    if ways.tell:
        looked_at = figure.records or counted_by(figure.metric)
        counts = matcher(looked_at, names) if looked_at is not None else None
        result.steps = list(steps(first.stored, _telling(experiment, arm, Telling(said, names.tasks, counts=counts))))
    return result


def _telling(experiment: Experiment, arm: str, telling: Telling) -> Telling:
    """Up to where an arm is told: to what it must show, and beyond if its picture does; a cost to the end."""
    picture = experiment.table.picture
    until = experiment.arms[arm].shows if experiment.change.kinds[0] != "cost" else ()
    return telling._replace(until=until, ends=(lambda step: picture.ends_at(step.who, step.text)) if picture.ends else None)


def _name(experiment: Experiment, arm: str, workers: int) -> str:
    return f"{experiment.change.id}-{arm}" + (f"-{workers}-workers" if workers > 1 else "")


def _said(made: Run) -> list[Said]:
    """Violations and panics of a run, in order of time."""
    said = [Said(v.check, v.time_ns, v.actor, v.event, v.message) for v in made.violations]
    return sorted(said + panics_of(made.stored), key=lambda one: (one.time_ns, one.check))


def _held(made: Run) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in made.records(kind="held"):
        point = str(found["point"])
        counts[point] = counts.get(point, 0) + 1
    return dict(sorted(counts.items()))


def _old(experiment: Experiment, arm: str) -> bool:
    """Does the arm run an old form? A new one may have no such point, as it has no such gap."""
    table = experiment.arms[arm]
    return arm == "before" or bool(table.revert or table.forms) or table.preset != "repaired"


def _meant(workload: Workload) -> set[str]:
    return {hold.point for task in workload.tasks for step in task.steps for hold in step.holds}


def _compare_decisions(experiment: Experiment, results: dict[str, ArmResult], seed: int, directory: Path) -> None:
    """The figure of an equivalence: in how many schedules an arm decides otherwise than the arm ``after``. An arm that measures something
    else is not run again, and in the first schedule none is: that is the run there has been."""
    wanted, count = experiment.table.figure.decisions, experiment.schedules()
    scenarios = {arm: experiment.scenario(arm) for arm in results if experiment.figure(arm).decisions}
    for arm in scenarios:
        results[arm].figure = 0
    for schedule in seeds_around(seed, count):
        decided = {}
        for arm, scenario in scenarios.items():
            own = open_run(results[arm].run_dir) if schedule == seed else None
            made = own or run(scenario, seed=schedule, out=directory / f"schedule-{schedule}-{arm}", lasting=False)
            decided[arm] = decisions(made.stored, wanted)
        for arm, found in decided.items():
            results[arm].figure = (results[arm].figure or 0) + (found != decided["after"])


def experiments(names: Sequence[str] = (), sets: Mapping[str, int] | None = None) -> Iterator[Experiment]:
    """The experiments asked for (all that are shipped if none), loaded and checked before any of them runs. Raises InputError."""
    from cluster.experiments.experiment import experiment_files

    for name in names or experiment_files():
        experiment = load_experiment(name, sets)
        experiment.refuse_impossible()
        yield experiment
