"""``shootdown resume RUN``: finish a run whose processes are gone."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli.options import Json, RunArgument, SnapshotMs
from cluster.cli.output import note, print_json, say
from cluster.cli.run import Transport, ended

AgainWorkers = Annotated[
    int | None, typer.Option("--workers", "-w", help="Worker processes; default: as many as before.", show_default=False)
]
AgainBackend = Annotated[str | None, typer.Option("--backend", help="trio or asyncio; default: the one before.", show_default=False)]


def command(
    run: RunArgument,
    workers: AgainWorkers = None,
    backend: AgainBackend = None,
    transport: Transport = None,
    snapshot_ms: SnapshotMs = 2000,
    as_json: Json = False,
) -> int:
    """Finish the interrupted run in RUN (or RUN.partial) from the last complete cut on disk."""
    import shootdown as sd
    from cluster.cli.making import watched
    from cluster.cli.summary_text import summary_lines

    options = {"workers": workers, "backend": backend, "transport": transport, "snapshot_ms": snapshot_ms}
    made = watched(sd.resume, run, run.name, **options)
    note(*(f"shootdown: {loss}" for loss in made.repaired))
    if as_json:
        print_json(made.summary | {"repaired": made.repaired, "resumed_at_ns": made.resumed_at_ns})
    else:
        say(f"resumed at {made.resumed_at_ns:,} ns of virtual time", *summary_lines(made.summary))
    return ended(made)
