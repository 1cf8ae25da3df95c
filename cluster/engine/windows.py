"""The window loop: conservative windows that end at slices' edges, the same code for one worker and for many.

Each worker tells all others its earliest pending time in one all-to-all round that also carries the events, then handles everything before
the earliest of the *others* plus the lookahead, or, once it has sent something, before the first possible answer to that. So two workers
that have nothing to say to each other for a while need no window for it; with one common limit for all (the textbook's T + lookahead) a
machine of 20 ns links needs a window every 40 ns whether anybody speaks or not. Workers may stand at different times after an exchange,
but nothing is in flight then, so it is still a consistent cut. T, the earliest time of all, decides when a slice closes: every worker's
time stays within the open slice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Protocol

import anyio.lowlevel

from cluster.engine.blackbox import BlackBox
from cluster.engine.clock import NEVER
from cluster.engine.codec import Codec
from cluster.engine.ending import STOPPED, Ending, Key, Status, decide, status_of
from cluster.engine.engine import Engine
from cluster.engine.frames import BATCH, CHECK, STATUS
from cluster.engine.garbage import CollectorPaused
from cluster.engine.meter import Meter
from cluster.engine.sinks import CheckShard, SliceSink
from cluster.plan import Limits
from protocol.event import SLICE_BITS
from protocol.records import Entry, Head

CHECKPOINT_NS = 20_000_000
"""A worker lets its event loop look at cancellation and control so often, in wall-clock ns."""
STRIDE = 2048
"""Events between two looks at the wall clock."""
SNAPSHOT = 1
"""Flag of a batch: its sender asks everybody to snapshot after this exchange."""


class Transport(Protocol):
    """All-to-all rounds between workers. ``rounds`` counts them since the run began; ``log_bytes`` is what is kept to be said
    again."""

    rank: int
    workers: int
    waited_ns: int
    rounds: int
    log_bytes: int

    def begin(self, rounds: int) -> None:
        """Go on after round ``rounds`` of a run."""

    async def exchange(self, kind: int, bodies: list[bytes], flags: int = 0) -> tuple[list[bytes], int]:
        """Send ``bodies[r]`` to each rank r; what each sent in the same round (own body in its place), and everybody's flags in one."""


class WindowLoop:
    """One worker's run.

    ``window`` counts exchanges, ``earliest_ns`` is T, ``others_ns`` the earliest event that another worker may still handle,
    ``slice_index`` the open slice.
    """

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
        self.others_ns = -1
        self.restored = False
        self.stop_ns = NEVER
        """The run stands still before this time (``STOPPED``)."""
        self.pause: Callable[[WindowLoop], None] | None = None
        """Called every 20 ms: progress. It may look, and change nothing."""
        self.wants_snapshot: Callable[[int], bool] | None = None
        self.snapshot: Callable[[WindowLoop], Awaitable[None]] | None = None
        self.black_box: BlackBox | None = None
        """Where to write down how far this worker is, for those who find it dead."""
        self.careful_until = -1
        """Up to this window each event is written down, too."""
        self._paused_ns = perf_counter_ns()

    @property
    def edge_ns(self) -> int:
        """Where the open slice ends, or where the run's virtual time does."""
        edge = (self.slice_index + 1) << SLICE_BITS
        return min(edge, self.limits.virtual_ns) if self.limits.virtual_ns else edge

    async def run(self) -> Ending:
        """Run to the end. Raises RunError if a peer or an actor fails."""
        with CollectorPaused() as collector:
            return await self._run(collector)

    async def _run(self, collector: CollectorPaused) -> Ending:
        if self.earliest_ns < 0:
            await self._agree()
        while True:
            if self.earliest_ns >= self.stop_ns < self.edge_ns:
                return Ending(STOPPED, self.stop_ns, "the instant that was asked for")
            if self.earliest_ns >= self.edge_ns:
                ending = await self._close_slice()
                if ending is not None:
                    return ending
                collector.at_edge(self.engine.events)
                self.slice_index = self.earliest_ns >> SLICE_BITS
                continue
            await self._work(min(self.others_ns + self.lookahead_ns, self.edge_ns, self.stop_ns))
            await self._agree()

    async def _work(self, limit_ns: int) -> None:
        """Handle everything before ``limit_ns``; stopping to look at the clock changes nothing."""
        self.meter.lap()
        if self.black_box is not None:
            self.black_box.window(self.window, self.earliest_ns)
        careful = self.window <= self.careful_until
        while not self._step(limit_ns, careful):
            await self._breathe()
        self.meter.shares.busy_ns += self.meter.lap()
        await self._breathe()

    def _step(self, limit_ns: int, careful: bool) -> bool:
        """Some events, or one that is written down for as long as it is handled."""
        if not careful or self.black_box is None:
            return self.engine.run_before(limit_ns, STRIDE)
        if self.engine.heap:
            self.black_box.event(self.window, self.engine.heap[0])
        done = self.engine.run_before(limit_ns, 1)
        self.black_box.window(self.window, self.earliest_ns)
        return done

    async def _breathe(self) -> None:
        if perf_counter_ns() - self._paused_ns > CHECKPOINT_NS:
            self.meter.shares.events = self.engine.events
            if self.pause is not None:
                self.pause(self)
            await anyio.lowlevel.checkpoint()
            self._paused_ns = perf_counter_ns()

    async def _round(self, kind: int, bodies: list[bytes], flags: int = 0) -> tuple[list[bytes], int]:
        waited = self.transport.waited_ns
        received = await self.transport.exchange(kind, bodies, flags)
        waited = self.transport.waited_ns - waited
        self.meter.shares.waiting_ns += waited
        self.meter.shares.exchanging_ns += self.meter.lap() - waited
        return received

    # A window's edge ------------------------------------------------------------------------------------------------------

    async def _agree(self) -> None:
        """Exchange what leaves and agree on T; then, if anybody asked for it, snapshot: nothing is in flight."""
        earliest = self.engine.earliest()
        self.window += 1
        flags = SNAPSHOT if self.wants_snapshot is not None and self.wants_snapshot(self.window) else 0
        others = NEVER
        if self.transport.workers > 1:
            others, flags = await self._exchange(earliest, flags)
        self.earliest_ns, self.others_ns = min(earliest, others), others
        self.meter.shares.windows += 1
        if flags & SNAPSHOT and self.snapshot is not None:
            await self.snapshot(self)
            self.meter.shares.snapshot_ns += self.meter.lap()

    async def _exchange(self, earliest: int, flags: int) -> tuple[int, int]:
        """One round: the earliest event that others may still handle, what we have just sent them included, and the flags."""
        rank, codec, window = self.transport.rank, self.codec, self.window
        outboxes, others = self.engine.take_outboxes()
        bodies = [codec.batch(window, earliest, events) for events in outboxes]
        self.meter.shares.sent += sum(map(len, outboxes))
        received, flags = await self._round(BATCH, bodies, flags)
        for peer, body in enumerate(received):
            if peer != rank:
                _, peer_earliest, events = codec.read_batch(body, window, peer)
                others = min(others, peer_earliest)
                if events:
                    self.engine.push(events)
        return others, flags

    # A slice's edge -------------------------------------------------------------------------------------------------------

    async def _close_slice(self) -> Ending | None:
        """The barrier: encode, check, agree on the end and the cut, record."""
        entries = self.engine.take_journal()
        if self.restored:  # shares that stood at different times were put together
            entries.sort(key=_head)
            self.restored = False
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
        received, _ = await self._round(CHECK, routed)
        self.checks.feed(received)

    async def _statuses(self) -> list[Status]:
        """Everybody's report, by rank; the checks of all workers hear of each other in it."""
        own = status_of(self.engine.reporters, self.engine.events)
        if self.transport.workers == 1:
            return [own]
        own.cut, own.facts = self.checks.first_violation(), self.checks.derived()
        self.meter.shares.recording_ns += self.meter.lap()
        received, _ = await self._round(STATUS, [self.codec.status(self.window, own)] * self.transport.workers)
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


def _head(entry: Entry) -> Head:
    return entry[0]
