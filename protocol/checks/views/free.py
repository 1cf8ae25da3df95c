"""Free lists: the counts each home of free lists keeps, followed record by record. A single actor's own records are exact in their
order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings, Hook
from protocol.checks.routing import FREE
from protocol.checks.state import FreeView
from protocol.checks.views.domain import Domain, Handler
from protocol.identity import FREE_QUEUES
from protocol.machine import Machine
from protocol.records import Head

UNKNOWN = -1
"""The count of a home of which nothing was heard and that does not start with all frames."""


class FreeCounts(Domain):
    """Home of free lists to what it has told of them; at the start all frames of the machine are free, none zeroed, in ``fq``."""

    name = "free"

    def __init__(self, state: dict[str, FreeView], machine: Machine, findings: Findings, checks: Sequence[Check]) -> None:
        self.counts = state
        self.machine = machine
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        return [
            (FREE, r.FREE_TAKE, self._counter(r.FREE_TAKE, 5, -1)),
            (FREE, r.FREE_PUT, self._counter(r.FREE_PUT, 3, 1)),
            (FREE, r.FREE_ASIDE, self._aside(tuple(self.around(r.FREE_ASIDE)[0]))),
            (FREE, r.FREE_WITHHOLD, self._counter(r.FREE_WITHHOLD, 2, 0)),
            (FREE, r.FREE_COUNTS, self._counter(r.FREE_COUNTS, 1, 0)),
        ]

    def _counter(self, number: int, position: int, frames: int) -> Handler:
        """``frames`` more stand on the lists than before the record, which tells the count at ``position``."""
        hooks = tuple(self.around(number)[0])
        counts, colours, known = self.counts, self.machine.colours, self._known

        def handler(record: Any, head: Head, index: int) -> None:
            view = counts.get(head[3])
            if view is None:
                view = counts[head[3]] = known(head[3])
            if view.count != UNKNOWN:
                for hook in hooks:
                    hook(record, view, head, index)
            view.count = record[position]
            if frames and view.buckets:
                view.buckets[record[1] % colours] += frames
                view.zeroed += frames if record[4 if frames < 0 else 2] else 0

        return handler

    def _aside(self, hooks: tuple[Hook, ...]) -> Handler:
        """A fault takes a frame off its list, or puts it back."""

        def handler(record: Any, head: Head, index: int) -> None:
            _, frame, zeroed, aside, free = record
            view = self.counts.get(head[3])
            if view is None:
                view = self.counts[head[3]] = self._known(head[3])
            if view.count != UNKNOWN:
                for hook in hooks:
                    hook(record, view, head, index)
            view.count = free
            if view.buckets:
                view.buckets[frame % self.machine.colours] -= 1 if aside else -1
                view.zeroed -= zeroed if aside else -zeroed

        return handler

    def _known(self, home: str) -> FreeView:
        if home != FREE_QUEUES:
            return FreeView()
        frames, colours = self.machine.frames, self.machine.colours
        buckets = [max(0, (frames - (colour or colours)) // colours + 1) for colour in range(colours)]
        return FreeView(frames, 0, buckets)
