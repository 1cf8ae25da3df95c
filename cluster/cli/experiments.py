"""``shootdown experiments [ID ...]``: each change before, after and clean, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Json, Seed, worker_counts
from cluster.cli.output import note, print_json, say

if TYPE_CHECKING:
    from cluster.experiments.experiment import Experiment
    from shootdown.experimenting import Reproduction

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Changes, by id or slug; default: all.", show_default=False)]
Parameters = Annotated[list[str], typer.Option("--set", metavar="NAME=INTEGER", help="Set a parameter of the experiments. Repeatable.")]
WorkerCounts = Annotated[str, typer.Option("--workers", help="Numbers of workers to run each arm on.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell every arm step by step.")]
Pages = Annotated[
    Path | None, typer.Option("--pages", metavar="DIRECTORY", help="Write each change's page of the catalogue there.", show_default=False)
]
Keep = Annotated[Path | None, typer.Option("--out", help="Keep the runs in this directory.", show_default=False)]


def command(
    ids: Ids = None,
    sets: Parameters = [],
    workers: WorkerCounts = "1,2",
    seed: Seed = 1,
    out: Keep = None,
    explain: Explain = False,
    pages: Pages = None,
    as_json: Json = False,
) -> int:
    """Run the experiments of changes and hazards, and say which are reproduced."""
    from cluster.cli.experiment_pages import Catalogue
    from cluster.experiments.experiment import parameter_sets
    from shootdown.experimenting import experiments, refuse_unrunnable, reproduce

    counts = worker_counts("experiments", workers)
    chosen = _each_once(experiments(ids or (), parameter_sets(sets)), kept=out is not None or pages is not None)
    for experiment in chosen:
        refuse_unrunnable(experiment, counts, seed, out)
    catalogue = Catalogue(pages) if pages is not None else None
    done = []
    for experiment in chosen:
        done.append(reproduce(experiment, workers=counts, seed=seed, keep=out, tell=explain or pages is not None))
        if not as_json:
            say(*_lines(done[-1], explain, first=len(done) == 1))
        if catalogue is not None:
            catalogue.add(done[-1])
    if as_json:
        print_json([one.as_json() for one in done])
    if catalogue is not None:
        note(catalogue.finish())
    reproduced = sum(one.reproduced for one in done)
    note(f"{reproduced} of {len(done)} reproduced, on {' and '.join(map(str, counts))} worker{'' if counts == (1,) else 's'}")
    return 0 if reproduced == len(done) else 1


def _lines(done: Reproduction, explain: bool, first: bool) -> Iterator[str]:
    """What is said of an experiment as soon as it has been run."""
    from cluster.cli.experiment_table import head, row
    from cluster.cli.experiment_text import explained

    if explain:
        yield from explained(done)
        return
    if first:
        yield head()
    yield from row(done)


def _each_once(asked: Iterator[Experiment], kept: bool) -> list[Experiment]:
    """The experiments, each once whatever it was called by. Two files of one change are two; if what they leave is ``kept``, where it would
    be under one name, they are refused."""
    from cluster.scenario.refusal import refuse

    found: dict[Path, Experiment] = {}
    for experiment in asked:
        found.setdefault(Path(experiment.place.file).resolve(), experiment)
    ids = [experiment.change.id for experiment in found.values()]
    twice = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    if kept and twice:
        files = [str(path) for path, experiment in found.items() if experiment.change.id == twice[0]]
        allowed = f"with --out or --pages one of them: {', '.join(files)}"
        raise refuse("experiments", "ID", f"{len(files)} files of {twice[0]}", allowed)
    return list(found.values())
