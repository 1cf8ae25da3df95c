"""The event: one flat tuple that is queue entry, wire item and the head of a trace entry at once.

``(time, class, tie, receiver, sender, seq, cause_sender, cause_seq, message)``

The first six fields are the event's *key*; ``(sender, seq)`` is its identity and is unique, so comparison never reaches the
message. Keys are unique and every worker handles its events in ascending order of key. Names compare as text
(``cpu.10`` before ``cpu.2``), which is harmless: the order need only be total.
"""

from __future__ import annotations

from typing import Any

Event = tuple[int, int, int, str, str, int, str, int, Any]

TIME, CLASS, TIE, RECEIVER, SENDER, SEQ, CAUSE_SENDER, CAUSE_SEQ, MESSAGE = range(9)
KEY = slice(0, 6)
HEAD = slice(0, 8)

INTERRUPT, ORDINARY = 0, 1
"""Event classes: at one instant an interrupt is delivered before an ordinary message."""

SLICE_BITS = 20
SLICE_NS = 1 << SLICE_BITS
"""Length of the slices of virtual time at whose edges digests are chained and checks are fed."""
