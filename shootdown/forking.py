"""A run forked off another at an instant, with something changed from there on.

What can change is what the machine does not consist of (:mod:`shootdown.changing`). An operation that is under way is ended in the forms it
was begun with, since half of it has been done that way; what begins later is done in the new ones. Homes follow the new forms at once, so a
check whose guard has changed may speak of an operation that was under way. Rewriting operations half-way was rejected: there is no state of
the new form that the old one has led to.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cluster.engine.ending import Ending
from cluster.engine.share import Share
from cluster.engine.snapshot import ShareState, pack
from cluster.errors import InputError, RunError
from cluster.faults.instants import numbered, queue_instants
from cluster.plan import Model
from cluster.recording.cuts import Cut, CutKeeper, Part
from cluster.recording.manifest import Manifest, Origin, Particulars, digest_of, replace_file
from cluster.recording.run_dir import RunDirectory
from protocol.event import SLICE_BITS
from protocol.faults import Fault
from shootdown.carrying import SNAPSHOT_MS, WORKLOAD, How, OnProgress, begin, carry_out, workload_of
from shootdown.changing import Changed, changed, with_faults
from shootdown.placing import possible
from shootdown.result import Run, open_run
from shootdown.running import check_options, transport_for, versions
from shootdown.travelling import Instant, travel


def fork(
    path: str | Path,
    at_ns: int,
    *,
    revert: Sequence[str] = (),
    apply: Sequence[str] = (),
    sets: Sequence[str] = (),
    faults: str | Path | None = None,
    workers: int = 1,
    out: str | Path | None = None,
    backend: str = "trio",
    transport: str | None = None,
    snapshot_ms: int = SNAPSHOT_MS,
    on_progress: OnProgress | None = None,
) -> Run:
    """Go on from the run in ``path`` as it was before ``at_ns``, with ``revert``, ``apply`` and ``sets`` from there on, and with the faults
    of the file ``faults`` besides the run's own.

    With nothing changed the fork has the digest of the run it is of. Raises InputError for what cannot change under way, and for an
    instant behind the run's end; RunError and Interrupted as :func:`shootdown.run`.
    """
    run = open_run(path)
    source = run.stored.manifest
    change = changed(source.plan, revert, apply, sets)
    if faults is not None:
        change = change._replace(model=with_faults(change.model, faults, at_ns))
    check_options(source.plan.seed, workers, backend, transport, snapshot_ms)
    possible(msgspec.structs.replace(source.plan, model=change.model, workers=workers), workload_of(run.path, source))
    directory = RunDirectory.create(f"{source.scenario}-fork", source.seed, Path(out) if out is not None else None)
    try:
        instant = travel(run.path, at_ns, directory.path)
        if instant.ending is not None:
            raise _too_late(instant, instant.ending)
        manifest = _manifest(instant, change, workers, backend, transport or transport_for(workers))
        state = refitted(instant, change.model)
        begin(directory, manifest, instant.workload)
        cut = _first_cut(directory, manifest, state)
    except (InputError, RunError):
        directory.discard()
        raise
    return carry_out(directory, manifest, instant.workload, How(on_progress, snapshot_ms, [state], [cut]))


def _too_late(instant: Instant, ending: Ending) -> InputError:
    why, allowed = f"the run ended {ending.ended} at {ending.at_ns} ns", f"less than {ending.at_ns}"
    return InputError(f"--at: {why}; found {instant.at_ns}, allowed: {allowed}", key="at", found=instant.at_ns, allowed=allowed)


def _manifest(instant: Instant, change: Changed, workers: int, backend: str, transport: str) -> Manifest:
    source = instant.manifest
    plan = msgspec.structs.replace(
        source.plan, model=change.model, stop_at_first=change.stop_at_first, workers=workers, backend=backend, transport=transport,
        workload_path=WORKLOAD, run_dir="",
    )  # fmt: skip
    return Manifest(
        source.scenario,
        source.seed,
        workers,
        plan,
        versions=versions(),
        run=secrets.token_hex(8),
        particulars=_noted(source.particulars, change, instant.at_ns),
        origin=Origin(str(instant.run.path), source.digest, instant.at_ns),
    )


def _noted(about: Particulars, change: Changed, at_ns: int) -> Particulars:
    """What is said of the run it is of, which it was until then, and of the forms that begin here."""
    return msgspec.structs.replace(about, kernel_notes=about.kernel_notes + [f"from {at_ns} ns on: {note}" for note in change.notes])


def refitted(instant: Instant, model: Model) -> ShareState:
    """The instant as a state to start from; threads in the middle of an operation keep the forms they began it with, and the faults that
    were added are in the queue."""
    before = instant.manifest.plan.model.kernel
    old = {name: form for name, form in before.items() if model.kernel.get(name) != form}
    share = instant.share
    for actor in share.engine.actors.values():
        for thread in getattr(actor, "threads", {}).values() if old else ():
            if thread.started:
                thread.forms = {**old, **thread.forms}
    _queue_faults(share, model, set(instant.manifest.plan.model.faults))
    return share.state()


def _queue_faults(share: Share, model: Model, known: set[Fault]) -> None:
    """Queue the instants of faults that are new. T, and with it the open slice, may lie earlier for it."""
    first = len(share.boot.actors) + 1
    queue_instants(share.engine, [one for one in numbered(model.faults, first) if one.fault not in known])
    loop = share.loop
    loop.earliest_ns = min(loop.earliest_ns, share.engine.earliest())
    loop.slice_index = min(loop.slice_index, loop.earliest_ns >> SLICE_BITS)


def _first_cut(directory: RunDirectory, manifest: Manifest, state: ShareState) -> Cut:
    """The instant as the first cut of the fork, so that it can be resumed like any run."""
    state.run = manifest.run
    data = pack(state)
    name = f"{state.window}-0.snapshot"
    replace_file(directory.snapshots / name, data)
    part = Part(0, state.window, state.rounds, state.earliest_ns, name, len(data), digest_of(data))
    keeper = CutKeeper(directory.snapshots, 1, manifest.run)
    cut = keeper.snapped(part)
    if cut is None:
        raise RunError(f"{directory.path}: the fork's first cut cannot be written: {keeper.failures[0]}", file=str(directory.path))
    return cut
