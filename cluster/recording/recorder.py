"""The recorder of one worker: what the engine calls at the edges of slices.

``close_slice`` groups and encodes the slice; after the checks have spoken and all workers have agreed on where the trace ends, ``commit``
lets the chains take the bytes, writes the block and feeds the metrics. The two are apart because a check may cut the slice just closed,
and a chain that has taken bytes cannot give them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from cluster.inspect.metrics import Metrics
from cluster.inspect.tally import Tally, merged, shares
from cluster.plan import Plan
from cluster.recording.digest import Chain, Digest, LedgerRow, header, run_digest
from cluster.recording.encode import Counts, Groups, Key, encoded, until
from cluster.recording.trace import TraceWriter, trace_path
from protocol.records import Entry


class RecorderResult(msgspec.Struct):
    """A worker's share of what was recorded; crosses to the parent as MessagePack."""

    chains: dict[str, Chain]
    events: int
    records: int
    tally: Tally
    trace_bytes: int = 0
    ledger: list[LedgerRow] | None = None


class RecorderState(msgspec.Struct):
    """A recorder in a snapshot. ``trace`` holds (rank, file length, slices, entries) of each trace file that the state vouches for."""

    chains: dict[str, Chain] = {}
    tally: Tally = msgspec.field(default_factory=Tally)
    trace: list[tuple[int, int, int, int]] = []


class Recorded(msgspec.Struct):
    """What all workers recorded, put together by the parent."""

    digest: str
    events: int
    records: int
    tally: Tally
    trace_bytes: int


class Recorder:
    """Digest, trace and metrics of one worker. ``directory`` is the run directory, None for a run that keeps no files."""

    def __init__(self, plan: Plan, rank: int, directory: Path | None, ledger: bool = False) -> None:
        self.rank = rank
        self._directory = directory if plan.trace else None
        self._digest = Digest(ledger)
        self._metrics = Metrics()
        self._trace: TraceWriter | None = None
        self._adopted: dict[int, TraceWriter] = {}
        """Files of ranks that are no more: this worker sees that they are finished."""
        self._closed: tuple[int, Sequence[Entry], Groups, Counts] | None = None

    def close_slice(self, index: int, entries: Sequence[Entry]) -> None:
        """Prepare slice ``index``: ``entries`` are all of this worker's, in ascending key order."""
        assert self._closed is None, "a slice was closed before the last one was committed"
        self._closed = (index, entries, *encoded(entries))

    def commit(self, cut: Key | None = None) -> None:
        """Record the slice that was closed, without the entries whose key is above ``cut``.

        Raises RunError if the trace cannot be written.
        """
        assert self._closed is not None, "no slice was closed"
        index, entries, groups, counts = self._closed
        self._closed = None
        if cut is not None:
            entries = until(entries, cut)
            groups, counts = encoded(entries)
        self._digest.fold(index, groups, counts)
        if self._directory is not None:
            self._writer(self._directory).write(index, groups, counts)
        self._metrics.feed(entries)

    def finish(self) -> RecorderResult:
        """Close the trace as a whole one and give everything."""
        written = 0
        if self._directory is not None:
            trace = self._writer(self._directory)
            for file in [trace, *self._adopted.values()]:
                file.finish()
            written, self._trace = sum(file.offset for file in [trace, *self._adopted.values()]), None
            self._adopted = {}
        metrics = self._metrics
        return RecorderResult(self._digest.chains(), metrics.events, metrics.records, metrics.state(), written, self._digest.ledger)

    def abandon(self) -> None:
        """Close the trace as it is (Ctrl-C, a failure): readable up to the last slice committed."""
        for file in self._adopted.values():
            file.abandon()
        if self._trace is not None:
            self._trace.abandon()
        self._trace, self._adopted = None, {}

    def state(self) -> RecorderState:
        """The recorder as data, between a commit and the next close; what the trace holds by then is forced to the disk."""
        assert self._closed is None, "a slice is closed but not committed"
        files = []
        if self._directory is not None:
            trace = self._writer(self._directory)
            for rank, file in [(self.rank, trace), *self._adopted.items()]:
                files.append((rank, file.sync(), file.slices, file.entries))
        return RecorderState(self._digest.state(), self._metrics.state(), files)

    def restore(self, state: RecorderState) -> None:
        """Go on from :meth:`state`: the trace file is taken back to the length it had then."""
        self._digest.restore(state.chains)
        self._metrics.restore(state.tally)
        if self._directory is None:
            return
        self.abandon()
        own = (self.rank, 0, 0, 0)
        for row in state.trace:
            if row[0] == self.rank:
                own = row
            else:
                self._adopted[row[0]] = TraceWriter(trace_path(self._directory, row[0]), *row[1:])
        self._trace = TraceWriter(trace_path(self._directory, self.rank), *own[1:])

    def _writer(self, directory: Path) -> TraceWriter:
        """The trace file, opened at the first slice: a recorder that is about to be restored must not shorten what is there."""
        if self._trace is None:
            self._trace = TraceWriter(trace_path(directory, self.rank))
        return self._trace


def dealt(states: Iterable[RecorderState], place: Callable[[str], int], workers: int) -> list[RecorderState]:
    """The recorders of a snapshot, dealt out for ``workers`` workers; ``place`` is the worker of an actor.

    A trace file goes on under the worker of the same rank; files of ranks that are no more are left to worker 0 to finish.
    """
    states = list(states)
    parts = [RecorderState({}, tally, []) for tally in shares([state.tally for state in states], place, workers)]
    for state in states:
        for actor, chain in state.chains.items():
            parts[place(actor)].chains[actor] = chain
        for row in state.trace:
            parts[row[0] if row[0] < workers else 0].trace.append(row)
    return parts


def put_together(plan: Plan, results: Sequence[RecorderResult]) -> Recorded:
    """The run's digest and counts from all workers' results."""
    return Recorded(
        digest=run_digest(header(plan), [result.chains for result in results]),
        events=sum(result.events for result in results),
        records=sum(result.records for result in results),
        tally=merged(result.tally for result in results),
        trace_bytes=sum(result.trace_bytes for result in results),
    )
