"""Many seeds of one scenario, in batches, in several processes: what ``density`` and ``sweep`` have in common.

A process starts once and is given batches; a process per run would spend more time on imports than on a short run. Runs keep no trace and
leave no directory: what is wanted of each is taken from it while it is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TypeVar

from cluster.errors import RunError
from cluster.scenario import Scenario
from shootdown.result import Run
from shootdown.running import run

T = TypeVar("T")
BATCH = 10
"""Seeds that one process runs before it reports."""


def runs(scenario: Scenario, seeds: Sequence[int]) -> Iterator[tuple[int, Run]]:
    """Each seed with its run, whose directory goes when the next is asked for. Raises RunError, which names the seed."""
    for seed in seeds:
        with TemporaryDirectory(prefix="shootdown-seed-") as directory:
            try:
                made = run(scenario, seed=seed, out=Path(directory) / "run", trace=False, snapshot_ms=0, lasting=False)
            except RunError as error:
                raise RunError(f"seed {seed} of {scenario.name}: {error}", found=seed) from error
            yield seed, made


class Processes:
    """Work over seeds, spread over ``jobs`` processes; with one job it is done here. A context manager."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_parent) if jobs > 1 else None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def over(self, seeds: Sequence[int], work: Callable[[Sequence[int]], T]) -> list[T]:
        """What ``work`` makes of each batch, in order of seeds. ``work`` and what it makes must be picklable."""
        batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
        return list(map(work, batches) if self._pool is None else self._pool.map(work, batches))


def _end_with_parent() -> None:
    """In a process of :class:`Processes`: end when the one that started it is gone, killed perhaps, or it would wait for work for ever.

    The pool's own pipes do not tell: its processes hold both ends of them.
    """
    parent = parent_process()
    assert parent is not None, "this is asked in a process that was started"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
