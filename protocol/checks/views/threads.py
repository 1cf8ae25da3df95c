"""Threads: the locks each holds in the order it got them, and how deep it is inside the kernel.

Records of locks are made by the thread's CPU in the thread's program order, so this view is exact at every record whatever the latencies
are. It is keyed by thread and not by CPU, since a task may migrate between two operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Derived, Findings
from protocol.checks.routing import REMEMBERED, THREAD
from protocol.checks.state import NEVER_NS, ThreadView
from protocol.checks.views.domain import Domain, Handler, nothing
from protocol.contracts import Contract
from protocol.locks import LockClass, class_of, may_recurse
from protocol.messages.queues import CHAN_NEEDED
from protocol.records import Head

IDLE_CHANNELS = frozenset({CHAN_NEEDED})
"""Where a daemon sleeps between two passes: it is inside its routine but works on nothing."""


class Threads(Domain):
    """All threads of one shard. ``contracts``: what each routine promises of locks."""

    name = "threads"

    def __init__(
        self,
        state: dict[int, ThreadView],
        findings: Findings,
        checks: Sequence[Check],
        kernel: Mapping[str, str] | None = None,
        contracts: Mapping[str, Contract] | None = None,
    ) -> None:
        self.threads = state
        self.kernel: Mapping[str, str] = kernel or {}
        self.contracts: Mapping[str, Contract] = contracts or {}
        self.classes: dict[str, LockClass] = {}
        self.left_ns = 0
        super().__init__(findings, checks)

    def lock_class(self, lock: str) -> LockClass:
        """The class of a lock, remembered by name (a plain dictionary is half the price of two cached calls)."""
        known = self.classes.get(lock)
        if known is None:
            if len(self.classes) >= REMEMBERED:
                self.classes.clear()
            known = self.classes[lock] = class_of(lock)
        return known

    def may_recurse(self, lock: str) -> bool:
        """May a holder acquire this lock again, in the kernel in force?"""
        return may_recurse(lock, self.kernel)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        updates = {
            r.LOCK_ACQUIRE: self._acquire, r.LOCK_RELEASE: self._release, r.LOCK_WAIT: self._wait, r.SLEEP: self._sleep, r.WAKE: _wake,
            r.SWITCH: _switch, r.ENTER: _enter, r.LEAVE: self._leave, r.LOOP: _loop, r.PANIC: nothing,
            r.CONTRACT: _broken,
        }  # fmt: skip
        table = [(THREAD, number, self.compose(number, self.threads, 1, update, ThreadView)) for number, update in updates.items()]
        return [
            *table,
            (THREAD, r.PAGE_UNBUSY, self.compose(r.PAGE_UNBUSY, self.threads, 2, _unbusy, None)),
            (THREAD, r.PAGE_CACHED_BUSY, self.compose(r.PAGE_CACHED_BUSY, self.threads, 3, _cached_busy, ThreadView)),
        ]

    def _acquire(self, record: Any, view: ThreadView, head: Head) -> None:
        lock = record[2]
        held = view.held
        if lock not in held:
            known = self.lock_class(lock)
            view.types += (known.type,)
            if known.spin:
                view.spins += 1
        held[lock] = record[6]
        view.waiting = ""

    def _release(self, record: Any, view: ThreadView, head: Head) -> None:
        if not record[5]:
            self._drop(view, record[2])
        elif record[2] in view.held:
            view.held[record[2]] = record[5]

    def _drop(self, view: ThreadView, lock: str) -> None:
        held = view.held
        if lock not in held:
            return
        last = next(reversed(held)) == lock
        del held[lock]
        known = self.lock_class(lock)
        if known.spin:
            view.spins -= 1
        view.types = view.types[:-1] if last else tuple(self.lock_class(name).type for name in held)

    def _wait(self, record: Any, view: ThreadView, head: Head) -> None:
        """A spinner keeps the CPU."""
        view.waiting = record[2]
        if not self.lock_class(record[2]).spin:
            view.parked = True

    def _sleep(self, record: Any, view: ThreadView, head: Head) -> None:
        """The interlock is given back by the sleep itself; usually its release has been recorded just before."""
        self._drop(view, record[3])
        view.parked = True
        view.idle = record[2] in IDLE_CHANNELS

    def summary(self, shard: int) -> list[Derived]:
        """Since when a thread of this shard has been inside the kernel, at work; and when one last left it in this slice (0: none did).

        The global stage keeps the latest of all slices: between two slices nothing is remembered here that a snapshot would have to hold.
        """
        since_ns = min((v.since_ns for v in self.threads.values() if v.inside > 0 and not v.idle), default=NEVER_NS)
        left_ns, self.left_ns = self.left_ns, 0
        return [((0, 0, 0, "", "", 0), 0, 0, shard, "active", (since_ns, left_ns))]

    def _leave(self, record: Any, view: ThreadView, head: Head) -> None:
        view.inside -= 1
        if view.stack:
            view.stack.pop()
        if view.wrong and not view.stack:
            view.wrong.clear()
        self.left_ns = head[0]


def _switch(record: Any, view: ThreadView, head: Head) -> None:
    view.parked = False


def _wake(record: Any, view: ThreadView, head: Head) -> None:
    if view.idle:
        view.idle = False
        view.since_ns = head[0]


def _enter(record: Any, view: ThreadView, head: Head) -> None:
    if view.inside == 0:
        view.since_ns = head[0]
    view.inside += 1
    view.stack.append((record[2], tuple(view.held.items())))


def _broken(record: Any, view: ThreadView, head: Head) -> None:
    view.wrong += record[4]


def _loop(record: Any, view: ThreadView, head: Head) -> None:
    view.loops[record[2]] = record[4]


def _unbusy(record: Any, view: ThreadView, head: Head) -> None:
    if view.cached:
        view.cached.pop(record[1], None)


def _cached_busy(record: Any, view: ThreadView, head: Head) -> None:
    view.cached[record[1]] = record[2]
