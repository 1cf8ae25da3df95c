"""The paging queues' home (``pq``): what scans ask, and who waits for memory (vm-facts 2.6, 3.1 select_cache, 3.3, 3.11).

A scan takes one message per step, from a frame or from a marker it left, as the kernel walks its list. Handing a scan the whole list was
rejected: the list changes under a scan that drops the lock, and that is where its bugs are (C13, C28, C29).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from actors.home import OpTable, locked, unlocked
from actors.homes.free_lists import spans
from actors.homes.page_busy import PageBusy
from actors.homes.rings import END, Ring
from protocol.messages import Value
from protocol.messages.contig import PageWindow
from protocol.messages.queues import (
    CHAN_FREE,
    CHAN_NEEDED,
    LEFT,
    CacheRover,
    Mark,
    NextAfter,
    PagesNeeded,
    QueueCounts,
    SelectCache,
    StatsInterval,
)
from protocol.pages import ACTIVE, CACHE, HOLD, INACTIVE
from protocol.records import PAGE_COUNTS, PAGES_NEEDED

FULL_EVERY = 4
"""Of so many intervals without a shortage one has all active pages looked at (vm_pageout_full_stats_interval)."""


class PageQueues(PageBusy, kw_only=True):
    """The home of the page-queues lock, of the page records and of the four paging queues. Made with ``colours``."""

    ops: ClassVar[OpTable] = {
        **PageBusy.ops,
        NextAfter: locked("next_after", "queue"),
        Mark: locked("mark", "queue"),
        SelectCache: locked("select_cache", "queue"),
        PageWindow: locked("page_window", "page"),
        CacheRover: locked("rove", "queue"),
        StatsInterval: locked("stats_interval", "queue"),
        QueueCounts: unlocked("queue_counts"),
        PagesNeeded: unlocked("pages_needed"),
    }

    # Scans ----------------------------------------------------------------------------------------------------------------

    def next_after(self, op: NextAfter) -> Value:
        """A scan's step."""
        item = self._follower(op.queue, op.after, op.colour)
        if item is None:
            return (LEFT,)
        if item == END:
            return None
        if item < 0:
            return (item,)
        page = self.pages[item]
        return (item, page.object, page.pindex, page.flags, page.dirty, page.hold, page.act, page.wire)

    def _follower(self, queue: int, after: int, colour: int) -> int | None:
        """What follows ``after``: END at the end of the queue (of a colour's list), None if ``after`` is not on it."""
        if queue != CACHE:
            return self.rings[queue].after.get(after)
        if colour >= 0:
            return self.cache[colour % self.colours].after.get(after)
        colours = range(self.colours)
        if after != END:
            ring = self._holding(CACHE, after)
            if ring is None:
                return None
            if ring.after[after] != END:
                return ring.after[after]
            colours = range(self.cache.index(ring) + 1, self.colours)
        return next((self.cache[c].after[END] for c in colours if self.cache[c].after[END] != END), END)

    def _holding(self, queue: int, item: int) -> Ring | None:
        """The list of ``queue`` on which ``item`` stands, if any."""
        rings = self.cache if queue == CACHE else [self.rings[queue]]
        return next((ring for ring in rings if item in ring.after), None)

    def mark(self, op: Mark) -> Value:
        """Place or remove a scan's marker; a marker stands at one place, so placing it again moves it."""
        old = self._holding(op.queue, op.marker)
        if op.frame == END:
            return (LEFT, LEFT) if old is None else _unmark(old, op.marker)
        ring = self._holding(op.queue, op.frame)
        if ring is None or op.frame == op.marker:
            return False
        if old is not None:
            old.remove(op.marker)
        ring.insert(op.marker, op.frame)
        return True

    def select_cache(self, op: SelectCache) -> Value:
        """vm_page_select_cache's finder: the colour itself, then colour + i and colour - i, for i from colours/2 down to 1 (2.3).

        R08 ``passed-over``: those passed over are still there, since the lock of the queues was held all the while.
        """
        if self.cache_count <= op.passed:
            return None
        passed = op.passed
        for ring in self._near(op.colour % self.colours):
            if passed >= ring.count:
                passed -= ring.count
                continue
            frame = ring.frames()[passed] if passed else ring.first()
            page = self.pages[frame]
            state = (page.flags, page.wire, page.hold, page.dirty, len(page.pvs))
            return (frame, page.object, page.pindex, *state, self.cache_count - op.passed)
        return None

    def _near(self, colour: int) -> Iterator[Ring]:
        """The colours' lists in the finder's order, those that are not empty."""
        cache, colours = self.cache, self.colours
        if cache[colour].count:
            yield cache[colour]
        for distance in range(colours // 2, 0, -1):
            up, down = (colour + distance) % colours, (colour - distance) % colours
            for near in (up, down) if up != down else (up,):
                if cache[near].count:
                    yield cache[near]

    def rove(self, op: CacheRover) -> Value:
        """cache_last_free, a static of the page daemon."""
        if op.colour >= 0:
            self.cache_rover = op.colour
        return self.cache_rover

    def stats_interval(self, op: StatsInterval) -> Value:
        """fullintervalcount, another static of it."""
        self.intervals = (self.intervals + 1) % FULL_EVERY
        return self.intervals == 0

    def page_window(self, op: PageWindow) -> Value:
        """contigmalloc1's scan: the CACHE pages of a window, and the frames of it that are no pages."""
        start, end = op.start, op.end
        marks = bytearray(max(0, end - start))
        known = self.pages if len(self.pages) < end - start else range(start, end)
        for frame in known:
            if start <= frame < end and frame in self.pages:
                marks[frame - start] = 1
        cached = sorted(frame for ring in self.cache for frame in ring.frames() if start <= frame < end)
        rows = [(frame, self.pages[frame]) for frame in cached]
        return (tuple((frame, page.object, page.pindex, page.flags, page.hold) for frame, page in rows), spans(marks, start, 0))

    # Memory ---------------------------------------------------------------------------------------------------------------

    def queue_counts(self, op: QueueCounts) -> Value:
        """The counters of the queues and of the daemon. The kernel reads them, and takes the deficit, without the lock (2.1a)."""
        rings, deficit = self.rings, self.deficit
        if op.take_deficit:
            self.record((PAGE_COUNTS, rings[INACTIVE].count, rings[ACTIVE].count, self.cache_count, rings[HOLD].count))
            self._need(self.needed, 0)
        return (rings[INACTIVE].count, rings[ACTIVE].count, self.cache_count, rings[HOLD].count, deficit, self.needed)

    def pages_needed(self, op: PagesNeeded) -> Value:
        """pagedaemon_wakeup (setting), vm_page_free_wakeup and the daemon (clearing). Only a change wakes anybody, as in the kernel."""
        changed = self._need(op.needed, self.deficit + op.deficit)
        if changed:
            self.wake_all(CHAN_NEEDED if op.needed else CHAN_FREE)
        return None

    def _need(self, needed: bool, deficit: int) -> bool:
        """Set vm_pages_needed and the deficit; did the former change?"""
        old = self.needed
        if old != needed or deficit != self.deficit:
            self.needed, self.deficit = needed, deficit
            self.record((PAGES_NEEDED, old, needed, deficit))
        return old != needed

    def slept(self, chan: str) -> None:
        """VM_WAIT (3.3): a sleep on CHAN_FREE sets vm_pages_needed and wakes the daemon, under the lock that the sleep then releases."""
        if chan == CHAN_FREE and self._need(True, self.deficit):
            self.wake_all(CHAN_NEEDED)


def _unmark(ring: Ring, marker: int) -> tuple[int, int]:
    """Take a marker away: (what it stood behind, what that stands behind)."""
    behind = ring.before[marker]
    ring.remove(marker)
    return (behind, ring.before[behind] if behind != END else END)
