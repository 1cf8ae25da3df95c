"""I-NOSLEEP and I-SPIN: what a thread may hold when it stops running. Judged in the thread's own program order, hence exact at every
record."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, thread_name
from protocol.checks.order import NOT_WAITING
from protocol.checks.state import ThreadView
from protocol.checks.views.threads import Threads
from protocol.locks import GIANT_TYPE
from protocol.records import Head

SPIN_LIMIT_NS = 5_000_000_000
"""``spin lock held too long``: what the 2006 kernel's panic text says (vm-facts 2.5, rule 9)."""


class NoSleep(Check):
    """Statement: a thread that sleeps, or waits for a sleepable lock, holds no non-sleepable lock but the interlock it sleeps with, and
    Giant.

    Evaluated: at every ``sleep``, and every ``lock.wait`` for a sleepable lock; at the ``switch`` that follows where a thread has given the
    CPU up for anything else, a device or a pause. Detects: waiting for memory, a page or the disk with a mutex held (C06, C14).
    """

    name = "I-NOSLEEP"
    domains = ("threads",)
    before = {"threads": {r.SLEEP: "sleep", r.LOCK_WAIT: "wait", r.SWITCH: "switch"}}

    def attach(self, domain: Any) -> None:
        """Lock classes are looked up in the view."""
        self.threads: Threads = domain

    def sleep(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """msleep."""
        self._judge(view, record[3], f'Sleeping on "{record[2]}"', record[1], head, index)

    def wait(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """sx_slock, sx_xlock."""
        if self.threads.lock_class(record[2]).sleepable:
            self._judge(view, record[2], f"Waiting for {record[2]}", record[1], head, index)

    def switch(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The thread that gave the CPU up waits for a device, or for time to pass. Who waits for a mutex may keep others."""
        if view.held and not view.parked:
            self._judge(view, "", "Gives the CPU up", record[1], head, index)

    def _judge(self, view: ThreadView, allowed: str, what: str, thread: int, head: Head, index: int) -> None:
        self.evaluated += 1
        wrong = [lock for lock in view.held if lock != allowed and not self._may_be_kept(lock)]
        if wrong:
            self.violate(head, index, f"{thread_name(thread)}: {what} with the following non-sleepable locks held: {', '.join(wrong)}")

    def _may_be_kept(self, lock: str) -> bool:
        known = self.threads.lock_class(lock)
        return known.sleepable or known.type == GIANT_TYPE


class Spin(Check):
    """Statement: with a spin lock held a thread acquires no blocking lock, does not sleep and is not switched away; and no spin lock is
    held or waited for longer than the kernel's limit.

    Evaluated: at every such record of a thread that holds a spin lock, the ``switch`` of the CPU that it gave up among them, and whenever a
    spin lock is given back. Detects: blocking with interrupts disabled, a CPU lost inside a critical section (C19, C24).
    """

    name = "I-SPIN"
    domains = ("threads",)
    before = {"threads": {r.LOCK_ACQUIRE: "acquire", r.LOCK_WAIT: "wait", r.LOCK_RELEASE: "release", r.SLEEP: "sleep", r.SWITCH: "switch"}}

    def attach(self, domain: Any) -> None:
        """Lock classes are looked up in the view."""
        self.threads: Threads = domain

    def acquire(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Only spin locks, and try-locks of others, even of one held already; and nobody spins for ever."""
        _, thread, lock, mode, _, wait_ns, _ = record
        if view.spins:
            self.evaluated += 1
            known = self.threads.lock_class(lock)
            if not known.spin and mode not in NOT_WAITING and view.waiting != lock:
                self._blocks(record, known.type, view, head, index)
        if wait_ns > SPIN_LIMIT_NS and self.threads.lock_class(lock).spin:
            self.evaluated += 1
            self._too_long(thread, lock, f"spun {wait_ns} ns for it", head, index)

    def wait(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Waiting for another spin lock keeps the CPU; waiting for anything else does not."""
        if view.spins:
            self.evaluated += 1
            known = self.threads.lock_class(record[2])
            if not known.spin:
                self._blocks(record, known.type, view, head, index)

    def _blocks(self, record: Any, kind: str, view: ThreadView, head: Head, index: int) -> None:
        held = _spins(self.threads, view)
        self.violate(head, index, f"{thread_name(record[1])}: blockable sleep lock ({kind}) {record[2]} with {held} held")

    def sleep(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Sleeping."""
        self._stop(view, f'sleeps on "{record[2]}"', record[1], head, index)

    def switch(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Switched away."""
        self._stop(view, "is switched away", record[1], head, index)

    def _stop(self, view: ThreadView, what: str, thread: int, head: Head, index: int) -> None:
        if view.spins:
            self.evaluated += 1
            self.violate(head, index, f"{thread_name(thread)}: {what} with {_spins(self.threads, view)} held")

    def release(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The hold was short."""
        if view.spins and not record[5] and self.threads.lock_class(record[2]).spin:
            self.evaluated += 1
            if record[4] > SPIN_LIMIT_NS:
                self._too_long(record[1], record[2], f"{record[4]} ns", head, index)

    def _too_long(self, thread: int, lock: str, figure: str, head: Head, index: int) -> None:
        self.violate(head, index, f"{thread_name(thread)}: spin lock held too long: {lock} ({figure}, limit {SPIN_LIMIT_NS} ns)")


def _spins(threads: Threads, view: ThreadView) -> str:
    return ", ".join(lock for lock in view.held if threads.lock_class(lock).spin)
