"""The window loop: conservative windows that end at slices' edges, the same code for one worker and for many.

All workers agree on the earliest pending time T, run everything before T + lookahead, exchange in one all-to-all round, repeat. A horizon
per pair of workers instead of a common T saved 4 % of the windows in a prototype and cost the one-time cut that snapshots rest on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Protocol

import anyio.lowlevel

from cluster.engine.codec import SNAPSHOT, Codec
from cluster.engine.ending import Ending, Key, Status, decide, status_of
from cluster.engine.engine import Engine
from cluster.engine.frames import BATCH, CHECK, STATUS
from cluster.engine.meter import Meter
from cluster.engine.sinks import CheckShard, SliceSink
from cluster.plan import Limits
from protocol.event import SLICE_BITS, Event
from protocol.records import Entry

CHECKPOINT_NS = 20_000_000
"""A worker lets its event loop look at cancellation and control so often, in wall-clock ns."""
STRIDE = 2048
"""Events between two looks at the wall clock."""


class Transport(Protocol):
    """All-to-all rounds between workers."""

    rank: int
    workers: int
    waited_ns: int

    async def exchange(self, kind: int, bodies: list[bytes]) -> list[bytes]:
        """Send ``bodies[r]`` to each rank r and return what each sent in the same round (own body in its place)."""


class WindowLoop:
    """One worker's run. ``window`` counts exchanges, ``earliest_ns`` is T, ``slice_index`` the open slice."""

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        codec: Codec,
        sink: SliceSink,
        checks: CheckShard,
        limits: Limits,
        lookahead_ns: int,
        tasks_total: int,
        *,
        stop_at_first: bool = False,
    ) -> None:
        self.engine = engine
        self.transport = transport
        self.codec = codec
        self.sink = sink
        self.checks = checks
        self.limits = limits
        self.lookahead_ns = lookahead_ns
        self.tasks_total = tasks_total
        self.stop_at_first = stop_at_first
        self.meter = Meter()
        self.window = 0
        self.slice_index = 0
        self.earliest_ns = -1
        self.pause: Callable[[WindowLoop], None] | None = None
        """Called every 20 ms: progress. It may look, and change nothing."""
        self.wants_snapshot: Callable[[int], bool] | None = None
        self.snapshot: Callable[[WindowLoop], Awaitable[None]] | None = None
        self._paused_ns = perf_counter_ns()

    @property
    def edge_ns(self) -> int:
        """Where the open slice ends, or where the run's virtual time does."""
        edge = (self.slice_index + 1) << SLICE_BITS
        return min(edge, self.limits.virtual_ns) if self.limits.virtual_ns else edge

    async def run(self) -> Ending:
        """Run to the end. Raises RunError if a peer or an actor fails."""
        if self.earliest_ns < 0:
            await self._agree()
        while True:
            if self.earliest_ns >= self.edge_ns:
                ending = await self._close_slice()
                if ending is not None:
                    return ending
                self.slice_index = self.earliest_ns >> SLICE_BITS
            await self._work(min(self.earliest_ns + self.lookahead_ns, self.edge_ns))
            await self._agree()

    async def _work(self, limit_ns: int) -> None:
        """Handle everything before ``limit_ns``; stopping to look at the clock changes nothing."""
        self.meter.lap()
        while not self.engine.run_before(limit_ns, STRIDE):
            await self._breathe()
        self.meter.shares.busy_ns += self.meter.lap()
        await self._breathe()

    async def _breathe(self) -> None:
        if perf_counter_ns() - self._paused_ns > CHECKPOINT_NS:
            self.meter.shares.events = self.engine.events
            if self.pause is not None:
                self.pause(self)
            await anyio.lowlevel.checkpoint()
            self._paused_ns = perf_counter_ns()

    async def _round(self, kind: int, bodies: list[bytes]) -> list[bytes]:
        waited = self.transport.waited_ns
        received = await self.transport.exchange(kind, bodies)
        waited = self.transport.waited_ns - waited
        self.meter.shares.waiting_ns += waited
        self.meter.shares.exchanging_ns += self.meter.lap() - waited
        return received

    # A window's edge ------------------------------------------------------------------------------------------------------

    async def _agree(self) -> None:
        """Exchange what leaves and agree on T; then, if rank 0 asked for it, snapshot: nothing is in flight."""
        engine, rank, workers = self.engine, self.transport.rank, self.transport.workers
        earliest = engine.earliest()
        self.window += 1
        flags = SNAPSHOT if rank == 0 and self.wants_snapshot is not None and self.wants_snapshot(self.window) else 0
        if workers > 1:
            earliest, flags = await self._exchange(earliest, flags)
        self.earliest_ns = earliest
        self.meter.shares.windows += 1
        if flags & SNAPSHOT and self.snapshot is not None:
            await self.snapshot(self)

    async def _exchange(self, earliest: int, flags: int) -> tuple[int, int]:
        rank, workers, codec = self.transport.rank, self.transport.workers, self.codec
        bodies = [b""] * workers
        for peer in range(workers):
            if peer != rank:
                events: list[Event] = self.engine.take_outbox(peer)
                self.meter.shares.sent += len(events)
                bodies[peer] = codec.batch(self.window, earliest, flags, events)
        received = await self._round(BATCH, bodies)
        for peer in range(workers):
            if peer != rank:
                _, peer_earliest, peer_flags, events = codec.read_batch(received[peer], self.window, peer)
                earliest = min(earliest, peer_earliest)
                flags |= peer_flags
                self.engine.push(events)
        return earliest, flags

    # A slice's edge -------------------------------------------------------------------------------------------------------

    async def _close_slice(self) -> Ending | None:
        """The barrier: encode, check, agree on the end and the cut, record."""
        entries = self.engine.take_journal()
        self.sink.close_slice(self.slice_index, entries)
        if self.checks.active:
            await self._check(entries)
        statuses = await self._statuses()
        ending = decide(statuses, self.earliest_ns, self.edge_ns, self.limits, self.tasks_total, self._cut(statuses))
        self.sink.commit(ending.cut if ending is not None else None)
        if ending is not None and ending.cut is None:
            self.checks.finish(ending.ended, ending.at_ns)
        self.meter.shares.recording_ns += self.meter.lap()
        self.meter.shares.events = self.engine.events
        return ending

    async def _check(self, entries: list[Entry]) -> None:
        if self.transport.workers == 1:
            self.checks.feed_local(entries)
            return
        routed = self.checks.route(entries, self.transport.workers)
        self.meter.shares.recording_ns += self.meter.lap()
        self.checks.feed(await self._round(CHECK, routed))

    async def _statuses(self) -> list[Status]:
        """Everybody's report, by rank; the checks of all workers hear of each other in it."""
        own = status_of(self.engine.reporters, self.engine.events)
        if self.transport.workers == 1:
            return [own]
        own.cut, own.facts = self.checks.first_violation(), self.checks.derived()
        self.meter.shares.recording_ns += self.meter.lap()
        received = await self._round(STATUS, [self.codec.status(self.window, own)] * self.transport.workers)
        statuses = [self.codec.read_status(part, self.window, peer) for peer, part in enumerate(received)]
        if self.checks.active:
            self.checks.feed_global([status.facts for status in statuses])
        return statuses

    def _cut(self, statuses: list[Status]) -> Key | None:
        """Where the trace ends, if a violation is to end it: the least key that any shard, or the global stage, has found."""
        if not self.stop_at_first:
            return None
        keys = [status.cut for status in statuses if status.cut is not None]
        own = self.checks.first_violation()
        return min([*keys, own] if own is not None else keys, default=None)
