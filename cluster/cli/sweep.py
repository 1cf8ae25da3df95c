"""``shootdown sweep SCENARIO...``: is a scenario silent on many seeds, and what do they reach?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import SCENARIO_HELP, Apply, First, Jobs, Json, Kernel, Revert, Seeds, Sets
from cluster.cli.output import DIFFERS, DONE, print_json, say

if TYPE_CHECKING:
    from shootdown.sweeping import Sweep

Scenarios = Annotated[list[str], typer.Argument(metavar="SCENARIO...", help=SCENARIO_HELP, show_default=False)]
SHOWN = ("pageouts", "vm_waits", "faults.hard", "faults.cow", "tlb.shootdowns_remote")
"""Metrics told beside the verdict: what says whether memory was short and the CPUs met."""


def command(
    scenarios: Scenarios,
    seeds: Seeds = 20,
    first: First = 1,
    jobs: Jobs = None,
    sets: Sets = [],
    kernel: Kernel = None,
    revert: Revert = [],
    apply: Apply = [],
    as_json: Json = False,
) -> int:
    """Run scenarios on many seeds: how they end, which checks speak in which seed first, which are never evaluated."""
    from cluster.seeds import seeds_from
    from shootdown.many_seeds import Processes
    from shootdown.sweeping import Subject
    from shootdown.sweeping import sweep as swept

    chosen = seeds_from(first, seeds)
    subjects = [Subject(scenario, tuple(sets), kernel, tuple(revert), tuple(apply)) for scenario in scenarios]
    for subject in subjects:
        subject.load()
    found: list[Sweep] = []
    with Processes(jobs or os.cpu_count() or 1) as processes:
        for subject in subjects:
            found.append(swept(subject, chosen, processes))
            if not as_json:
                say(*_told(found[-1]))
    if as_json:
        print_json([one.as_json() for one in found])
    elif len(found) > 1:
        say(f"never evaluated in any: {', '.join(_idle(found)) or 'none'}")
    return DONE if all(one.silent for one in found) else DIFFERS


def _told(found: Sweep) -> list[str]:
    seeds, metrics = [one.seed for one in found.seen], found.metrics()
    endings = ", ".join(f"{ended} {row['runs']}" for ended, row in found.endings().items())
    lines = [f"{found.subject.scenario}  seeds {seeds[0]} to {seeds[-1]}  {'silent' if found.silent else 'NOT SILENT'}  ended {endings}"]
    lines.append("  " + "  ".join(f"{name} {metrics[name]}" for name in SHOWN))
    for ended, row in found.endings().items():
        if ended != "finished":
            lines.append(f"  {ended}, first in seed {row['first_seed']}: {row['why']}")
    for check, said in found.violations().items():
        lines.append(f"  {check}: {said['violations']} in {said['runs']} runs, first in seed {said['first_seed']}")
    lines.append(f"  never evaluated: {', '.join(found.not_evaluated) or 'none'}")
    return lines


def _idle(found: list[Sweep]) -> list[str]:
    return sorted(set.intersection(*(set(one.not_evaluated) for one in found)))
