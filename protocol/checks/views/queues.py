"""The lengths of the paging queues, counted from the moves of pages. They are one home's, so its records are exact in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import QUEUES
from protocol.checks.state import QueuesView
from protocol.checks.views.domain import ACTOR, Domain, Handler, nothing
from protocol.pages import HOLD
from protocol.records import Head


def _new() -> QueuesView:
    return QueuesView([0] * (HOLD + 1))


class Queues(Domain):
    """Each home of paging queues on this shard."""

    name = "queues"

    def __init__(self, state: dict[str, QueuesView], findings: Findings, checks: Sequence[Check]) -> None:
        self.queues = state
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        updates = {r.PAGE_QUEUE: _moved, r.PAGE_RELEASE: _released, r.PAGE_HOLD: _held, r.PAGE_COUNTS: nothing}
        return [
            (QUEUES, number, self.compose(number, self.queues, ACTOR, update, _new))  # type: ignore[arg-type]
            for number, update in updates.items()
        ]


def _moved(record: Any, view: QueuesView, head: Head) -> None:
    _, frame, old, new = record
    counts = view.counts
    counts[old] -= 1
    counts[new] += 1
    if old == HOLD:
        view.held.pop(frame, None)
    if new == HOLD:
        view.held[frame] = 1


def _released(record: Any, view: QueuesView, head: Head) -> None:
    """vm_page_free of a held page puts it on HOLD."""
    if record[4] == HOLD and record[1] not in view.held:
        view.held[record[1]] = 1
        view.counts[HOLD] += 1


def _held(record: Any, view: QueuesView, head: Head) -> None:
    """The last unhold takes the page off HOLD."""
    if not record[3] and record[1] in view.held:
        del view.held[record[1]]
        view.counts[HOLD] -= 1
