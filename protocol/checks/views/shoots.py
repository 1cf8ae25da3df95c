"""The rendezvous of TLB shootdowns: which are under way, and how many acknowledgements came for the one that is.

An interrupt follows the initiator's record of the beginning, an acknowledgement the interrupt, and the end the last acknowledgement, so the
three are in order wherever they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import SHOOT
from protocol.checks.state import ShootView
from protocol.checks.views.domain import Domain, Handler
from protocol.identity import RENDEZVOUS
from protocol.messages.processor import LAZYPMAP
from protocol.records import Head


class Shoots(Domain):
    """The one rendezvous of the machine, on the shard that owns its name."""

    name = "shoots"

    def __init__(self, state: dict[str, ShootView], findings: Findings, checks: Sequence[Check]) -> None:
        self.shoots = state
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        begun, done, acked = (tuple(self.around(n)[0]) for n in (r.SHOOT_BEGIN, r.SHOOT_DONE, r.SHOOT_ACK))

        def begin(record: Any, head: Head, index: int) -> None:
            view = self.shoots.setdefault(RENDEZVOUS, ShootView())
            for hook in begun:
                hook(record, view, head, index)
            view.targets[record[1]] = len(record[5])
            view.acks = 0

        def end(record: Any, head: Head, index: int) -> None:
            view = self.shoots.setdefault(RENDEZVOUS, ShootView())
            for hook in done:
                hook(record, view, head, index)
            view.targets.pop(record[1], None)

        def ack(record: Any, head: Head, index: int) -> None:
            view = self.shoots.setdefault(RENDEZVOUS, ShootView())
            if view.lazy:
                view.lazy -= 1
                return
            view.acks += 1
            for hook in acked:
                hook(record, view, head, index)

        def told(record: Any, head: Head, index: int) -> None:
            if record[1] == LAZYPMAP:
                self.shoots.setdefault(RENDEZVOUS, ShootView()).lazy += 1

        return [(SHOOT, r.IPI_SEND, told), (SHOOT, r.SHOOT_BEGIN, begin), (SHOOT, r.SHOOT_DONE, end), (SHOOT, r.SHOOT_ACK, ack)]
