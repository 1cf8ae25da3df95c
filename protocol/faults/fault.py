"""One declared fault: what happens, to which messages or actors, when (design 7, the closed predicate language).

A message fault is decided where the message is *delivered*: the receiver counts matching deliveries in its own key order, so ``nth``
means the same for any number of workers. Counting at the senders was rejected: it would make ``nth`` depend on which sender came first.
One struct holds the fields of all kinds: a union of a struct per kind would put a tag into every plan, and so into every digest.
"""

from __future__ import annotations

import msgspec


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
    """One declared fault. Which of the fields a kind has, and what they mean, says :data:`protocol.faults.kinds.KINDS`."""

    name: str
    kind: str
    when: When = When()
    delay_ns: int = 0
    cpu: int = 0
    at_ns: int = 0
    duration_ns: int = 0
    frames: int = 0
    percent: int = 100
    ppm: int = 0
    period_ns: int = 0
    pages: int = 1
    lock: str = ""
    channel: str = ""
    pager: str = ""
    side: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    one_way: bool = False
    retransmit_ns: int = 0
    tries: int = 8
    heal_ns: int = 0
    """From then on it does not happen any more, and what it has delayed arrives (0: never); of ``[liveness]``, not of the fault's own."""
