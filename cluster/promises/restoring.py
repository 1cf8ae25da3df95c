"""State is data: a run is snapshotted at drawn edges of windows, and continued from each in new processes on another number of workers.

Where to snapshot is drawn, seeded, among all edges of the run: chosen by hand they would be where somebody thought of trouble. What a
continued run must be equal in is all of ``Found.promised``: digest and chains, but also the checks' verdicts and counts, the faults'
turns and the metrics, each of which has state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from cluster.promises.job import Found, Job, differences

Carry = Callable[[Job], Found]
"""Carries out a job, each in processes of its own."""


class Restored(NamedTuple):
    """A run continued from the edge of ``window``, one of ``windows``: on ``after`` workers from the snapshot that ``before`` workers
    wrote. ``differs``: names of what is not as in the run that was never interrupted."""

    before: int
    after: int
    window: int
    windows: int
    found: Found
    differs: list[str]


def restored(job: Job, before: int, afters: tuple[int, ...], draw: int, directory: Path, carry: Carry) -> Iterator[Restored]:
    """Run ``job`` on ``before`` workers, snapshot at as many drawn edges as ``afters`` has counts, and continue on each count from one.

    ``draw`` seeds the choice. The run that snapshots, too, must be as the one that does not: it is compared in each result. A continued
    run has another hash seed, so it never shares a process with the run that it continues. Raises InputError, RunError.
    """
    whole = carry(msgspec.structs.replace(job, workers=before))
    windows = drawn(whole.windows, len(afters), draw)
    taking = msgspec.structs.replace(job, workers=before, snapshot_windows=tuple(sorted(windows)), snapshot_directory=str(directory))
    disturbed = differences(whole, carry(taking))
    for window, after in zip(windows, afters, strict=True):
        states = tuple(str(directory / f"{window}-{rank}.snapshot") for rank in range(before))
        found = carry(msgspec.structs.replace(job, workers=after, states=states, hash_seed=job.hash_seed + 1))
        differs = [f"with snapshots taken: {name}" for name in disturbed] + differences(whole, found)
        yield Restored(before, after, window, whole.windows, found, differs)


def drawn(windows: int, count: int, draw: int) -> list[int]:
    """``count`` windows of a run that has so many, all different where it has enough; the first and the last are as good as others."""
    edges = range(1, windows + 1)
    chosen = Random(draw).sample(edges, min(count, windows))
    return chosen + [Random(draw + number).choice(edges) for number in range(count - len(chosen))]
