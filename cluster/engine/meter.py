"""Where a worker's wall-clock time goes: busy, waiting, exchanging. For the report alone: nothing of it may reach a record."""

from __future__ import annotations

from time import perf_counter_ns

import msgspec


class Shares(msgspec.Struct):
    """Wall-clock ns a worker spent handling events, waiting for peers, exchanging with them, recording and checking, and taking
    snapshots; and how much it did."""

    busy_ns: int = 0
    waiting_ns: int = 0
    exchanging_ns: int = 0
    recording_ns: int = 0
    snapshot_ns: int = 0
    snapshots: int = 0
    snapshot_bytes: int = 0
    windows: int = 0
    events: int = 0
    sent: int = 0
    repeated: int = 0
    """Rounds that peers said again after they were started anew; each was compared with what they had said the first time."""

    def as_report(self) -> dict[str, float | int]:
        """Shares in percent of their sum, events and microseconds of work per window."""
        total = max(1, self.busy_ns + self.waiting_ns + self.exchanging_ns + self.recording_ns + self.snapshot_ns)
        windows = max(1, self.windows)
        return {
            "busy_percent": round(100 * self.busy_ns / total, 1),
            "waiting_percent": round(100 * self.waiting_ns / total, 1),
            "exchanging_percent": round(100 * self.exchanging_ns / total, 1),
            "recording_percent": round(100 * self.recording_ns / total, 1),
            "snapshot_percent": round(100 * self.snapshot_ns / total, 1),
            "snapshots": self.snapshots,
            "snapshot_bytes": self.snapshot_bytes,
            "windows": self.windows,
            "events": self.events,
            "events_sent": self.sent,
            "rounds_repeated": self.repeated,
            "events_per_window": round(self.events / windows, 1),
            "work_us_per_window": round(self.busy_ns / windows / 1000, 1),
        }


class Meter:
    """A stopwatch that is always in one of the shares."""

    __slots__ = ("shares", "since_ns")

    def __init__(self) -> None:
        self.shares = Shares()
        self.since_ns = perf_counter_ns()

    def lap(self) -> int:
        """Nanoseconds since the last call."""
        now = perf_counter_ns()
        spent = now - self.since_ns
        self.since_ns = now
        return spent
