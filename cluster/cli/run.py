"""``shootdown run SCENARIO``: make a run and say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Apply, Backend, Json, Kernel, Out, Revert, ScenarioArgument, Seed, Sets, SnapshotMs, Workers
from cluster.cli.output import note, print_json, say

if TYPE_CHECKING:
    from shootdown import Run

Transport = Annotated[
    str | None, typer.Option("--transport", help="socket: each worker a process; inproc: all in this one.", show_default=False)
]
NoTrace = Annotated[bool, typer.Option("--no-trace", help="Keep no trace: digest, checks and metrics only.")]


def command(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    workers: Workers = 1,
    out: Out = None,
    sets: Sets = [],
    kernel: Kernel = None,
    revert: Revert = [],
    apply: Apply = [],
    backend: Backend = "trio",
    transport: Transport = None,
    no_trace: NoTrace = False,
    snapshot_ms: SnapshotMs = 2000,
    as_json: Json = False,
) -> int:
    """Run SCENARIO to its end, check it, and print a summary."""
    import shootdown as sd
    from cluster.cli.making import make_run
    from cluster.cli.summary_text import summary_lines

    loaded = sd.load(scenario, sets, kernel, revert, apply)
    options = {"seed": seed, "workers": workers, "out": out, "backend": backend, "transport": transport, "trace": not no_trace}
    options["snapshot_ms"] = snapshot_ms
    run = make_run(loaded, loaded.name, **options)
    if as_json:
        print_json(run.summary)
    else:
        say(*summary_lines(run.summary))
    return ended(run)


def ended(run: Run) -> int:
    """The exit status of a run, its surprises said on stderr."""
    note(*(f"shootdown: {surprise}" for surprise in run.summary["surprises"]))
    status: int = run.summary["status"]
    return status
