"""When a worker snapshots, and what it then does: state to bytes, bytes to the disk, word to the parent.

Snapshots follow the clock on the wall, not windows or virtual time: what they are worth is the work that need not be done again. Rank 0
asks, in a flag beside the bytes that are compared, and everybody takes part after that exchange. A worker whose log has grown asks too,
whatever the hour, so that memory is bounded. Asking for nothing is always right: a cut that not all have taken is never committed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import NamedTuple

from cluster.engine.snapshot import ShareState, pack
from cluster.errors import RunError
from cluster.recording.cuts import Part
from cluster.recording.manifest import digest_of, replace_file

SHARE_MAX = 25
"""A worker that has spent so much on a snapshot asks for the next only after this many times as long: at most 4 % of a run."""
LOG_BYTES_MAX = 64 << 20
AGAIN_NS = 1_000_000_000
"""How long to wait for a cut that was asked for because a log had grown."""


class Snapshots(NamedTuple):
    """What a run is asked for: snapshots every ``every_ns`` of wall-clock time (0: none) and after the exchanges ``windows``, in
    ``directory`` ("": nowhere, and nobody is recovered), one file ``<window>-<rank>.snapshot`` per worker.

    ``keep``: so many cuts stay on disk (0: all). ``run`` names the run they are of.
    """

    windows: tuple[int, ...] = ()
    directory: str = ""
    every_ns: int = 0
    keep: int = 0
    run: str = ""
    log_bytes_max: int = LOG_BYTES_MAX


class Snapshotter:
    """One worker's snapshots. ``state`` gives its share as data; ``told`` hears of every one taken; ``log_bytes`` is the log's length.

    ``point`` is called with the name of each step: a test dies there.
    """

    def __init__(
        self, snapshots: Snapshots, rank: int, state: Callable[[], ShareState], told: Callable[[Part], None], log_bytes: Callable[[], int]
    ) -> None:
        self.snapshots = snapshots
        self.rank = rank
        self.state = state
        self.told = told
        self.log_bytes = log_bytes
        self.point: Callable[[str, int], None] = lambda name, window: None
        self.taken = 0
        self.bytes = 0
        self._windows = frozenset(snapshots.windows) if rank == 0 else frozenset()
        self._every_ns = snapshots.every_ns if rank == 0 else 0
        self._due_ns = perf_counter_ns() + self._every_ns
        self._patience_ns = 0

    def wants(self, window: int) -> bool:
        """Shall everybody snapshot after this exchange?"""
        if window in self._windows:
            return True
        if self.log_bytes() > self.snapshots.log_bytes_max and perf_counter_ns() > self._patience_ns:
            self._patience_ns = perf_counter_ns() + AGAIN_NS
            return True
        return self._every_ns > 0 and perf_counter_ns() > self._due_ns

    def take(self) -> None:
        """Snapshot this share. One that cannot be written is no reason to end the run."""
        began = perf_counter_ns()
        state = self.state()
        self.point("snapshot-before", state.window)
        data = pack(state)
        name = f"{state.window}-{self.rank}.snapshot"
        failed = self._write(name, data, state.window)
        cost_ns = perf_counter_ns() - began
        self._due_ns = perf_counter_ns() + max(self._every_ns, SHARE_MAX * cost_ns)
        self.taken += 1
        self.bytes += len(data)
        self.told(
            Part(self.rank, state.window, state.rounds, state.earliest_ns, name, len(data), digest_of(data), cost_ns, failed),
        )
        self.point("snapshot-after", state.window)

    def _write(self, name: str, data: bytes, window: int) -> str:
        """A whole file, forced to the disk with its name, or none and the reason."""
        path = Path(self.snapshots.directory) / name
        try:
            replace_file(path, data, lambda: self.point("snapshot-within", window))
        except RunError as error:
            return str(error)
        return ""
