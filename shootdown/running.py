"""Make a run: load, compile, place, run, store.

Everything that can be wrong with the input is found before the run directory is made. What was recorded stays readable under ``.partial``
after an interruption, and after a failure too (a worker that died), for it and the operational log tell why; only a full disk is cleaned
up, since half a trace is what filled it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cluster.errors import InputError, ShootdownError
from cluster.plan import Plan
from cluster.recording.manifest import Manifest, replace_file
from cluster.recording.oplog import open_log
from cluster.recording.run_dir import RunDirectory
from cluster.scenario import Scenario, load
from protocol.workload import Workload, encode
from shootdown.driving import drive
from shootdown.placing import placement
from shootdown.result import Run, open_run
from shootdown.summary import stored, summarise

if TYPE_CHECKING:
    from cluster.engine.results import Progress
    from cluster.recording.oplog import OperationalLog

OnProgress = Callable[["Progress", float], None]
"""Told how far a run is, about five times a second, and what share of it (0 to 1) that is likely to be."""
BACKENDS = ("trio", "asyncio")
SEED_MAX = (1 << 64) - 1
WORKLOAD = "workload.msgpack"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended the run; ``path`` holds what was recorded by then."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def run(
    scenario: str | Path | Scenario,
    *,
    seed: int = 1,
    workers: int = 1,
    out: str | Path | None = None,
    sets: Sequence[str] = (),
    kernel: str | None = None,
    revert: Sequence[str] = (),
    apply: Sequence[str] = (),
    backend: str = "trio",
    transport: str | None = None,
    trace: bool = True,
    on_progress: OnProgress | None = None,
) -> Run:
    """Run ``scenario`` (a file, a name, a recording, or a loaded one) to its end.

    ``out``: the run directory, by default ``runs/<scenario>-<seed>-<n>``. ``transport``: ``socket`` (several workers,
    each a process) or ``inproc`` (all in this one).
    Raises InputError for bad input, RunError if the run could not be carried out, Interrupted after Ctrl-C.
    """
    _check_options(seed, workers, backend, transport)
    if not isinstance(scenario, Scenario):
        scenario = load(scenario, sets, kernel, revert, apply)
    elif sets or kernel or revert or apply:
        raise InputError("sets, kernel, revert and apply belong to load(), not to a loaded scenario", key="scenario")
    workload = scenario.compile(seed)
    plan = scenario.to_plan(seed, workers, backend, transport or _transport(workers), trace, workload)
    placement(scenario, seed=seed, workers=workers, workload=workload)
    directory = RunDirectory.create(scenario.name, seed, Path(out) if out is not None else None)
    log = open_log(directory.log_path, "parent")
    try:
        summary = _carry_out(scenario, plan, workload, directory, on_progress, log)
    except KeyboardInterrupt:
        log.info("run interrupted")
        raise Interrupted(directory.path) from None
    except ShootdownError as error:
        log.info("run failed", kind=error.kind, reason=str(error))
        if isinstance(error, InputError) or _disk_full(error):
            directory.discard()
        raise
    finally:
        log.close()
    assert summary["run_dir"] == str(directory.path), "the summary names the directory where it is"
    return open_run(directory.path)


def _check_options(seed: int, workers: int, backend: str, transport: str | None) -> None:
    if not 0 <= seed <= SEED_MAX:
        raise _refused("seed", seed, f"0 to {SEED_MAX}")
    if workers < 1:
        raise _refused("workers", workers, "1 to the number of root actors (`shootdown check` lists them)")
    if backend not in BACKENDS:
        raise _refused("backend", backend, " or ".join(BACKENDS))
    allowed = ("inproc",) if workers == 1 else ("socket", "inproc")
    if transport is not None and transport not in allowed:
        raise _refused("transport", transport, f"{' or '.join(allowed)} for {workers} worker{'s' if workers > 1 else ''}")


def _transport(workers: int) -> str:
    """What carries events between workers: nothing needs to for one, Unix sockets do for several processes."""
    return "inproc" if workers == 1 else "socket"


def _refused(key: str, found: object, allowed: str) -> InputError:
    return InputError(f"--{key}: found {found}, allowed: {allowed}", key=key, found=found, allowed=allowed)


def _disk_full(error: ShootdownError) -> bool:
    return error.found in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def _carry_out(
    scenario: Scenario,
    plan: Plan,
    workload: Workload,
    directory: RunDirectory,
    on_progress: OnProgress | None,
    log: OperationalLog,
) -> dict[str, Any]:
    path = directory.path / WORKLOAD
    replace_file(path, encode(workload))
    plan = msgspec.structs.replace(plan, workload_path=str(path.resolve()), run_dir=str(directory.path.resolve()))
    manifest = Manifest(plan.scenario, plan.seed, plan.workers, plan, versions=_versions())
    directory.write_manifest(manifest)
    log.info("run started", scenario=plan.scenario, seed=plan.seed, workers=plan.workers, transport=plan.transport, backend=plan.backend)
    outcome = drive(plan, _with_share(on_progress, workload) if on_progress is not None else None)
    log.info("run ended", ended=outcome.ended, why=outcome.why, digest=outcome.digest, wall_s=round(outcome.wall_s, 3))
    summary = summarise(scenario, plan, workload, outcome, directory.final)
    directory.write_violations(stored(violation) for violation in outcome.violations)
    directory.write_summary(summary)
    directory.write_manifest(
        msgspec.structs.replace(
            manifest,
            plan=msgspec.structs.replace(plan, workload_path=WORKLOAD, run_dir=""),
            ended=outcome.ended,
            digest=outcome.digest,
            events=outcome.events,
            records=outcome.records,
            virtual_ns=outcome.virtual_ns,
        )
    )
    directory.finish()
    return summary


def _with_share(on_progress: OnProgress, workload: Workload) -> Callable[[Progress], None]:
    """Tell the share too: of the recorded time, or where nothing was recorded of the tasks."""
    end_ns = max((step.at_ns for task in workload.tasks for step in task.steps), default=0)

    def tell(found: Progress) -> None:
        share = found.virtual_ns / end_ns if end_ns else found.tasks_done / max(1, found.tasks_total)
        on_progress(found, min(1.0, share))

    return tell


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    found = {"python": python_version()}
    for name in ("shootdown", "msgspec", "anyio", "trio", "zstandard"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
