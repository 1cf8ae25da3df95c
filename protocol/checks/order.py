"""I-ORDER: the lock-order witness (vm-facts 2.5, the 2006 kernel's subr_witness.c), in the kernel's own words.

Order is learnt between *types* of locks from single chains of acquisitions, so a deadlock is proved although the two threads never met;
a pair of types is known from the start, as in the kernel's list. Each shard reports the first time it sees an acquisition with given types
held; the global stage learns and judges these sightings in the order of their keys.

Of the ten rules, 4 to 8 are this check's: duplicates, sleepable and Giant after non-sleepable, reversals, try-locks, types. Rules 1, 3
and 10 are panics of the machine (``blockable sleep lock``, ``recursed on non-recursive mutex``, ``not owned``), which I-SPIN and I-RECURSE
judge by the records as well; rule 2 is I-NOSLEEP, rule 9 I-SPIN.

One departure: witness learns an edge only from the last lock held, and asks about duplicates only there. Where that lock was got by a
try-lock the edge before it stays unknown, although whoever waits then holds both; so every pair of a lock held and the lock asked for is
learnt here.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import THREAD
from protocol.checks.state import ThreadView
from protocol.checks.views.threads import Threads
from protocol.messages.locks import TRY, TRY_SHARED, UPGRADE
from protocol.records import Head

NOT_WAITING = frozenset({TRY, TRY_SHARED, UPGRADE})
"""Modes in which nobody waits: not checked, and no edge is learnt."""


class Order(Check):
    """Statement: the graph of lock types, with an edge from each lock held to each lock waited for, has no cycle; neither a sleepable lock
    nor Giant is acquired with a non-sleepable one held; two locks of one type are held only where the type allows it. Try-locks and
    recursive acquires are not checked and teach nothing; Giant and sleepable locks may be taken in either order.

    Evaluated: at every ``lock.wait``, and every ``lock.acquire`` that did not wait, with another lock held. Each pair of types is reported
    once. Detects: lock order reversals, by witness (C07, C13, C14, C19).
    """

    name = "I-ORDER"
    domains = ("threads",)
    before = {"threads": {r.LOCK_ACQUIRE: "acquire", r.LOCK_WAIT: "wait"}}

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.seen: set[tuple[tuple[str, ...], str]] = set()

    def attach(self, domain: Any) -> None:
        """Lock classes are looked up in the view."""
        self.threads: Threads = domain

    def acquire(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The lock was free."""
        if view.types and record[6] == 1 and record[3] not in NOT_WAITING and view.waiting != record[2]:
            self._sight(record, view, head, index)

    def wait(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The lock was taken: the order is judged before the wait, not after it."""
        if view.types:
            self._sight(record, view, head, index)

    def _sight(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        _, thread, lock, *_ = record
        if lock in view.held:
            return
        self.evaluated += 1
        inner = self.threads.lock_class(lock).type
        if (view.types, inner) not in self.seen:
            self.seen.add((view.types, inner))
            last = next(reversed(view.held))
            for held in view.held:
                outer = self.threads.lock_class(held)
                if outer.type != inner or not outer.duplicates:
                    self.findings.derive(head, index, THREAD, "order", thread, held, last, lock)
