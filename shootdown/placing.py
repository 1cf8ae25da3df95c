"""Where the root actors of a run would live, and the lookahead that follows, without running it."""

from __future__ import annotations

from typing import Any

from cluster.plan import Plan
from cluster.scenario import Scenario
from protocol.workload import Workload


def possible(plan: Plan, workload: Workload) -> dict[str, Any]:
    """Where the roots of ``plan`` live. Raises InputError for a worker count that it cannot have."""
    from cluster.engine.models import build
    from cluster.engine.share import partition_of

    return partition_of(build(plan.model, workload), plan.workers).report()


def placement(scenario: Scenario, *, seed: int = 1, workers: int = 1, workload: Workload | None = None) -> dict[str, Any]:
    """``{workers, lookahead_ns, bound, whole_domains, roots}``; ``workload`` saves compiling it again.

    Raises InputError for a workload that cannot be compiled, or a worker count of 0 or above the number of root actors.
    """
    compiled = workload if workload is not None else scenario.compile(seed)
    return possible(scenario.to_plan(seed, workers, workload=compiled), compiled)
