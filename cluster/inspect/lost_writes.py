"""Lost writes: a store completed, and the page was cached or freed as clean without having been written out since (vm-facts I-DIRTY).

The stores are seen by CPUs, the page's cleanness by the queues' home, and the two may live on different workers. So each side keeps a
list, and the lists are joined when the run is over. A list entry per store is affordable: a store belongs to an access of the workload,
which is itself held in memory and is larger. Counting harvested M bits instead was rejected: it cannot tell a bit that went to the wrong
page from one that was dropped.

A page of anonymous memory that is freed without passing through CACHE counts nothing: its content was given up on purpose (munmap, exit).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from protocol.identity import is_boot_object
from protocol.pages import ACTIVE, CACHE, INACTIVE


class CleanPages:
    """The queues' home's side: since when each page has counted as clean, and the spans that ended in CACHE or in a release from there."""

    def __init__(self) -> None:
        self.clean_since: dict[int, int] = {}
        self.cached: dict[int, int] = {}
        self.spans: list[int] = []
        """frame, from, until, ...: stores at ``from`` <= time < ``until`` were lost."""

    def restore(self, spans: Sequence[int], clean_since: Mapping[int, int], cached: Mapping[int, int]) -> None:
        """Go on from the three attributes' values."""
        self.spans, self.clean_since, self.cached = list(spans), dict(clean_since), dict(cached)

    def bind(self, record: Any, time: int) -> None:
        """A frame became a page: nothing of it is unwritten."""
        self.clean_since[record[1]] = time
        self.cached.pop(record[1], None)

    def dirty(self, record: Any, time: int) -> None:
        """The dirty bitmap changed: all clear means written out."""
        if not record[3]:
            self.clean_since[record[1]] = time

    def queue(self, record: Any, time: int) -> None:
        """The page moved: into CACHE only as a clean one."""
        frame, new = record[1], record[3]
        if new == CACHE:
            self._end_span(frame, time)
            self.cached[frame] = time
        elif new in (ACTIVE, INACTIVE):
            self.cached.pop(frame, None)

    def release(self, record: Any, time: int) -> None:
        """The page is gone; from CACHE, as a clean one. What a file's page held is then on the disk, or lost."""
        frame = record[1]
        if self.cached.pop(frame, None) is not None or is_boot_object(record[2]):
            self._end_span(frame, time)
        self.clean_since.pop(frame, None)

    def _end_span(self, frame: int, time: int) -> None:
        self.spans += (frame, self.clean_since.get(frame, 0), time)
        self.clean_since[frame] = time


def lost_writes(stores: Sequence[int], spans: Sequence[int]) -> int:
    """How many of the stores (frame, time, ...) fall into a span (frame, from, until, ...) in which the page counted as clean."""
    if not spans:
        return 0
    times: dict[int, list[int]] = {}
    for frame, time in zip(stores[::2], stores[1::2], strict=True):
        times.setdefault(frame, []).append(time)
    for each in times.values():
        each.sort()
    lost = 0
    for frame, start, end in zip(spans[::3], spans[1::3], spans[2::3], strict=True):
        there = times.get(frame, [])
        lost += bisect_left(there, end) - bisect_left(there, start)
    return lost
