"""I-DEADLOCK: nobody waits for himself.

Locks tell who holds and who waits (protocol.checks.views.locks); pages tell who made them busy and who sleeps on them. The global stage
follows the chain from every new waiter. Waits for acknowledgements and for memory are not in the graph: a run in which nothing else moves
ends ``stuck``, and says so itself.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check
from protocol.checks.routing import PAGE, page_of_channel
from protocol.checks.state import NOT_BUSY, PageView
from protocol.messages.pages import page_channel
from protocol.records import Head


class Deadlock(Check):
    """Statement: the graph of who waits for whom, over locks and busy pages, has no cycle.

    Evaluated: whenever a thread begins to wait for a lock or to sleep on a page. Detects: threads that wait for each other for ever, as it
    happens (C07, C14, C19).
    """

    name = "I-DEADLOCK"
    domains = ("locks", "pages")
    before = {"pages": {r.PAGE_UNBUSY: "unbusy"}}
    after = {"pages": {r.SLEEP: "sleeps", r.WAKEUP: "woken", r.PAGE_BUSY: "busy"}}

    def sleeps(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A thread waits for the owner of a busy page."""
        _, thread, chan, _ = record
        if page_of_channel(chan) >= 0:
            if len(view.sleepers) == 1 and view.owner >= 0:
                self.findings.derive(head, index, PAGE, "hold", chan, view.owner)
            self.findings.derive(head, index, PAGE, "wait", thread, chan)

    def woken(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """It waits no more."""
        self.findings.derive(head, index, PAGE, "unwait", record[1])
        if not view.sleepers:
            self.findings.derive(head, index, PAGE, "clear", record[2])

    def busy(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The page has an owner, and somebody sleeps on it."""
        if view.sleepers and record[2] >= 0:
            self.findings.derive(head, index, PAGE, "hold", page_channel(record[1]), record[2])

    def unbusy(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The owner has let go."""
        if view.sleepers and view.owner != NOT_BUSY:
            self.findings.derive(head, index, PAGE, "drop", page_channel(record[1]), view.owner)
