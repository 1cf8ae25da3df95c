"""A scenario swept over seeds: how its runs end, which checks speak and in which seed first, and which were never evaluated.

One seed is one schedule: it draws the workload, the delays and the owners of contended spin locks. "No violation" is a promise over many of
them, and only as good as what they reach; so a sweep also adds up how often each check could have failed, and what the runs did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from cluster.scenario import Scenario, load
from shootdown.many_seeds import Processes, runs


class Subject(NamedTuple):
    """What is swept: the arguments of :func:`cluster.scenario.load`."""

    scenario: str
    sets: tuple[str, ...] = ()
    kernel: str | None = None
    revert: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()

    def load(self) -> Scenario:
        """The scenario, with a workload that can be compiled. Raises InputError."""
        scenario = load(*self)
        scenario.compile(0)
        return scenario


class Seen(NamedTuple):
    """What is kept of one run."""

    seed: int
    ended: str
    why: str
    violations: dict[str, int]
    evaluated: dict[str, int]
    metrics: dict[str, int]
    status: int


class Sweep(NamedTuple):
    """All runs of a subject, in order of seeds."""

    subject: Subject
    seen: list[Seen]

    @property
    def silent(self) -> bool:
        """Did every run end as its scenario expects, with no violation that it does not expect?"""
        return all(one.status == 0 for one in self.seen)

    @property
    def not_evaluated(self) -> list[str]:
        """The checks that could have failed in no run."""
        return sorted(name for name, count in self.evaluated().items() if not count)

    def evaluated(self) -> dict[str, int]:
        """By check: evaluations in all runs."""
        return _sums([one.evaluated for one in self.seen])

    def metrics(self) -> dict[str, int]:
        """By metric: the sum over the runs; of a maximum the greatest."""
        sums = _sums([one.metrics for one in self.seen])
        return {name: max(one.metrics[name] for one in self.seen) if name.endswith("_max") else value for name, value in sums.items()}

    def endings(self) -> dict[str, dict[str, Any]]:
        """By ending: how many runs, the first seed, and why that one ended so."""
        found: dict[str, dict[str, Any]] = {}
        for one in self.seen:
            found.setdefault(one.ended, {"runs": 0, "first_seed": one.seed, "why": one.why})["runs"] += 1
        return found

    def violations(self) -> dict[str, dict[str, int]]:
        """By check that spoke: how often, in how many runs, and the first seed."""
        found: dict[str, dict[str, int]] = {}
        for one in self.seen:
            for name, count in one.violations.items():
                row = found.setdefault(name, {"violations": 0, "runs": 0, "first_seed": one.seed})
                row["violations"] += count
                row["runs"] += 1
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, Any]:
        """The value of ``sweep --json`` for one scenario."""
        subject = self.subject
        return {
            "scenario": subject.scenario, "sets": list(subject.sets), "kernel": subject.kernel, "revert": list(subject.revert),
            "apply": list(subject.apply),
            "seeds": len(self.seen), "first": self.seen[0].seed, "silent": self.silent, "endings": self.endings(),
            "violations": self.violations(), "evaluated": self.evaluated(), "not_evaluated": self.not_evaluated, "metrics": self.metrics(),
        }  # fmt: skip


def sweep(subject: Subject, seeds: Sequence[int], processes: Processes) -> Sweep:
    """Run the subject on every seed. Raises InputError, RunError."""
    subject.load()
    return Sweep(subject, [one for batch in processes.over(seeds, partial(_batch, subject)) for one in batch])


def _batch(subject: Subject, seeds: Sequence[int]) -> list[Seen]:
    found = []
    for seed, made in runs(load(*subject), seeds):
        summary, checks = made.summary, made.checks
        said = {name: count["violations"] for name, count in checks.items() if count["violations"]}
        evaluated = {name: count["evaluated"] for name, count in checks.items()}
        found.append(Seen(seed, made.ended, summary["why"], said, evaluated, made.metrics, summary["status"]))
    return found


def _sums(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {name: total[name] for name in sorted(total)}
