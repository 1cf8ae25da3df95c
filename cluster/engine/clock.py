"""The engine's clock: what event is being handled, and when that is.

It is an object of its own, not the engine, so that an actor holding its clock holds nothing else.
"""

from __future__ import annotations

from protocol.event import Event
from protocol.identity import BOOT

NEVER = 1 << 62
"""A time after every event, in ns (146 years)."""

START: Event = (0, 1, 0, BOOT, BOOT, 0, BOOT, 0, None)
"""What is being handled while actors begin: its identity, (boot, 0), is the cause of what they send."""


class EngineClock:
    """``now``: virtual time in ns of ``event``, the event being handled.

    ``limit_ns``: events before it may be handled. ``sent_ns``: earliest delivery among the events that are about to leave this worker;
    the first answer to them can arrive ``lookahead_ns`` later, so sending brings the limit forward.
    """

    __slots__ = ("event", "limit_ns", "lookahead_ns", "now", "sent_ns")

    def __init__(self, lookahead_ns: int = NEVER) -> None:
        self.now = 0
        self.event: Event = START
        self.lookahead_ns = lookahead_ns
        self.limit_ns = 0
        self.sent_ns = NEVER

    def leaves(self, at_ns: int) -> None:
        """An event that another worker will handle at ``at_ns`` was sent."""
        if at_ns < self.sent_ns:
            self.sent_ns = at_ns
            self.limit_ns = min(self.limit_ns, at_ns + self.lookahead_ns)
