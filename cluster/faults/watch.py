"""What faults remember at a receiver: state, and part of a snapshot."""

from __future__ import annotations

import msgspec


class Turn(msgspec.Struct):
    """How often a fault matched and fired at one receiver."""

    matched: int = 0
    fired: int = 0


class Watch(msgspec.Struct):
    """What is remembered at one watched receiver: turns by fault, delayed messages that will come again, and how far each pair is held
    back."""

    turns: dict[str, Turn] = {}
    delayed: dict[str, str] = {}
    """Identity "sender:seq" of a delayed message to what its record will say; "" for one that merely stays behind."""
    behind_ns: dict[str, int] = {}
    """Sender to the latest delivery that a delay has moved."""
