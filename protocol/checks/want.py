"""I-WANT and I-NOLOST: who sleeps on a page has something to wait for, and is woken.

The wake-up follows its cause in the same step of the paging queues' home, so it is judged when that step is over. The soft-busy count is
the object's, and its end is told to the sleepers by a later step (vm_page_flash), under the page-queues lock; so it is judged when that
lock is next granted. A wake-up that was sent has only its message to go: it is judged by its age, which an unbounded promise ("eventually")
would not allow.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.routing import page_of_channel
from protocol.checks.state import BOUND, NOT_BUSY, PHASE_NAMES, PageView
from protocol.checks.views.pages import Pages
from protocol.pages import WANTED
from protocol.records import Head


class Want(Check):
    """Statement: if a thread sleeps on a page, the page is busy or soft-busy, and wanted; or a wake-up for the thread is under way.

    Evaluated: at every ``sleep`` on a page; after every step that un-busies or frees a page on which somebody sleeps, or clears its WANTED;
    at the end of the run for every sleeper left. Detects: a lost wake-up, a sleep on a page that has changed its identity, one of which
    nobody will learn (C05, C12, C26). A page whose last I/O has ended since the sleeper got the page queues is still to be flashed.
    """

    name = "I-WANT"
    domains = ("pages",)
    after = {"pages": {r.SLEEP: "sleeps", r.PAGE_UNBUSY: "suspect", r.PAGE_RELEASE: "suspect", r.PAGE_FLAGS: "flagged"}}

    def attach(self, domain: Any) -> None:
        """Grants of the page-queues lock are counted by the view."""
        self.pages: Pages = domain

    def sleeps(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """There is something to wait for, and whoever ends it is told that somebody waits."""
        self.evaluated += 1
        _, thread, chan, _ = record
        frame = page_of_channel(chan)
        if view.phase != BOUND:
            self.violate(
                head, index, f"{page_name(frame)}: {thread_name(thread)} goes to sleep on it while it is {PHASE_NAMES[view.phase]}"
            )
        elif not _busy(view) and view.io_ended != self.pages.state.hold:
            self.violate(head, index, f"{page_name(frame)}: {thread_name(thread)} goes to sleep on it although it is not busy")
        elif not view.flags & WANTED:
            self.violate(head, index, f"{page_name(frame)}: {thread_name(thread)} goes to sleep on it, but WANTED is clear")

    def flagged(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """WANTED is cleared: by the end of this step the sleepers must have been woken."""
        if record[2] & ~record[3] & WANTED and view.sleepers:
            self.findings.after_entry.append(lambda: self._wanted(record[1], view, head, index))

    def _wanted(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.sleepers and _busy(view) and not view.flags & WANTED:
            names = ", ".join(thread_name(thread) for thread in sorted(view.sleepers))
            self.violate(head, index, f"{page_name(frame)}: WANTED is cleared while it is busy and {names} asleep on it")

    def suspect(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The reason to sleep has ended: by the end of this step the sleepers must have been woken."""
        if view.sleepers:
            self.findings.after_entry.append(lambda: self._woken(record[1], view, head, index))

    def _woken(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.sleepers and not (view.phase == BOUND and _busy(view)):
            names = ", ".join(thread_name(thread) for thread in sorted(view.sleepers))
            self.violate(head, index, f"{page_name(frame)}: no longer busy, but {names} asleep on it and not woken")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Nobody is left asleep on a page that is not busy."""
        if not isinstance(domain, Pages) or ended not in ("finished", "stuck"):
            return
        for frame, view in sorted(domain.pages.items()):
            for thread, since_ns in sorted(view.sleepers.items()):
                self.evaluated += 1
                if view.phase != BOUND or not _busy(view):
                    self.violate(head, 0, f"{page_name(frame)}: {thread_name(thread)} asleep on it since {since_ns} ns, but it is not busy")


def _busy(view: PageView) -> bool:
    return view.owner != NOT_BUSY or view.soft > 0


PATIENCE_NS = 1_000_000
"""How long a wake-up may be under way beyond the longest that a message takes and a CPU is stalled: the CPU that it reaches may be in
interrupt handlers."""


class NoLost(Check):
    """Statement: every sleeper on a page is woken when the page is no longer busy, and a thread that was woken runs.

    Evaluated: when the last I/O on a page with sleepers has ended, at the ``lock.acquire`` of the page-queues lock that follows; when a
    woken thread runs; and for those woken and not yet running at the end of the run. Detects: an end of I/O that nobody announces, a
    wake-up that reaches only one of several sleepers (C12, C26), a message lost on its way. "Runs" is the end of its sleep: when it gets a
    CPU is the scheduler's business. A wake-up is taken for lost when it is under way for 1 ms longer than a message of the run ever is,
    with the delays and stalls that are declared.
    """

    name = "I-NOLOST"
    domains = ("pages",)
    before = {"pages": {r.LOCK_ACQUIRE: "queues_locked", r.WAKE: "runs"}}
    after = {"pages": {r.OBJECT_IO: "counted"}}

    def attach(self, domain: Any) -> None:
        """What is to be judged at the next grant is kept by the view."""
        self.pages: Pages = domain

    def counted(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """vm_page_io_finish: whoever sleeps on the page must be told by vm_page_flash."""
        if view.sleepers and not view.soft:
            self.pages.state.ended_io[record[2]] = head[0]

    def queues_locked(self, record: Any, view: None, head: Head, index: int) -> None:
        """Whoever held the page-queues lock before has finished."""
        ended = self.pages.state.ended_io
        if ended:
            for frame, since_ns in sorted(ended.items()):
                page = self.pages.pages.get(frame)
                if page is not None:
                    self._told(frame, since_ns, page, head, index)
            ended.clear()

    def _told(self, frame: int, since_ns: int, page: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if page.sleepers and not _busy(page):
            names = ", ".join(thread_name(thread) for thread in sorted(page.sleepers))
            self.violate(head, index, f"{page_name(frame)}: I/O on it ended at {since_ns} ns, but {names} asleep on it and not woken")

    def runs(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The thread's sleep is over."""
        since_ns = view.woken.get(record[1])
        if since_ns is not None:
            self.evaluated += 1
            self._in_time(page_of_channel(record[2]), record[1], since_ns, "runs only now", head, index)

    def _in_time(self, frame: int, thread: int, since_ns: int, what: str, head: Head, index: int) -> None:
        if head[0] - since_ns > PATIENCE_NS + self.findings.late_ns + self.findings.stalled_ns:
            self.violate(head, index, f"{page_name(frame)}: {thread_name(thread)} was woken off it at {since_ns} ns, and {what}")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Nobody was woken and never ran."""
        if isinstance(domain, Pages) and ended in ("finished", "stuck"):
            for frame, view in sorted(domain.pages.items()):
                for thread, since_ns in sorted(view.woken.items()):
                    self.evaluated += 1
                    self._in_time(frame, thread, since_ns, "has not run since", head, 0)
