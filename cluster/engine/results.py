"""What a run leaves: a worker's result, and the outcome that the parent puts together from all of them."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.engine.ending import Ending
from cluster.engine.meter import Shares
from cluster.faults.watch import Turn
from cluster.recording.recorder import RecorderResult


class FoundViolation(msgspec.Struct, frozen=True):
    """A violation on its way to the parent: the check, the key of the event and the index of the record that broke it, and the sentence."""

    key: tuple[int, int, int, str, str, int]
    index: int
    check: str
    message: str

    def as_json(self) -> dict[str, object]:
        """As ``run --json`` prints it."""
        time_ns, _, _, actor, sender, seq = self.key
        return {"check": self.check, "time_ns": time_ns, "actor": actor, "event": [sender, seq], "message": self.message}


class ShareResult(msgspec.Struct):
    """What a worker reports at the end; crosses to the parent as MessagePack.

    ``finals``: what actors say of themselves (optional ``final()``); ``waits``: who waits for whom (optional ``waits()`` rows, in words
    and numbers).
    """

    rank: int
    ending: Ending
    shares: Shares
    recorded: RecorderResult | None
    violations: list[FoundViolation]
    evaluated: dict[str, tuple[int, int]]
    fault_counts: dict[str, Turn]
    finals: dict[str, dict[str, Any]]
    waits: list[list[Any]]


class Outcome(msgspec.Struct):
    """What became of a run. Times of ``virtual_ns`` are virtual; ``shares`` are wall-clock, one row per worker.

    ``results`` are the workers' own, by rank, with the recorders' parts from which the run's digest is made (``digest`` holds it, "" for
    a bare run).
    """

    ended: str
    why: str
    virtual_ns: int
    events: int
    records: int
    digest: str
    violations: list[FoundViolation]
    evaluated: dict[str, tuple[int, int]]
    fault_counts: dict[str, Turn]
    finals: dict[str, dict[str, Any]]
    waits: list[list[Any]]
    shares: list[dict[str, float | int]]
    partition: dict[str, object]
    results: list[ShareResult]
    wall_s: float = 0.0
    """Seconds from the first event to the end, workers' start excluded."""
    start_s: float = 0.0
    """Seconds from the call to the first event."""
    restarts: list[str] = []
    """Workers that died and were started anew, a sentence each."""

    @property
    def faults_fired(self) -> dict[str, int]:
        """How often each fault fired."""
        return {name: count.fired for name, count in self.fault_counts.items()}

    @property
    def faults_matched(self) -> dict[str, int]:
        """How often what each fault's predicate speaks of came."""
        return {name: count.matched for name, count in self.fault_counts.items()}

    @property
    def recorded(self) -> list[RecorderResult]:
        """The recorders' results, by rank."""
        return [result.recorded for result in self.results if result.recorded is not None]


class Progress(msgspec.Struct):
    """How far a run is, summed over its workers: about five times a second of wall-clock time. Percentages are of all workers' time so
    far."""

    virtual_ns: int
    events: int
    windows: int
    busy_percent: float
    waiting_percent: float
    exchanging_percent: float
    us_per_window: float
    tasks_done: int
    tasks_total: int
    wall_s: float


class Beat(msgspec.Struct, array_like=True):
    """One worker's part of a progress report."""

    rank: int
    virtual_ns: int
    tasks_done: int
    tasks_total: int
    shares: Shares


def progress_of(beats: list[Beat], wall_s: float) -> Progress:
    """The run's progress from each worker's latest beat."""
    busy = sum(beat.shares.busy_ns for beat in beats)
    waiting = sum(beat.shares.waiting_ns for beat in beats)
    exchanging = sum(beat.shares.exchanging_ns for beat in beats)
    rest = sum(beat.shares.recording_ns + beat.shares.snapshot_ns for beat in beats)
    total = max(1, busy + waiting + exchanging + rest)
    windows = max(beat.shares.windows for beat in beats)
    return Progress(
        virtual_ns=min(beat.virtual_ns for beat in beats),
        events=sum(beat.shares.events for beat in beats),
        windows=windows,
        busy_percent=round(100 * busy / total, 1),
        waiting_percent=round(100 * waiting / total, 1),
        exchanging_percent=round(100 * exchanging / total, 1),
        us_per_window=round(busy / 1000 / len(beats) / max(1, windows), 1),
        tasks_done=sum(beat.tasks_done for beat in beats),
        tasks_total=beats[0].tasks_total,
        wall_s=wall_s,
    )
