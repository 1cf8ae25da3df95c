"""A run forked off another at an instant, with something changed from there on.

What can change is what the machine does not consist of: the forms of the kernel's changes, faults, the limits, where the trace is cut. An
operation that is under way is ended in the forms it was begun with, since half of it has been done that way; what begins later is done in
the new ones. Homes follow the new forms at once, so a check whose guard has changed may speak of an operation that was under way.
Rewriting operations half-way was rejected: there is no state of the new form that the old one has led to.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from cluster.engine.ending import Ending
from cluster.engine.share import Share
from cluster.engine.snapshot import ShareState, pack
from cluster.errors import InputError, RunError
from cluster.faults.instants import INSTANTS, numbered, queue_instants
from cluster.plan import Limits, Model
from cluster.recording.cuts import Cut, CutKeeper, Part
from cluster.recording.manifest import Manifest, Origin, digest_of, replace_file
from cluster.recording.run_dir import RunDirectory
from cluster.scenario.faults_file import load_faults
from cluster.scenario.overrides import parse_set
from cluster.scenario.tables import LimitsTable
from protocol.event import SLICE_BITS
from protocol.faults import Fault
from protocol.kernels import KernelError, applicable, change_called, choose
from protocol.kernels import kernel as kernel_of
from shootdown.carrying import SNAPSHOT_MS, WORKLOAD, How, OnProgress, begin, carry_out, workload_of
from shootdown.placing import possible
from shootdown.result import Run, open_run
from shootdown.running import check_options, transport_for, versions
from shootdown.travelling import Instant, travel

STRUCTURAL = {"C14": "its page-table pages are in an object or in none from the start"}
"""Changes that decide what the machine consists of, and why that cannot change under way."""
PRESET = "repaired"
"""The kernel of which the run's own is told as a difference: only so can a change bring with it what it needs."""
SETS = "limits.wait_ns, limits.virtual_ns, limits.events, limits.restarts, limits.memory_waits, checks.stop_at_first"


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
    model = changed(source.plan.model, revert, apply, sets)
    if faults is not None:
        model = with_faults(model, faults, at_ns)
    stop = source.plan.stop_at_first if not _stop(sets) else _stop(sets)[-1]
    check_options(source.plan.seed, workers, backend, transport, snapshot_ms)
    possible(msgspec.structs.replace(source.plan, model=model, workers=workers), workload_of(run.path, source))
    directory = RunDirectory.create(f"{source.scenario}-fork", source.seed, Path(out) if out is not None else None)
    try:
        instant = travel(run.path, at_ns, directory.path)
        if instant.ending is not None:
            raise _too_late(instant, instant.ending)
        manifest = _manifest(instant, model, stop, workers, backend, transport or transport_for(workers))
        state = refitted(instant, model)
        begin(directory, manifest, instant.workload)
        cut = _first_cut(directory, manifest, state)
    except (InputError, RunError):
        directory.discard()
        raise
    return carry_out(directory, manifest, instant.workload, How(on_progress, snapshot_ms, [state], [cut]))


def changed(model: Model, revert: Sequence[str], apply: Sequence[str], sets: Sequence[str]) -> Model:
    """The model with what is asked for. Raises InputError for what is unknown, or cannot change while a run is under way."""
    return msgspec.structs.replace(model, kernel=_kernel(model, revert, apply), limits=_limits(model.limits, sets))


def with_faults(model: Model, path: str | Path, at_ns: int) -> Model:
    """The model with the faults of a file behind its own. Raises InputError for a name that is taken, and an instant that is past."""
    assert model.machine is not None
    added = load_faults(path, model.machine)
    names = {fault.name for fault in model.faults}
    for fault in added:
        if fault.name in names:
            raise InputError(f"{path}: the run has a fault called {fault.name!r}", file=str(path), key="faults.name", found=fault.name)
        if fault.kind in INSTANTS and fault.at_ns < at_ns:
            sentence = f"{path}: fault {fault.name!r} is at {fault.at_ns} ns, before the fork at {at_ns} ns"
            raise InputError(sentence, file=str(path), key="faults.at_ns", found=fault.at_ns, allowed=f"{at_ns} or later")
    return msgspec.structs.replace(model, faults=model.faults + added)


def _kernel(model: Model, revert: Sequence[str], apply: Sequence[str]) -> dict[str, str]:
    assert model.machine is not None
    named = [[name.strip() for text in texts for name in text.split(",") if name.strip()] for texts in (revert, apply)]
    try:
        ids = {change_called(name).id for names in named for name in names}
        base = kernel_of(PRESET, pmap=model.machine.pmap)
        present = applicable(model.kernel, model.machine.pmap)
        forms = {name: form for name, form in present.items() if name not in ids and base[name] != form}
        kernel = {**model.kernel, **choose(PRESET, named[0], named[1], forms, model.machine.pmap).forms}
    except KernelError as error:
        raise InputError(str(error), key="revert" if revert else "apply", found=error.found, allowed=error.allowed) from None
    for name, why in STRUCTURAL.items():
        if kernel.get(name) != model.kernel.get(name):
            raise InputError(f"{name} cannot change while a run is under way: {why}", key=name, found=name, allowed="any other change")
    return dict(sorted(kernel.items())) if ids else model.kernel


def _limits(limits: Limits, sets: Sequence[str]) -> Limits:
    given: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(limits, liveness=msgspec.UNSET))
    for text in sets:
        key, value = parse_set(text)
        table, _, leaf = key.partition(".")
        if table == "limits" and leaf in given:
            given[leaf] = value
        elif key != "checks.stop_at_first":
            sentence = f"--set {key}: that cannot change while a run is under way; allowed: {SETS}"
            raise InputError(sentence, key=key, found=key, allowed=SETS)
    try:
        return Limits(**LimitsTable.model_validate(given).model_dump(), liveness=limits.liveness)
    except ValidationError as error:
        first = error.errors()[0]
        key = f"limits.{first['loc'][0]}"
        raise InputError(
            f"--set {key}: {first['msg']}; found {first['input']}", key=key, found=first["input"], allowed=first["msg"]
        ) from None


def _stop(sets: Sequence[str]) -> list[bool]:
    found = [value for key, value in map(parse_set, sets) if key == "checks.stop_at_first"]
    for value in found:
        if not isinstance(value, bool):
            sentence = f"--set checks.stop_at_first: found {value}, allowed: true or false"
            raise InputError(sentence, key="checks.stop_at_first", found=value, allowed="true or false")
    return found


def _too_late(instant: Instant, ending: Ending) -> InputError:
    sentence = f"--at: the run ended {ending.ended} at {ending.at_ns} ns, so there is nothing to go on from at {instant.at_ns} ns"
    return InputError(sentence, key="at", found=instant.at_ns, allowed=f"less than {ending.at_ns}")


def _manifest(instant: Instant, model: Model, stop: bool, workers: int, backend: str, transport: str) -> Manifest:
    source = instant.manifest
    plan = msgspec.structs.replace(
        source.plan, model=model, stop_at_first=stop, workers=workers, backend=backend, transport=transport,
        workload_path=WORKLOAD, run_dir="",
    )  # fmt: skip
    return Manifest(
        source.scenario,
        source.seed,
        workers,
        plan,
        versions=versions(),
        run=secrets.token_hex(8),
        particulars=source.particulars,
        origin=Origin(str(instant.run.path), source.digest, instant.at_ns),
    )


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
