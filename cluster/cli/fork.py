"""``shootdown fork RUN --at NS``: go on from an instant of a run with something changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.options import Apply, At, Backend, Json, Out, Revert, RunArgument, Sets, SnapshotMs, Workers
from cluster.cli.output import print_json, say
from cluster.cli.run import Transport, ended

FaultsFile = Annotated[
    Path | None, typer.Option("--faults", metavar="FILE", help="A file with [[faults]] that happen from there on.", show_default=False)
]


def command(
    run: RunArgument,
    at: At,
    sets: Sets = [],
    revert: Revert = [],
    apply: Apply = [],
    faults: FaultsFile = None,
    workers: Workers = 1,
    out: Out = None,
    backend: Backend = "trio",
    transport: Transport = None,
    snapshot_ms: SnapshotMs = 2000,
    as_json: Json = False,
) -> int:
    """Continue RUN from the instant --at with changes put back or applied; with nothing changed the digest is RUN's."""
    import shootdown as sd
    from cluster.cli.at import nanoseconds
    from cluster.cli.making import watched
    from cluster.cli.summary_text import summary_lines

    at_ns = nanoseconds(at)
    options = {"sets": sets, "revert": revert, "apply": apply, "faults": faults, "workers": workers, "out": out, "backend": backend}
    options |= {"transport": transport, "snapshot_ms": snapshot_ms, "at_ns": at_ns}
    made = watched(sd.fork, run, f"{run.name} from {at_ns} ns", **options)
    if as_json:
        print_json(made.summary)
    else:
        origin = made.stored.manifest.origin
        source = origin.digest if origin is not None else ""
        same = "the digest of the run it is of" if made.digest == source else f"the run it is of has digest {source or 'none yet'}"
        say(f"forked off {run} at {at_ns:,} ns; {same}", *summary_lines(made.summary))
    return ended(made)
