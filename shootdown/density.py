"""How dense a bug is: in how many of so many schedules a random workload meets it, with its old form in place and nobody's script to help.

A seed draws the workload, the delays and the owners of contended spin locks, so each seed is a schedule of its own. A run is over when the
first check speaks or the kernel panics: what follows on a bug is no second one. The repaired kernel runs the same seeds and must be silent,
or the count says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from cluster.errors import InputError
from cluster.experiments.experiment import experiment_files, load_experiment
from cluster.scenario import load
from protocol.changes import CHANGES
from protocol.checks.registry import check_names
from shootdown.many_seeds import Processes, runs

REPAIRED = "repaired"


class Case(NamedTuple):
    """A kernel on a workload: an id of a change whose old form is in place, or ``repaired``, and the settings of the scenario; ``ignores``:
    checks that are not asked."""

    id: str
    scenario: str
    sets: tuple[str, ...]
    ignores: tuple[str, ...] = ()

    def settings(self) -> list[str]:
        """What is set in the scenario: a run is over when the first check speaks that counts."""
        asked = ", ".join(f'"{name}"' for name in check_names(()) if name not in self.ignores)
        return [*self.sets, "checks.stop_at_first=true", *([f"checks.enable=[{asked}]"] if self.ignores else [])]


class Density(NamedTuple):
    """``met``: seed to what spoke first; ``seeds``: how many were run."""

    case: Case
    seeds: int
    met: dict[int, str]

    @property
    def spoke(self) -> dict[str, int]:
        """What spoke first, and in how many runs, the most frequent first."""
        counts = Counter(self.met.values())
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def as_json(self) -> dict[str, Any]:
        """The value of ``density --json`` for one row."""
        slug = CHANGES[self.case.id].slug if self.case.id in CHANGES else ""
        return {
            "id": self.case.id, "slug": slug, "scenario": self.case.scenario, "sets": list(self.case.sets), "seeds": self.seeds,
            "met": len(self.met), "first_seed": min(self.met, default=None), "spoke": self.spoke,
        }  # fmt: skip


def cases(ids: Sequence[str] = ()) -> list[Case]:
    """A case for each schedule-dependent change and hazard (those asked for, or all), after the repaired kernel on the same workloads.

    Raises InputError for a name that has no experiment, or whose experiment does not say where to look for it.
    """
    loaded = [load_experiment(name) for name in ids or experiment_files()]
    for one in loaded:
        one.refuse_density()
    found = [
        Case(one.change.id, density.scenario, tuple(density.sets), tuple(density.ignores))
        for one in loaded
        if (density := one.table.density) is not None
    ]
    missing = [one.change.id for one in loaded if one.table.density is None] if ids else []
    if missing:
        known = [one.change.id for name in experiment_files() if (one := load_experiment(name)).table.density is not None]
        sentence = f"density: found {', '.join(missing)}, allowed: what depends on the schedule: {', '.join(known)}"
        raise InputError(sentence, key="ID", found=missing, allowed=known)
    clean = dict.fromkeys((case.scenario, case.sets) for case in found)
    return [Case(REPAIRED, *where) for where in clean] + found


def notes() -> dict[str, str]:
    """By id, what the experiment files say of their counts, each on one line."""
    tables = {name: load_experiment(name).table.density for name in experiment_files()}
    return {name: " ".join(table.note.split()) for name, table in tables.items() if table is not None and table.note}


def densities(wanted: Sequence[Case], seeds: Sequence[int], jobs: int = 1) -> Iterator[Density]:
    """Run each case on every seed, in ``jobs`` processes."""
    with Processes(jobs) as processes:
        for case in wanted:
            yield Density(case, len(seeds), _met(processes.over(seeds, partial(_batch, case))))


def _met(found: Sequence[dict[int, str]]) -> dict[int, str]:
    return {seed: word for batch in found for seed, word in sorted(batch.items())}


def _batch(case: Case, seeds: Sequence[int]) -> dict[int, str]:
    """Seed to what spoke first, for those in which something did."""
    old = () if case.id == REPAIRED else (case.id,)
    scenario = load(case.scenario, case.settings(), None, old)
    met = {}
    for seed, made in runs(scenario, seeds):
        word = made.violations[0].check if made.violations else "" if made.ended == "finished" else made.ended
        if word:
            met[seed] = word
    return met
