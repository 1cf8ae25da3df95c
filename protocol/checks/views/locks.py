"""Locks: who holds each, and who waits for it.

A holder is a thread between its ``lock.acquire`` and its ``lock.release``: both are made by its own CPU, so a recorded holder truly owns
the lock at the home too, and a recorded waiter cannot have it. The owner that ``lock.wait`` names is not used: it was true when the home
answered, and may have given the lock back since; a cycle made of such memories would be no deadlock. Readers all hold the lock, and a
waiter waits for all of them.

Only contended locks are reported to the global stage: first the holders, then every change until nobody waits any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import LOCK
from protocol.checks.state import LocksState
from protocol.checks.views.domain import Domain, Handler
from protocol.records import Head


class Locks(Domain):
    """All locks of one shard."""

    name = "locks"

    def __init__(self, state: LocksState, findings: Findings, checks: Sequence[Check]) -> None:
        self.holders = state.holders
        self.waiters = state.waiters
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        return [(LOCK, r.LOCK_ACQUIRE, self._acquire), (LOCK, r.LOCK_RELEASE, self._release), (LOCK, r.LOCK_WAIT, self._wait)]

    def _acquire(self, record: Any, head: Head, index: int) -> None:
        _, thread, lock, _, _, _, _ = record
        holders = self.holders.get(lock)
        if holders is None:
            self.holders[lock] = [thread]
        elif thread not in holders:
            holders.append(thread)
        if lock in self.waiters:
            self._handed_over(lock, thread, head, index)

    def _handed_over(self, lock: str, thread: int, head: Head, index: int) -> None:
        waiters = self.waiters[lock]
        if thread in waiters:
            waiters.remove(thread)
            self.findings.derive(head, index, LOCK, "unwait", thread)
        if waiters:
            self.findings.derive(head, index, LOCK, "hold", lock, thread)
        else:
            del self.waiters[lock]
            self.findings.derive(head, index, LOCK, "clear", lock)

    def _release(self, record: Any, head: Head, index: int) -> None:
        _, thread, lock, _, _, depth = record
        holders = self.holders.get(lock)
        if depth or holders is None or thread not in holders:
            return
        holders.remove(thread)
        if not holders:
            del self.holders[lock]
        if lock in self.waiters:
            self.findings.derive(head, index, LOCK, "drop", lock, thread)

    def _wait(self, record: Any, head: Head, index: int) -> None:
        _, thread, lock, _ = record
        waiters = self.waiters.get(lock)
        if waiters is None:
            self.waiters[lock] = [thread]
            for holder in self.holders.get(lock, ()):
                self.findings.derive(head, index, LOCK, "hold", lock, holder)
        elif thread not in waiters:
            waiters.append(thread)
        self.findings.derive(head, index, LOCK, "wait", thread, lock)
