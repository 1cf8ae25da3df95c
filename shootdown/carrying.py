"""Carry a plan out in its run directory and store what came of it: the same for a new run, one resumed, and one forked off another.

A manifest holds the plan without paths, so that a run directory can be moved; they are put in here. While a run goes on it holds a lock,
which its workers inherit: nobody resumes a run whose last worker has not noticed yet that its parent is gone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cluster.errors import InputError, ShootdownError
from cluster.plan import Plan
from cluster.recording.cuts import CUTS, Cut
from cluster.recording.manifest import Manifest, vouched
from cluster.recording.oplog import OperationalLog, open_log
from cluster.recording.run_dir import RunDirectory
from protocol.workload import Workload, decode, encode
from shootdown.driving import drive
from shootdown.result import Run, open_run
from shootdown.summary import stored, summarise

if TYPE_CHECKING:
    from cluster.engine.deaths import Death
    from cluster.engine.results import Outcome, Progress
    from cluster.engine.snapshot import ShareState

OnProgress = Callable[["Progress", float], None]
"""Told how far a run is, about five times a second, and what share of it (0 to 1) that is likely to be."""
WORKLOAD = "workload.msgpack"
SNAPSHOT_MS = 2000
"""How often a run snapshots unless told otherwise, in ms of wall-clock time (docs/recovery.md has the cost)."""
CUTS_KEPT = 8


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended the run; ``path`` holds what was recorded by then."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


class How(NamedTuple):
    """What a run is carried out with that does not touch its outcome.

    ``states`` and ``cuts``: from where it goes on; ``deaths``: where workers shall die; ``fresh``: nothing was there before, so nothing
    need stay if it cannot be carried out.
    """

    on_progress: OnProgress | None = None
    snapshot_ms: int = SNAPSHOT_MS
    states: Sequence[ShareState] | None = None
    cuts: Sequence[Cut] = ()
    deaths: Sequence[Death] = ()
    fresh: bool = False


def begin(directory: RunDirectory, manifest: Manifest, workload: Workload) -> None:
    """Write what a run must leave before its first event: the workload, and the manifest that vouches for it.

    If that cannot be, nothing is left. Raises RunError.
    """
    try:
        directory.write(WORKLOAD, encode(workload))
        directory.write_manifest(manifest)
    except ShootdownError:
        directory.discard()
        raise


def workload_of(run_dir: Path, manifest: Manifest) -> Workload:
    """The workload of a run that was begun. Raises InputError if it is damaged or missing."""
    path = run_dir / WORKLOAD
    data = vouched(path, manifest.files)
    if data is None:
        raise InputError(f"{path}: the run has no compiled workload", file=str(path), found="nothing", allowed="what a run writes there")
    return decode(data)


def carry_out(directory: RunDirectory, manifest: Manifest, workload: Workload, how: How) -> Run:
    """Run what was begun to its end, store it, and give the directory its name.

    What was recorded stays under ``.partial`` after an interruption or a failure, and can be resumed; after a full disk with no cut on it
    nothing stays, since half a trace is what filled it. Raises RunError, InputError, Interrupted.
    """
    log = open_log(directory.log_path, "parent")
    held = directory.hold()
    try:
        summary = _carry_out(directory, manifest, workload, how, log, held)
    except KeyboardInterrupt:
        log.info("run interrupted")
        raise Interrupted(directory.path) from None
    except ShootdownError as error:
        log.info("run failed", kind=error.kind, reason=str(error))
        if how.fresh and not (directory.snapshots / CUTS).exists() and (isinstance(error, InputError) or _disk_full(error)):
            directory.discard()
        raise
    finally:
        log.close()
        os.close(held)
    assert summary["run_dir"] == str(directory.path), "the summary names the directory where it is"
    return open_run(directory.path)


def _carry_out(directory: RunDirectory, manifest: Manifest, workload: Workload, how: How, log: OperationalLog, held: int) -> dict[str, Any]:
    plan = manifest.plan
    log.info("run started", scenario=plan.scenario, seed=plan.seed, workers=plan.workers, transport=plan.transport, backend=plan.backend)
    outcome = _driven(_placed(plan, directory.path), directory, manifest.run, workload, how, log, held)
    log.info("run ended", ended=outcome.ended, why=outcome.why, digest=outcome.digest, wall_s=round(outcome.wall_s, 3))
    summary = summarise(manifest.particulars, plan, workload, outcome, directory.final)
    directory.write_violations(stored(violation) for violation in outcome.violations)
    directory.write_summary(summary)
    manifest.ended, manifest.digest, manifest.virtual_ns = outcome.ended, outcome.digest, outcome.virtual_ns
    manifest.events, manifest.records = outcome.events, outcome.records
    directory.write_manifest(manifest)
    directory.finish()
    return summary


def _driven(plan: Plan, directory: RunDirectory, run: str, workload: Workload, how: How, log: OperationalLog, held: int) -> Outcome:
    from cluster.engine.processes import PRIVATE
    from cluster.engine.snapshotting import Snapshots

    def news(event: str, fields: dict[str, object]) -> None:
        if event == PRIVATE:
            directory.note(held, str(fields["path"]))
        else:
            log.info(event, **fields)

    return drive(
        plan,
        _with_share(how.on_progress, workload) if how.on_progress is not None else None,
        states=how.states,
        snapshots=Snapshots((), str(directory.snapshots.resolve()), how.snapshot_ms * 1_000_000, CUTS_KEPT, run),
        cuts=how.cuts,
        deaths=how.deaths,
        news=news,
        keep=(held,),
    )


def _placed(plan: Plan, path: Path) -> Plan:
    """The plan with the paths of this run directory, wherever it is now."""
    return msgspec.structs.replace(plan, workload_path=str((path / WORKLOAD).resolve()), run_dir=str(path.resolve()))


def _disk_full(error: ShootdownError) -> bool:
    return error.found in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def _with_share(on_progress: OnProgress, workload: Workload) -> Callable[[Progress], None]:
    """Tell the share too: of the recorded time, or where nothing was recorded of the tasks."""
    end_ns = max((step.at_ns for task in workload.tasks for step in task.steps), default=0)

    def tell(found: Progress) -> None:
        share = found.virtual_ns / end_ns if end_ns else found.tasks_done / max(1, found.tasks_total)
        on_progress(found, min(1.0, share))

    return tell
