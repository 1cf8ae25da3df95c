"""Make a run: load, compile, place, carry out.

Everything that can be wrong with the input is found before the run directory is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cluster.errors import InputError
from cluster.recording.manifest import Manifest
from cluster.recording.run_dir import RunDirectory
from cluster.scenario import Scenario, load
from cluster.seeds import SEED_MAX
from shootdown.carrying import SNAPSHOT_MS, WORKLOAD, How, Interrupted, OnProgress, begin, carry_out
from shootdown.placing import placement
from shootdown.result import Run
from shootdown.summary import particulars

if TYPE_CHECKING:
    from cluster.engine.deaths import Death

BACKENDS = ("trio", "asyncio")
SNAPSHOT_MS_MAX = 86_400_000

__all__ = ["Interrupted", "OnProgress", "run"]


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
    snapshot_ms: int = SNAPSHOT_MS,
    deaths: Sequence[Death] = (),
    on_progress: OnProgress | None = None,
    lasting: bool = True,
) -> Run:
    """Run ``scenario`` (a file, a name, a recording, or a loaded one) to its end.

    ``out``: the run directory, by default ``runs/<scenario>-<seed>-<n>``. ``transport``: ``socket`` (several workers,
    each a process) or ``inproc`` (all in this one). ``snapshot_ms``: how often to snapshot, in ms of wall-clock time (0: never, and a
    worker that dies begins anew). ``deaths``: where workers shall die, to try recovery (``cluster.engine.deaths``).
    ``lasting``: if not, the run directory is thrown away soon, and its small files are not forced to the disk.
    Raises InputError for bad input, RunError if the run could not be carried out, Interrupted after Ctrl-C.
    """
    check_options(seed, workers, backend, transport, snapshot_ms)
    if not isinstance(scenario, Scenario):
        scenario = load(scenario, sets, kernel, revert, apply)
    elif sets or kernel or revert or apply:
        raise InputError("sets, kernel, revert and apply belong to load(), not to a loaded scenario", key="scenario")
    workload = scenario.compile(seed)
    plan = scenario.to_plan(seed, workers, backend, transport or transport_for(workers), trace, workload)
    placement(scenario, seed=seed, workers=workers, workload=workload)
    directory = RunDirectory.create(scenario.name, seed, Path(out) if out is not None else None, lasting=lasting)
    manifest = Manifest(
        plan.scenario,
        seed,
        workers,
        msgspec.structs.replace(plan, workload_path=WORKLOAD, run_dir=""),
        versions=versions(),
        run=secrets.token_hex(8),
        particulars=particulars(scenario),
    )
    begin(directory, manifest, workload)
    return carry_out(directory, manifest, workload, How(on_progress, snapshot_ms, deaths=deaths, fresh=True))


def check_options(seed: int, workers: int, backend: str, transport: str | None, snapshot_ms: int) -> None:
    """Raise InputError for what no run can be made with."""
    if not 0 <= seed <= SEED_MAX:
        raise _refused("seed", seed, f"0 to {SEED_MAX}")
    if workers < 1:
        raise _refused("workers", workers, "1 to the number of root actors (`shootdown check` lists them)")
    if backend not in BACKENDS:
        raise _refused("backend", backend, " or ".join(BACKENDS))
    if not 0 <= snapshot_ms <= SNAPSHOT_MS_MAX:
        raise _refused("snapshot-ms", snapshot_ms, f"0 to {SNAPSHOT_MS_MAX}")
    allowed = ("inproc",) if workers == 1 else ("socket", "inproc")
    if transport is not None and transport not in allowed:
        raise _refused("transport", transport, f"{' or '.join(allowed)} for {workers} worker{'s' if workers > 1 else ''}")


def transport_for(workers: int) -> str:
    """What carries events between workers: nothing needs to for one, Unix sockets do for several processes."""
    return "inproc" if workers == 1 else "socket"


def _refused(key: str, found: object, allowed: str) -> InputError:
    return InputError(f"--{key}: found {found}, allowed: {allowed}", key=key, found=found, allowed=allowed)


def versions() -> dict[str, str]:
    """The libraries that a run was made with."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    """Asked once: finding a distribution's version costs milliseconds, as much as a small run's events."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    found = [("python", python_version())]
    for name in ("shootdown", "msgspec", "anyio", "trio", "zstandard"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)
