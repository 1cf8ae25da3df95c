"""One worker's share of a run: model, engine, faults, checks and recorder put together: the same in the parent's process and in a
child's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cluster.engine.codec import Codec
from cluster.engine.ending import Key
from cluster.engine.engine import Engine, Place
from cluster.engine.models import Boot, build
from cluster.engine.partition import Partition, partition
from cluster.engine.results import Beat, FoundViolation, ShareResult
from cluster.engine.sinks import CheckShard, NoChecks, NoSink
from cluster.engine.snapshot import Point, ShareState, deal, restore, take
from cluster.engine.snapshotting import Snapshots, Snapshotter
from cluster.engine.windows import Transport, WindowLoop
from cluster.errors import InputError
from cluster.faults.inject import install
from cluster.plan import Plan
from cluster.recording.cuts import Part
from cluster.recording.recorder import Recorder, RecorderState
from protocol import workload as form
from protocol.workload import Workload


def load_workload(plan: Plan) -> Workload | None:
    """The compiled workload a plan names, or None. Raises InputError if it cannot be read or is something else."""
    if not plan.workload_path:
        return None
    path = Path(plan.workload_path)
    try:
        return form.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: the compiled workload cannot be read: {error.strerror}", file=str(path), found=error.strerror) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path} is not a compiled workload: {error}", file=str(path), found=str(error)) from error


def partition_of(boot: Boot, workers: int) -> Partition:
    """The partition of what a run starts with. Raises InputError for a worker count it cannot have."""
    least = min((boot.least_service_ns.get(kind, 0) for kind in boot.kinds), default=0)
    return partition(boot.domains, boot.latency_ns, workers, least, boot.near)


class Share:
    """Worker ``rank`` of ``plan``, ready to run.

    ``bare``: neither entries nor digest, for benchmarks. ``states``: the shares of a snapshot to start from, of any number of workers.
    ``own``: instead, this very worker's share of the run that its peers are still in; it goes on exactly as it went.
    """

    def __init__(
        self,
        plan: Plan,
        rank: int,
        transport: Transport,
        *,
        bare: bool = False,
        states: list[ShareState] | None = None,
        own: ShareState | None = None,
    ) -> None:
        self.plan = plan
        self.rank = rank
        self.boot = build(plan.model, load_workload(plan))
        self.partition = partition_of(self.boot, plan.workers)
        self.codec = Codec(self.boot.messages)
        place = Place(rank, plan.workers, self.partition.rank_of, self.partition.domain_of)
        self.engine = Engine(plan.seed, place, self.boot.latency_ns, lookahead_ns=self.partition.lookahead_ns, record=not bare)
        self.injector = install(self.engine, plan.model.faults, len(self.boot.actors) + 1, queue=states is None and own is None)
        self.checks: CheckShard = NoChecks() if bare else _checks(plan, rank)
        self.recorder = None if bare else Recorder(plan, rank, Path(plan.run_dir) if plan.run_dir else None)
        self.loop = WindowLoop(
            self.engine,
            transport,
            self.codec,
            self.recorder or NoSink(),
            self.checks,
            plan.model.limits,
            self.partition.lookahead_ns,
            self.boot.tasks_total,
            stop_at_first=plan.stop_at_first,
        )
        self.snapshotter: Snapshotter | None = None
        self._run = ""
        self._begin(own, states)

    def _begin(self, own: ShareState | None, states: list[ShareState] | None) -> None:
        """Start at time 0, or where a snapshot says."""
        if own is not None:
            self.checks.resume(own.checks)
            self._restore(own)
        elif states is not None:
            self.checks.restore([state.checks for state in states])
            self._restore(deal(states, self.engine.place, self.codec)[self.rank])
        else:
            self.engine.boot(self.boot.actors, self.boot.numbers())

    def _restore(self, state: ShareState) -> None:
        restore(self.engine, self.injector, self.codec, self.boot, state)
        if self.recorder is not None:
            self.recorder.restore(state.recorder)
        loop = self.loop
        loop.window, loop.earliest_ns, loop.others_ns, loop.slice_index = (
            state.window,
            state.earliest_ns,
            state.others_ns,
            state.slice_index,
        )
        loop.restored = True
        loop.transport.begin(state.rounds)

    def ask(self, snapshots: Snapshots, told: Callable[[Part], None]) -> None:
        """Snapshot when ``snapshots`` says, or when a peer asks; ``told`` hears of each."""
        if not snapshots.directory:
            return
        self._run = snapshots.run
        transport = self.loop.transport
        taker = self.snapshotter = Snapshotter(snapshots, self.rank, self.state, told, lambda: transport.log_bytes)

        async def snapshot(loop: WindowLoop) -> None:
            taker.take()
            loop.meter.shares.snapshots, loop.meter.shares.snapshot_bytes = taker.taken, taker.bytes

        self.loop.wants_snapshot, self.loop.snapshot = taker.wants, snapshot

    def state(self) -> ShareState:
        """This share as data; only at a window's edge."""
        loop = self.loop
        point = Point(loop.window, loop.transport.rounds, loop.earliest_ns, loop.others_ns, loop.slice_index)
        recorded = self.recorder.state() if self.recorder is not None else RecorderState()
        return take(self.engine, self.injector, self.codec, point, recorded, self.checks.state(), self._run)

    async def run(self) -> ShareResult:
        """Run to the end. Raises RunError if that is impossible."""
        ending = await self.loop.run()
        return ShareResult(
            rank=self.rank,
            ending=ending,
            shares=self.loop.meter.shares,
            recorded=self.recorder.finish() if self.recorder is not None else None,
            violations=_until(self.checks.found(), ending.cut),
            evaluated=self.checks.evaluated(),
            fault_counts=self.injector.counts,
            finals=self._asked("final"),
            waits=[row for rows in self._asked("waits").values() for row in rows],
        )

    def beat(self) -> Beat:
        """How far this share is. Asks the actors that report; changes nothing."""
        shares = self.loop.meter.shares
        shares.events = self.engine.events
        done = sum(actor.report()[0] for actor in self.engine.reporters)  # type: ignore[attr-defined]
        return Beat(self.rank, self.engine.clock.now, done, self.boot.tasks_total, shares)

    def _asked(self, method: str) -> dict[str, Any]:
        """What the actors that have ``method`` say, in order of name, if they say anything."""
        answers = {
            name: getattr(self.engine.actors[name], method)()
            for name in sorted(self.engine.actors)
            if hasattr(self.engine.actors[name], method)
        }
        return {name: answer for name, answer in answers.items() if answer}

    def abandon(self) -> None:
        """End here (Ctrl-C, a failure): what is recorded stays readable."""
        if self.recorder is not None:
            self.recorder.abandon()


def _until(violations: list[FoundViolation], cut: Key | None) -> list[FoundViolation]:
    """Violations in order, without those above the cut."""
    kept = [violation for violation in violations if cut is None or violation.key <= cut]
    return sorted(kept, key=lambda violation: (violation.key, violation.index, violation.check, violation.message))


def _checks(plan: Plan, rank: int) -> CheckShard:
    """The checks a plan names. The suite is loaded only if there are any: a PHOLD worker needs none of it."""
    if not plan.checks or plan.model.machine is None:
        return NoChecks()
    from cluster.engine.checking import checks_for

    return checks_for(plan, rank)
