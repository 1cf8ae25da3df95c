"""What faults remember at a receiver: state, and part of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class Turn(msgspec.Struct):
    """How often a fault matched and fired: at one receiver, or in all."""

    matched: int = 0
    fired: int = 0


def summed(counts: Iterable[Mapping[str, Turn]]) -> dict[str, Turn]:
    """By name of fault, over several workers."""
    total: dict[str, Turn] = {}
    for part in counts:
        for name, count in part.items():
            sofar = total.get(name, Turn())
            total[name] = Turn(sofar.matched + count.matched, sofar.fired + count.fired)
    return total


class Coming(msgspec.Struct, omit_defaults=True):
    """A message that will come again: which fault made it late and what its record will say ("" for one that merely stays behind);
    ``gone``: it is recorded then, and not handled."""

    fault: str = ""
    text: str = ""
    gone: bool = False


class Watch(msgspec.Struct):
    """What is remembered at one watched receiver: turns by fault, messages that will come again by identity "sender:seq", and how far each
    pair is held back."""

    turns: dict[str, Turn] = {}
    delayed: dict[str, Coming] = {}
    behind_ns: dict[str, int] = {}
    """Sender to the latest delivery that a delay has moved."""
    broken: str = ""
    """Why this actor handles nothing any more."""
