"""Records that are judged by themselves: no view is kept for them."""

from __future__ import annotations

from collections.abc import Sequence

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import PAGE, THREAD
from protocol.checks.views.domain import Domain, Handler
from protocol.machine import Machine

_ROLES = {r.PAGE_ACT: PAGE, r.ARRAY: THREAD, r.ALLOC_COLOUR: THREAD, r.UNGUARDED: THREAD, r.PEEK: THREAD}


class Facts(Domain):
    """Checks that need nothing but the record and the machine's constants."""

    name = "facts"

    def __init__(self, machine: Machine, findings: Findings, checks: Sequence[Check]) -> None:
        self.machine = machine
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        return [handler for number, role in _ROLES.items() for handler in self.unseen(role, number)]
