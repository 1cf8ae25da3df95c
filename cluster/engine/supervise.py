"""Running a plan: one worker in this process, several in processes of their own, the same outcome.

One worker costs no child, no socket and no copy. Several are spawned, never forked: a fork of a process that runs an event loop continues
as the parent in surprising places.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, perf_counter_ns

import anyio

from cluster.engine.control import Start
from cluster.engine.deaths import Death
from cluster.engine.models import build
from cluster.engine.partition import Partition
from cluster.engine.processes import Crew, News, cut_facts, reporter, run_children
from cluster.engine.results import Outcome, Progress, ShareResult, progress_of
from cluster.engine.share import Share, load_workload, partition_of
from cluster.engine.snapshot import ShareState, pack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.transport_local import AloneTransport, Hub
from cluster.engine.windows import Transport, WindowLoop
from cluster.errors import InputError, RunError, ShootdownError
from cluster.faults.watch import summed
from cluster.plan import Plan
from cluster.recording.cuts import Cut, CutKeeper, Part
from cluster.recording.recorder import put_together

OnProgress = Callable[[Progress], None]
PROGRESS_NS = 200_000_000
"""Wall-clock ns between two progress reports."""


def _unheard(event: str, fields: dict[str, object]) -> None:
    """Nobody listens to what the processes do."""


@dataclass(frozen=True)
class Extras:
    """What a run is asked for besides its plan."""

    bare: bool
    states: list[ShareState] | None
    snapshots: Snapshots
    keeper: CutKeeper | None
    deaths: tuple[Death, ...]
    news: News
    keep: tuple[int, ...]

    def write_states(self, directory: Path) -> list[str] | None:
        """The states as files for workers to read; None if there are none."""
        if self.states is None:
            return None
        paths = [directory / f"{part}.snapshot" for part in range(len(self.states))]
        for path, state in zip(paths, self.states, strict=True):
            path.write_bytes(pack(state))
        return [str(path) for path in paths]


async def run_plan(
    plan: Plan,
    *,
    on_progress: OnProgress | None = None,
    bare: bool = False,
    states: Sequence[ShareState] | None = None,
    snapshots: Snapshots | None = None,
    cuts: Sequence[Cut] = (),
    deaths: Sequence[Death] = (),
    news: News = _unheard,
    keep: Sequence[int] = (),
) -> Outcome:
    """Run ``plan`` to its end; ``plan.run_dir``, if given, exists and gets the trace.

    ``bare`` runs without entries, digest and trace, for benchmarks. ``states``: the parts of a snapshot to start from. ``snapshots``:
    when to take some, and where to; with a place for them, workers that die are started anew. ``cuts``: those that are there already.
    ``deaths``: where workers shall die. ``news`` is told what the processes do. ``keep``: descriptors that workers inherit.

    Raises InputError for a plan that cannot be meant (more workers than root actors, an unknown model), RunError if the run could not be
    carried out. Cancellation stops all workers within a second; what is recorded by then stays readable.
    """
    where = check(plan)
    snapshots = snapshots or Snapshots()
    keeper = _keeper(plan, snapshots, cuts)
    extras = Extras(bare, list(states) if states is not None else None, snapshots, keeper, tuple(deaths), news, tuple(keep))
    run = _run_here if plan.workers == 1 or plan.transport == "inproc" else _run_apart
    try:
        return await run(plan, where, on_progress, extras)
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is None:  # Ctrl-C is not a group to whoever catches it
            raise KeyboardInterrupt from group
        raise


def _keeper(plan: Plan, snapshots: Snapshots, cuts: Sequence[Cut]) -> CutKeeper | None:
    if not snapshots.directory:
        return None
    directory = Path(snapshots.directory)
    if not directory.is_dir():
        raise RunError(f"{directory}: there is no such directory for snapshots", file=str(directory), found="nothing")
    return CutKeeper(directory, plan.workers, snapshots.run, snapshots.keep, cuts)


def check(plan: Plan) -> Partition:
    """The partition of ``plan``. Raises InputError if the plan cannot be meant."""
    if plan.workers < 1:
        raise InputError(f"{plan.workers} workers were asked for", key="workers", found=plan.workers, allowed="1 or more")
    return partition_of(build(plan.model, load_workload(plan)), plan.workers)


async def _run_here(plan: Plan, where: Partition, on_progress: OnProgress | None, extras: Extras) -> Outcome:
    """All workers as tasks of this process."""
    called = perf_counter()
    transports: list[Transport] = [AloneTransport()] if plan.workers == 1 else [*Hub(plan.workers).transports()]
    shares = [Share(plan, rank, transport, bare=extras.bare, states=extras.states) for rank, transport in enumerate(transports)]
    started = perf_counter()
    for share in shares:
        share.ask(extras.snapshots, partial(_snapped, extras))
    shares[0].loop.pause = _pausing(shares, on_progress, started)
    try:
        results = await _all([share.run for share in shares])
    except BaseException:  # whatever ends it, traces are closed as they are; the exception goes on
        for share in shares:
            share.abandon()
        raise
    return outcome(plan, where, results, started - called, perf_counter() - started)


def _snapped(extras: Extras, part: Part) -> None:
    """A share of this process has snapshotted."""
    assert extras.keeper is not None
    cut = extras.keeper.snapped(part)
    if part.failed:
        extras.news("snapshot failed", {"reason": part.failed})
    if cut is not None:
        extras.news("cut committed", cut_facts(cut))


def _pausing(shares: list[Share], on_progress: OnProgress | None, started: float) -> Callable[[WindowLoop], None]:
    reported = perf_counter_ns()

    def pause(loop: WindowLoop) -> None:
        nonlocal reported
        now = perf_counter_ns()
        if on_progress is not None and now - reported > PROGRESS_NS:
            reported = now
            on_progress(progress_of([share.beat() for share in shares], perf_counter() - started))

    return pause


async def _all(runs: list[Callable[[], Awaitable[ShareResult]]]) -> list[ShareResult]:
    """The results of several shares side by side. Raises the first failure alone, not a group of one."""
    if len(runs) == 1:
        return [await runs[0]()]
    results: dict[int, ShareResult] = {}
    failures: list[ShootdownError] = []
    async with anyio.create_task_group() as group:

        async def one(rank: int) -> None:
            try:
                results[rank] = await runs[rank]()
            except ShootdownError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        for rank in range(len(runs)):
            group.start_soon(one, rank)
    if failures:
        raise failures[0]
    return [results[rank] for rank in range(len(runs))]


async def _run_apart(plan: Plan, where: Partition, on_progress: OnProgress | None, extras: Extras) -> Outcome:
    """Every worker in a process of its own."""
    called = perf_counter()
    paths: list[str] | None = None

    def start(rank: int, token: str, private: str) -> Start:
        nonlocal paths
        if paths is None:
            paths = extras.write_states(Path(private))
        return Start(
            plan,
            rank,
            token,
            private,
            extras.bare,
            paths,
            snapshots=extras.snapshots,
            recovers=extras.keeper is not None and plan.model.limits.restarts > 0,
            deaths=extras.deaths,
        )

    beats = reporter(plan.workers, on_progress)
    restarts_max = plan.model.limits.restarts
    begin = (extras.states[0].window, extras.states[0].earliest_ns) if extras.states else (0, 0)
    crew = Crew(start, plan.workers, beats, extras.keeper if restarts_max else None, restarts_max, extras.news, extras.keep, begin)
    results, restarts, wall_s = await run_children(crew)
    made = outcome(plan, where, results, perf_counter() - called - wall_s, wall_s)
    made.restarts = [restart.sentence() for restart in restarts]
    return made


def outcome(plan: Plan, where: Partition, results: list[ShareResult], start_s: float, wall_s: float) -> Outcome:
    """All workers' results as one."""
    ending = results[0].ending
    recorded = [result.recorded for result in results if result.recorded is not None]
    whole = put_together(plan, recorded) if recorded else None
    violations = sorted((v for result in results for v in result.violations), key=lambda v: (v.key, v.index, v.check, v.message))
    return Outcome(
        ended=ending.ended,
        why=ending.why,
        virtual_ns=ending.at_ns,
        events=whole.events if whole is not None else sum(result.shares.events for result in results),
        records=whole.records if whole is not None else 0,
        digest=whole.digest if whole is not None else "",
        violations=violations,
        evaluated=_summed(results),
        fault_counts=summed(result.fault_counts for result in results),
        finals={name: final for result in results for name, final in sorted(result.finals.items())},
        waits=sorted((row for result in results for row in result.waits), key=repr),
        shares=[{"rank": result.rank, **result.shares.as_report()} for result in results],
        partition=where.report(),
        results=results,
        wall_s=wall_s,
        start_s=start_s,
    )


def _summed(results: list[ShareResult]) -> dict[str, tuple[int, int]]:
    total: dict[str, tuple[int, int]] = {}
    for result in results:
        for name, (evaluated, violations) in result.evaluated.items():
            before = total.get(name, (0, 0))
            total[name] = (before[0] + evaluated, before[1] + violations)
    return total
