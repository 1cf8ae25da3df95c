"""Free lists: the count each home of free lists keeps, followed record by record. A single actor's own records are exact in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import FREE
from protocol.checks.views.domain import Domain, Handler
from protocol.identity import FREE_QUEUES
from protocol.records import Head

UNKNOWN = -1
"""The count of a home of which nothing was heard and that does not start with all frames."""


class FreeCounts(Domain):
    """Home of free lists to the count it last told; at the start all frames of the machine are free, in ``fq``."""

    name = "free"

    def __init__(self, state: dict[str, int], frames: int, findings: Findings, checks: Sequence[Check]) -> None:
        self.counts = state
        self.frames = frames
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        return [
            (FREE, r.FREE_TAKE, self._counter(r.FREE_TAKE, 5)),
            (FREE, r.FREE_PUT, self._counter(r.FREE_PUT, 3)),
            (FREE, r.FREE_WITHHOLD, self._counter(r.FREE_WITHHOLD, 2)),
        ]

    def _counter(self, number: int, position: int) -> Handler:
        before = self.around(number)[0]
        counts, frames = self.counts, self.frames

        def handler(record: Any, head: Head, index: int) -> None:
            home = head[3]
            count = counts.get(home, frames if home == FREE_QUEUES else UNKNOWN)
            if count != UNKNOWN:
                for hook in before:
                    hook(record, count, head, index)
            counts[home] = record[position]

        return handler
