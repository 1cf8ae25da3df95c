"""Faults as data: what happens, to which messages or actors, when (design 7, the closed predicate language).

A message fault is decided where the message is *delivered*: the receiver counts matching deliveries in its own key order, so ``nth``
means the same for any number of workers. Counting at the senders was rejected: it would make ``nth`` depend on which sender came first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

FAULT_KINDS = ("delay", "jitter", "lose", "stall", "pager-error", "memory")


class When(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which deliveries a fault applies to. Every given item must match.

    ``kind``: the message's word, with ``*`` and ``?`` as in a shell ("ipi", "lock-*"). ``to`` and ``sender``: names of actors, likewise.
    ``nth``: only the nth match (counted from 1 at each receiver); ``every``: each match whose number is a multiple; ``from_ns`` and
    ``until_ns``: a window of virtual time [from, until). ``count``: stop after so many firings at a receiver.
    """

    kind: str = "*"
    to: str = "*"
    sender: str = "*"
    nth: int = 0
    every: int = 0
    from_ns: int = 0
    until_ns: int = 0
    count: int = 0


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One declared fault.

    delay: matching messages arrive ``delay_ns`` later (later messages of the pair stay behind them). jitter: each arrives later by a time
    drawn from 0 to ``delay_ns``. lose: they do not arrive.
    stall: CPU ``cpu`` does nothing for ``duration_ns`` from ``at_ns``. pager-error: matching pager requests fail.
    memory: ``frames`` free frames are withheld from ``at_ns`` for ``duration_ns``.
    """

    name: str
    kind: str
    when: When = When()
    delay_ns: int = 0
    cpu: int = 0
    at_ns: int = 0
    duration_ns: int = 0
    frames: int = 0


def delay_max_ns(faults: Sequence[Fault]) -> int:
    """How much later than without these faults a message may arrive: by one delay, since those behind it are only kept in order."""
    return max((fault.delay_ns for fault in faults), default=0)


def stalled_ns(faults: Sequence[Fault]) -> int:
    """For how long these faults keep CPUs from handling what has arrived."""
    return sum(fault.duration_ns for fault in faults if fault.kind == "stall")
