"""The locks of a thread whose routine is run again after a restore, as they were at each of its steps.

The thread's own are those of the instant of the snapshot. What a routine looks at while it is run again is told by what it began with and
by what its requests were answered; and so it says again what it said.
"""

from __future__ import annotations

from actors.kernel.requests import Acquire, Release, Request, SleepOn
from protocol.messages import Value
from protocol.messages.locks import UPGRADE


class Told:
    """Locks held, as far as the answers go. The fences are not known, and no contract asks for them."""

    __slots__ = ("depths", "held", "since")

    def __init__(self, found: tuple[tuple[str, int], ...]) -> None:
        self.held: tuple[tuple[str, int], ...] = tuple((lock, 0) for lock, _ in found)
        self.since = {lock: 0 for lock, _ in found}
        self.depths = {lock: depth for lock, depth in found if depth}

    def hear(self, request: Request, answer: Value) -> None:
        """What this request was answered."""
        if isinstance(request, Acquire):
            if answer and request.mode != UPGRADE:
                self._acquired(request.lock)
        elif isinstance(request, Release):
            if self.depths.get(request.lock):
                self.depths[request.lock] -= 1
            else:
                self._dropped(request.lock)
        elif isinstance(request, SleepOn):
            self._dropped(request.interlock)

    def _acquired(self, lock: str) -> None:
        if lock in self.since:
            self.depths[lock] = self.depths.get(lock, 0) + 1
            return
        self.since[lock] = 0
        self.held = (*self.held, (lock, 0))

    def _dropped(self, lock: str) -> None:
        del self.since[lock]
        self.held = tuple(pair for pair in self.held if pair[0] != lock)
