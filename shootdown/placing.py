"""Where the root actors of a run would live, and the lookahead that follows, without running it."""

from __future__ import annotations

from typing import Any

from cluster.scenario import Scenario
from protocol.workload import Workload


def placement(scenario: Scenario, *, seed: int = 1, workers: int = 1, workload: Workload | None = None) -> dict[str, Any]:
    """``{workers, lookahead_ns, bound, whole_domains, roots}``; ``workload`` saves compiling it again.

    Raises InputError for a workload that cannot be compiled, or a worker count of 0 or above the number of root actors.
    """
    from cluster.engine.models import build
    from cluster.engine.share import partition_of

    compiled = workload if workload is not None else scenario.compile(seed)
    plan = scenario.to_plan(seed, workers, workload=compiled)
    return partition_of(build(plan.model, compiled), workers).report()
