"""The repaired kernel is silent: on many schedules of every generator, short of memory and with random delays, no check speaks.

Silence is worth what the runs reach: so it is also told how often memory was short, and that each check was evaluated at all. The sweep of
the command line (``shootdown sweep``) is the same for a user; it is not called from here, since a promise's runs are jobs in processes
whose hash seed is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cluster.promises.job import Found, Job

REACHED = ("pageouts", "vm_waits")
"""Metrics without which memory was not short."""


def silence(scenario: str, seeds: Sequence[int], carry: Callable[[Job], Found]) -> dict[str, Any]:
    """What the seeds of a scenario showed: ``broken`` in sentences, ``reached`` and ``evaluated`` in all. Raises InputError, RunError."""
    broken, evaluated, reached = [], Counter[str](), Counter[str]()
    for seed in seeds:
        found = carry(Job(label=scenario, scenario=scenario, seed=seed))
        broken += _loud(seed, found)
        reached.update({name: found.metrics[name] for name in REACHED})
        evaluated.update({name: count for name, (count, _) in found.evaluated.items()})
    broken += [f"{name} is 0" for name in REACHED if not reached[name]]
    return {
        "seeds": len(seeds), "broken": broken, "reached": [reached[name] for name in REACHED],
        "evaluated": {name: (count, 0) for name, count in sorted(evaluated.items())},
    }  # fmt: skip


def _loud(seed: int, found: Found) -> list[str]:
    spoke = sorted({one.check for one in found.violations})
    ended = [] if found.ended == "finished" else [f"seed {seed} ended {found.ended}"]
    return ended + [f"seed {seed}: {name}" for name in spoke]
