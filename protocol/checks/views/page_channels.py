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
        self.sleeps = tuple(self.domain.around(r.SLEEP)[1])
        self.gone = tuple(self.domain.around(r.WAKEUP)[1])
        self.runs = tuple(self.domain.around(r.WAKE)[0])
        return [(PAGE, r.SLEEP, self._sleep), (PAGE, r.WAKEUP, self._wakeup), (PAGE, r.WAKE, self._wake)]

    def _sleep(self, record: Any, head: Head, index: int) -> None:
        frame = page_of_channel(record[2])
        if frame >= 0:
            view = self.pages.setdefault(frame, PageView())
            view.sleepers[record[1]] = head[0]
            for hook in self.sleeps:
                hook(record, view, head, index)

    def _wakeup(self, record: Any, head: Head, index: int) -> None:
        _, chan, threads = record
        view = self._view(chan)
        if view is not None:
            for thread in threads:
                view.woken[thread] = head[0]
                self._gone(thread, chan, view, head, index)

    def _wake(self, record: Any, head: Head, index: int) -> None:
        _, thread, chan, _ = record
        view = self._view(chan)
        if view is not None:
            self._gone(thread, chan, view, head, index)
            for hook in self.runs:
                hook(record, view, head, index)
            view.woken.pop(thread, None)
            if view.phase == FREE:
                self.domain.forget(page_of_channel(chan), view)

    def _gone(self, thread: int, chan: str, view: PageView, head: Head, index: int) -> None:
        """The thread sleeps no more: it was woken, or its time was out."""
        if view.sleepers.pop(thread, None) is not None:
            for hook in self.gone:
                hook((r.WAKE, thread, chan), view, head, index)

    def _view(self, chan: str) -> PageView | None:
        frame = page_of_channel(chan)
        return self.pages.get(frame) if frame >= 0 else None
