"""``shootdown experiments [ID ...]``: each change before, after and clean, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Json, Seed
from cluster.cli.output import note, print_json, say

if TYPE_CHECKING:
    from shootdown.experimenting import Reproduction

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Changes, by id or slug; default: all.", show_default=False)]
Parameters = Annotated[list[str], typer.Option("--set", metavar="NAME=INTEGER", help="Set a parameter of the experiments. Repeatable.")]
WorkerCounts = Annotated[str, typer.Option("--workers", help="Numbers of workers to run each arm on.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell every arm step by step.")]
Keep = Annotated[Path | None, typer.Option("--out", help="Keep the runs in this directory.", show_default=False)]


def command(
    ids: Ids = None,
    sets: Parameters = [],
    workers: WorkerCounts = "1,2",
    seed: Seed = 1,
    out: Keep = None,
    explain: Explain = False,
    as_json: Json = False,
) -> int:
    """Run the experiments of changes and hazards, and say which are reproduced."""
    from cluster.cli.experiment_text import explained
    from cluster.experiments.experiment import parameter_sets
    from shootdown.experimenting import experiments, reproduce

    chosen = list(experiments(ids or (), parameter_sets(sets)))
    counts = _counts(workers)
    done = []
    for experiment in chosen:
        done.append(reproduce(experiment, workers=counts, seed=seed, keep=out, tell=explain))
        if explain and not as_json:
            say(*explained(done[-1]))
        elif not as_json:
            _say(done[-1], first=len(done) == 1)
    if as_json:
        print_json([one.as_json() for one in done])
    reproduced = sum(one.reproduced for one in done)
    note(f"{reproduced} of {len(done)} reproduced, on {' and '.join(map(str, counts))} workers")
    return 0 if reproduced == len(done) else 1


def _counts(text: str) -> tuple[int, ...]:
    from cluster.scenario.refusal import refuse

    counts = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not counts or len(counts) != len(text.split(",")) or min(counts) < 1:
        raise refuse("experiments", "--workers", text, "numbers of workers, such as 1,2")
    return tuple(counts)


WIDTHS = (4, 24, 12, 24, 22, 22)


def _say(done: Reproduction, first: bool) -> None:
    """A row as it is known, its reasons under it."""
    if first:
        say(_row("id", "change", "kind", "before", "after", "reproduced"))
    experiment, figure = done.experiment, done.experiment.table.figure
    cells = [f"{_spoke(done, arm)}{done.arms[arm].figure} {figure.unit}" for arm in ("before", "after")]
    say(_row(experiment.change.id, experiment.change.slug, experiment.change.kinds[0], *cells, "yes" if done.reproduced else "NO"))
    say(*(f"     {reason}" for reason in done.against))


def _spoke(done: Reproduction, arm: str) -> str:
    spoke = sorted(done.arms[arm].spoke & set(done.experiment.arms[arm].shows))
    return f"{', '.join(spoke)}; " if spoke else ""


def _row(*cells: str) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS)).rstrip()
