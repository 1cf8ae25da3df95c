"""Who sleeps on which page: ``sleep`` by the CPU, ``wakeup`` by the paging queues' home, ``wake`` by the CPU again.

A thread is counted as a sleeper from its ``sleep`` record, which is made before the home has enqueued it: it holds the page-queues lock
until then, so whoever changes the page under that lock does so after. Whoever does not is what I-WANT is there to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol import records as r
from protocol.checks.routing import PAGE, page_of_channel
from protocol.checks.state import FREE, PageView
from protocol.checks.views.domain import Handler
from protocol.records import Head

if TYPE_CHECKING:
    from protocol.checks.views.pages import Pages


class PageChannels:
    """Sleepers by frame, kept in the frames' views."""

    def __init__(self, domain: Pages) -> None:
        self.domain = domain
        self.pages = domain.pages

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """The handlers of sleep, wakeup and wake; records of other channels are passed over."""
        sleeps = self.domain.around(r.SLEEP)[1]
        woken = self.domain.around(r.WAKEUP)[1]

        def sleep(record: Any, head: Head, index: int) -> None:
            frame = page_of_channel(record[2])
            if frame >= 0:
                view = self.pages.setdefault(frame, PageView())
                view.sleepers[record[1]] = head[0]
                for hook in sleeps:
                    hook(record, view, head, index)

        def gone(threads: Any, chan: str, record: Any, head: Head, index: int) -> None:
            frame = page_of_channel(chan)
            view = self.pages.get(frame) if frame >= 0 else None
            if view is not None and view.sleepers:
                for thread in threads:
                    if view.sleepers.pop(thread, None) is not None:
                        for hook in woken:
                            hook((r.WAKE, thread, chan), view, head, index)
                if view.phase == FREE:
                    self.domain.forget(frame, view)

        return [
            (PAGE, r.SLEEP, sleep),
            (PAGE, r.WAKEUP, lambda record, head, index: gone(record[2], record[1], record, head, index)),
            (PAGE, r.WAKE, lambda record, head, index: gone((record[1],), record[2], record, head, index)),
        ]
