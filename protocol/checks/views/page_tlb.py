"""Which frames the CPUs' TLBs map, seen from the frames.

A fill names its frame, an eviction and a flush do not; so every shard applies all evictions and flushes to the entries of its own frames.
The same entries are kept a second time with their page table (protocol.checks.views.pmaps), for the two are judged on different shards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol import records as r
from protocol.checks.routing import OLD_PAGE, PAGE
from protocol.checks.state import FREE, PageView
from protocol.checks.views.domain import Handler
from protocol.records import Head

if TYPE_CHECKING:
    from protocol.checks.views.pages import Pages


class PageTlb:
    """CPU to address space to vpn to frame, and each frame's count of entries."""

    def __init__(self, domain: Pages) -> None:
        self.domain = domain
        self.pages = domain.pages
        self.cpus = domain.state.tlb
        self.shoots = domain.state.shoots

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """The handlers of TLB records; what an entry replaces leaves first."""
        fill = self.domain.compose(r.TLB_FILL, self.pages, 3, self._fill, PageView)
        return [
            (OLD_PAGE, r.TLB_FILL, self._evict), (PAGE, r.TLB_FILL, fill), (PAGE, r.TLB_EVICT, self._evict),
            (PAGE, r.TLB_FLUSH, self._flush),
            (PAGE, r.SHOOT_BEGIN, self._begin),
            (PAGE, r.SHOOT_DONE, self._done),
        ]  # fmt: skip

    def _fill(self, record: Any, view: PageView, head: Head) -> None:
        self.cpus.setdefault(head[3], {}).setdefault(record[1], {})[record[2]] = record[3]
        view.tlb += 1

    def _evict(self, record: Any, head: Head, index: int) -> None:
        spaces = self.cpus.get(head[3])
        entries = spaces.get(record[1]) if spaces else None
        if entries and record[2] in entries:
            self._dropped(entries.pop(record[2]))

    def _flush(self, record: Any, head: Head, index: int) -> None:
        _, pmap, start, end, _ = record
        spaces = self.cpus.get(head[3])
        if not spaces:
            return
        if not pmap:
            for entries in spaces.values():
                self._drop_all(entries)
            spaces.clear()
        elif pmap in spaces:
            self._drop_range(spaces[pmap], start, end)

    def _drop_all(self, entries: dict[int, int]) -> None:
        for frame in entries.values():
            self._dropped(frame)
        entries.clear()

    def _drop_range(self, entries: dict[int, int], start: int, end: int) -> None:
        """Drop [start, end), or everything if the range is empty, whichever way looks at fewer."""
        if start == end:
            self._drop_all(entries)
        elif end - start <= len(entries):
            for vpn in range(start, end):
                if vpn in entries:
                    self._dropped(entries.pop(vpn))
        else:
            for vpn in [vpn for vpn in entries if start <= vpn < end]:
                self._dropped(entries.pop(vpn))

    def _dropped(self, frame: int) -> None:
        view = self.pages.get(frame)
        if view is not None:
            view.tlb -= 1
            if view.phase == FREE:
                self.domain.forget(frame, view)

    def _begin(self, record: Any, head: Head, index: int) -> None:
        self.shoots[record[1]] = (record[2], record[3], record[4])

    def _done(self, record: Any, head: Head, index: int) -> None:
        self.shoots.pop(record[1], None)

    def covering(self, pmap: str, vpn: int) -> list[int]:
        """The threads whose shootdown of this address is not acknowledged yet, ascending; for messages."""
        return sorted(t for t, (space, start, end) in self.shoots.items() if space == pmap and (start == end or start <= vpn < end))

    def where(self, frame: int) -> list[tuple[str, str, int]]:
        """(CPU, pmap, vpn) of each entry that maps ``frame``, sorted; for messages."""
        return sorted(
            (cpu, pmap, vpn)
            for cpu, spaces in self.cpus.items()
            for pmap, entries in spaces.items()
            for vpn, mapped in entries.items()
            if mapped == frame
        )
