"""A stored run taken back to an instant: the ground of ``state`` and ``fork``.

``at_ns`` means before anything at that time has been handled. The nearest cut that can be believed is the start; what cuts are lost only
costs time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import msgspec

from cluster.errors import InputError
from cluster.plan import MODEL_VERSION, Plan
from cluster.recording.manifest import Manifest
from protocol.workload import Workload
from shootdown.carrying import WORKLOAD, workload_of
from shootdown.result import Run, open_run

if TYPE_CHECKING:
    from cluster.engine.ending import Ending
    from cluster.engine.reviving import Start
    from cluster.engine.share import Share

NS_MAX = 1 << 62


class Instant(NamedTuple):
    """A run as it was: ``share`` holds all its actors; ``ending`` is its end, if that came before."""

    run: Run
    workload: Workload
    at_ns: int
    share: Share
    ending: Ending | None

    @property
    def manifest(self) -> Manifest:
        """The run's."""
        return self.run.stored.manifest


def travel(path: str | Path, at_ns: int, trace_to: Path | None = None) -> Instant:
    """The run in ``path`` as it was before ``at_ns``. ``trace_to``: a run directory that gets the trace up to then.

    Raises InputError for an instant that cannot be, a run of another model version, or one without its workload.
    """
    from cluster.engine.reviving import last_start

    if not 0 <= at_ns <= NS_MAX:
        raise InputError(f"--at: found {at_ns}, allowed: 0 to {NS_MAX} ns", key="at", found=at_ns, allowed=f"0 to {NS_MAX}")
    run = open_run(path)
    manifest = run.stored.manifest
    if manifest.model_version != MODEL_VERSION:
        sentence = f"{run.path}: made with model version {manifest.model_version}, this program runs version {MODEL_VERSION}"
        raise InputError(sentence, file=str(run.path), found=manifest.model_version, allowed=MODEL_VERSION)
    workload = workload_of(run.path, manifest)
    start = last_start(run.path, manifest.run, trace=trace_to is not None, until_ns=at_ns)
    if trace_to is not None and start.states is not None:
        _copy_trace(run.path, trace_to, start)
    plan = _alone(manifest.plan, run.path, trace_to)
    share, ending = _advanced(plan, start, at_ns)
    return Instant(run, workload, at_ns, share, ending)


def _advanced(plan: Plan, start: Start, at_ns: int) -> tuple[Share, Ending | None]:
    from cluster.engine.advancing import advance

    found: tuple[Share, Ending | None] = anyio.run(advance, plan, start.states, at_ns, backend=plan.backend)
    return found


def _alone(plan: Plan, path: Path, trace_to: Path | None) -> Plan:
    """The plan on one worker in this process; with a trace only where it is wanted."""
    run_dir = str(trace_to.resolve()) if trace_to is not None and plan.trace else ""
    return msgspec.structs.replace(
        plan, workers=1, transport="inproc", workload_path=str((path / WORKLOAD).resolve()), run_dir=run_dir, trace=bool(run_dir)
    )


def _copy_trace(source: Path, target: Path, start: Start) -> None:
    """What the cut vouches for of the trace: a fork tells its story from the beginning."""
    from cluster.recording.trace import trace_path

    for state in start.states or ():
        for rank, offset, _, _ in state.recorder.trace:
            if offset:
                trace_path(target, rank).write_bytes(trace_path(source, rank).read_bytes()[:offset])


def states(path: str | Path, at_ns: int, actor: str = "*") -> dict[str, dict[str, Any]]:
    """The state of every actor whose name matches ``actor`` (a pattern as in a shell) before ``at_ns``, as plain data by name.

    Raises InputError if no actor is called so.
    """
    from fnmatch import fnmatchcase

    instant = travel(path, at_ns)
    actors = instant.share.engine.actors
    for one in actors.values():
        freeze = getattr(one, "freeze", None)
        if freeze is not None:
            freeze()
    found = {name: msgspec.to_builtins(actors[name], str_keys=True) for name in sorted(actors) if fnmatchcase(name, actor)}
    if not found:
        sentence = f"--actor: no actor is called {actor!r} at {at_ns} ns; there are {len(actors)}, such as {', '.join(sorted(actors)[:5])}"
        raise InputError(sentence, key="actor", found=actor, allowed=sorted(actors)[:100])
    return found
