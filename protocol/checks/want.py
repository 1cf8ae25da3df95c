"""I-WANT: who sleeps on a page has something to wait for.

The wake-up follows its cause in the same step of the paging queues' home, so it is judged when that step is over. The soft-busy count is
the object's, and its end is told to the sleepers by a later step (vm_page_flash); a sleeper whose page was soft-busy is therefore judged at
the end of the run only.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.routing import page_of_channel
from protocol.checks.state import BOUND, NOT_BUSY, PHASE_NAMES, PageView
from protocol.checks.views.pages import Pages
from protocol.records import Head


class Want(Check):
    """Statement: if a thread sleeps on a page, the page is busy or soft-busy, or a wake-up for the thread is under way.

    Evaluated: at every ``sleep`` on a page; after every step that un-busies or frees a page on which somebody sleeps; at the end of the run
    for every sleeper left. Detects: a lost wake-up, a sleep on a page that has changed its identity (C05, C12, C26).
    """

    name = "I-WANT"
    domains = ("pages",)
    after = {"pages": {r.SLEEP: "sleeps", r.PAGE_UNBUSY: "suspect", r.PAGE_RELEASE: "suspect"}}

    def sleeps(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """There is something to wait for."""
        self.evaluated += 1
        _, thread, chan, _ = record
        frame = page_of_channel(chan)
        if view.phase != BOUND:
            self.violate(
                head, index, f"{page_name(frame)}: {thread_name(thread)} goes to sleep on it while it is {PHASE_NAMES[view.phase]}"
            )
        elif view.owner == NOT_BUSY and not view.soft and not view.io_seen:
            self.violate(head, index, f"{page_name(frame)}: {thread_name(thread)} goes to sleep on it although it is not busy")

    def suspect(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """The reason to sleep has ended: by the end of this step the sleepers must have been woken."""
        if view.sleepers:
            self.findings.after_entry.append(lambda: self._woken(record[1], view, head, index))

    def _woken(self, frame: int, view: PageView, head: Head, index: int) -> None:
        self.evaluated += 1
        if view.sleepers and not (view.phase == BOUND and (view.owner != NOT_BUSY or view.soft)):
            names = ", ".join(thread_name(thread) for thread in sorted(view.sleepers))
            self.violate(head, index, f"{page_name(frame)}: no longer busy, but {names} asleep on it and not woken")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Nobody is left asleep on a page that is not busy."""
        if not isinstance(domain, Pages) or ended not in ("finished", "stuck"):
            return
        for frame, view in sorted(domain.pages.items()):
            for thread, since_ns in sorted(view.sleepers.items()):
                self.evaluated += 1
                if view.phase != BOUND or (view.owner == NOT_BUSY and not view.soft):
                    self.violate(head, 0, f"{page_name(frame)}: {thread_name(thread)} asleep on it since {since_ns} ns, but it is not busy")
