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
    """``now``: virtual time in ns of ``event``, the event being handled."""

    __slots__ = ("event", "now")

    def __init__(self) -> None:
        self.now = 0
        self.event: Event = START
