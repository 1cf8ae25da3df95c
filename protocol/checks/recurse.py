"""I-RECURSE: nested acquisition, and who gives back. Judged in the thread's own program order."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, thread_name
from protocol.checks.state import ThreadView
from protocol.checks.views.threads import Threads
from protocol.messages.locks import UPGRADE
from protocol.records import Head


class Recurse(Check):
    """Statement: a lock is acquired again by its holder only if its kind is recursive; each release is by the holder, and undoes one
    acquisition.

    Evaluated: at every nested ``lock.acquire``, every ``lock.wait`` and every ``lock.release``. Detects: recursion on a non-recursive
    mutex, a release by somebody else, a depth that does not return to zero (C07).
    """

    name = "I-RECURSE"
    domains = ("threads",)
    before = {"threads": {r.LOCK_ACQUIRE: "acquire", r.LOCK_WAIT: "wait", r.LOCK_RELEASE: "release"}}

    def attach(self, domain: Any) -> None:
        """Lock classes are looked up in the view."""
        self.threads: Threads = domain

    def acquire(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """A nested acquisition, or one that should not be nested."""
        _, thread, lock, mode, _, _, depth = record
        if lock not in view.held:
            if depth != 1:
                self.evaluated += 1
                self.violate(head, index, f"{thread_name(thread)}: {lock} acquired to depth {depth}, but it was not held")
        elif mode != UPGRADE:
            self.evaluated += 1
            if not self.threads.may_recurse(lock):
                kind = self.threads.lock_class(lock).type
                self.violate(head, index, f"{thread_name(thread)}: recursed on non-recursive mutex {kind} ({lock})")
            elif depth != view.held[lock] + 1:
                self.violate(
                    head, index, f"{thread_name(thread)}: {lock} acquired to depth {depth}, but it was held at depth {view.held[lock]}"
                )

    def wait(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Waiting for what one holds."""
        self.evaluated += 1
        _, thread, lock, _ = record
        if lock in view.held:
            self.violate(
                head, index, f"{thread_name(thread)}: recursed on non-recursive mutex {self.threads.lock_class(lock).type} ({lock})"
            )

    def release(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """Undoes one acquisition of its own."""
        self.evaluated += 1
        _, thread, lock, _, _, depth = record
        if lock not in view.held:
            self.violate(head, index, f"{thread_name(thread)}: {lock} given back, but it was not held")
        elif depth != view.held[lock] - 1:
            self.violate(
                head, index, f"{thread_name(thread)}: {lock} given back to depth {depth}, but it was held at depth {view.held[lock]}"
            )
