"""Go on with a run whose processes are all gone: killed, interrupted, or out of power.

What goes on is the run that was begun, by its manifest: scenario, seed, model. Where it goes on is the last cut on disk that can be
believed. On how many workers, and with which library, may change.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cluster.errors import InputError
from cluster.plan import MODEL_VERSION
from cluster.recording.cuts import CUTS, Cut
from cluster.recording.manifest import MANIFEST, Manifest, read_manifest
from cluster.recording.run_dir import RunDirectory
from cluster.recording.trace import TRACE_DIR
from shootdown.carrying import SNAPSHOT_MS, How, OnProgress, carry_out, workload_of
from shootdown.placing import possible
from shootdown.result import Run, open_run
from shootdown.running import check_options, transport_for


def resume(
    path: str | Path,
    *,
    workers: int | None = None,
    backend: str | None = None,
    transport: str | None = None,
    snapshot_ms: int = SNAPSHOT_MS,
    on_progress: OnProgress | None = None,
) -> Run:
    """Finish the run in ``path`` (or ``path.partial``); ``workers``, ``backend`` and ``transport`` are those it was begun with, if not
    given.

    What of the run on disk was lost, and what was used instead, stands in :attr:`Run.repaired`. Raises InputError for what is no
    unfinished run, or one of another model version; RunError and Interrupted as :func:`shootdown.run`.
    """
    from cluster.engine.reviving import last_start

    directory = _unfinished(Path(path))
    manifest = read_manifest(directory.path)
    if manifest.ended:  # everything is in it but its name
        directory.finish()
        return open_run(directory.final)
    _same_model(directory, manifest)
    plan = manifest.plan
    workers = plan.workers if workers is None else workers
    backend = plan.backend if backend is None else backend
    if transport is None:
        transport = plan.transport if workers == plan.workers else transport_for(workers)
    check_options(plan.seed, workers, backend, transport, snapshot_ms)
    workload = workload_of(directory.path, manifest)
    manifest.plan = msgspec.structs.replace(plan, workers=workers, backend=backend, transport=transport)
    manifest.workers = workers
    possible(manifest.plan, workload)
    held = directory.hold()  # held until the directory is in order, then taken again by who carries the run out
    try:
        directory.remove_private()
        start = last_start(directory.path, manifest.run, trace=plan.trace)
        _tidy(directory, start.cuts)
        directory.write_manifest(manifest)
    finally:
        os.close(held)
    run = carry_out(directory, manifest, workload, How(on_progress, snapshot_ms, start.states, start.cuts))
    run.repaired = start.losses
    run.resumed_at_ns = start.at_ns
    return run


def _unfinished(path: Path) -> RunDirectory:
    directory = RunDirectory.of(path)
    if directory.path.is_dir():
        return directory
    if (path / MANIFEST).is_file():
        raise InputError(f"{path}: this run has ended; there is nothing to resume", file=str(path), found="a finished run")
    found = "a directory" if path.is_dir() else "a file" if path.exists() else "nothing"
    raise InputError(f"{path}: no unfinished run, found {found}", file=str(path), found=found, allowed="a run directory NAME.partial")


def _same_model(directory: RunDirectory, manifest: Manifest) -> None:
    if manifest.model_version != MODEL_VERSION:
        sentence = f"{directory.path}: begun with model version {manifest.model_version}, this program runs version {MODEL_VERSION}"
        raise InputError(sentence, file=str(directory.path), found=manifest.model_version, allowed=MODEL_VERSION)


def _tidy(directory: RunDirectory, cuts: list[Cut]) -> None:
    """Remove what was written behind the cut from which the run goes on, and what was only half written."""
    named = {part.file for cut in cuts for part in cut.parts} | {CUTS}
    for path in directory.snapshots.iterdir():
        if path.name not in named:
            path.unlink()
    if not cuts:
        (directory.snapshots / CUTS).unlink(missing_ok=True)
        for path in (directory.path / TRACE_DIR).glob("worker-*.trace"):
            path.unlink()
