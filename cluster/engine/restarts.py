"""How often a worker that dies is started anew, and when that is given up.

A kill from outside hits anywhere; a worker that a model's own code brings down dies again at the same place. So restarts are counted per
place: the window in which the worker was. From the second death at one place on it is watched event by event, and when it is given up the
actor and the message can be named.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cluster.engine.blackbox import black_box_path, last_words
from cluster.errors import RunError


class Restart(NamedTuple):
    """One worker started anew: why, where it died (window and virtual time), and where its successor begins."""

    rank: int
    how: str
    window: int
    time_ns: int
    from_window: int
    from_ns: int

    def sentence(self) -> str:
        """In words."""
        start = f"the cut of window {self.from_window} ({self.from_ns} ns)" if self.from_window else "the beginning"
        return f"worker {self.rank} {self.how} at {self.time_ns} ns (window {self.window}); started anew from {start}"


class Restarts:
    """Counts deaths; ``limit`` is how many restarts one place is worth."""

    def __init__(self, limit: int, directory: str) -> None:
        self.limit = limit
        self.directory = directory
        self.made: list[Restart] = []
        self._places: dict[int, tuple[int, int]] = {}
        """By rank: the window of the last death, and how many there were in a row."""

    def died(self, rank: int, how: str, start: tuple[int, int]) -> int:
        """Worker ``rank`` is dead and shall begin again at ``start`` (window, virtual time); the window until which its successor is to
        write down every event, -1 for none. Raises RunError if that makes no sense any more."""
        window, time_ns, event = last_words(Path(black_box_path(self.directory, rank)))
        last, times = self._places.get(rank, (-1, 0))
        times = times + 1 if window == last else 1
        self._places[rank] = (window, times)
        if times > self.limit:
            raise self._given_up(rank, how, times, time_ns, event)
        self.made.append(Restart(rank, how, window, time_ns, *start))
        return window if times >= min(2, self.limit) else -1

    def _given_up(self, rank: int, how: str, times: int, time_ns: int, event: str) -> RunError:
        if self.limit == 0:
            return RunError(f"worker {rank} {how} before the run was over", key=f"worker {rank}", found=how)
        while_ = f" while {event}" if event else ""
        return RunError(
            f"worker {rank} died {times} times at {time_ns} ns of virtual time{while_}; the last time it {how}. "
            f"It was started anew {self.limit} times (limits.restarts)",
            key=f"worker {rank}",
            found=event or how,
            allowed=f"at most {self.limit} restarts at the same virtual time",
        )
