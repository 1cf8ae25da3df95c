"""The page records and the paging queues: the state of ``pq`` and the moves that its operations are made of.

One home for all paging queues, since one lock protects them and nearly every move leaves one queue for another; a home per queue was
rejected, for it makes each move a transaction of two actors under one lock (model notes 1). A page record exists for every allocated frame
and for no free one: what the kernel resets when it allocates is here simply absent, and a million free frames cost nothing.
"""

from __future__ import annotations

import msgspec

from actors.home import Home
from actors.homes.rings import END, Ring
from protocol.identity import FREE_QUEUES
from protocol.messages import Op
from protocol.messages.free import CacheCount
from protocol.messages.pages import page_channel
from protocol.pages import ACT_INIT, ACTIVE, BUSY, CACHE, HOLD, INACTIVE, NONE, UNMANAGED, WANTED, WINATCFLS
from protocol.records import PAGE_ACT, PAGE_BUSY, PAGE_CACHED_BUSY, PAGE_DIRTY, PAGE_FLAGS, PAGE_QUEUE, PAGE_UNBUSY, UNGUARDED


class Page(msgspec.Struct, array_like=True):
    """A page record (vm-facts 2.1), less what its object keeps: valid bitmap and soft-busy count. ``object`` "" is none."""

    object: str = ""
    pindex: int = 0
    flags: int = 0
    wire: int = 0
    queue: int = NONE
    hold: int = 0
    act: int = 0
    dirty: int = 0
    cow: int = 0
    pvs: list[tuple[str, int]] = []
    """(pmap, vpn) of each mapping, oldest first."""


def _rings() -> list[Ring]:
    return [Ring() for _ in range(HOLD + 1)]


class PageStore(Home, kw_only=True):
    """Page records by frame, the queues they stand on, and the daemon's flags."""

    colours: int
    pages: dict[int, Page] = {}
    rings: list[Ring] = msgspec.field(default_factory=_rings)
    """By queue number; the CACHE queue is ``cache``."""
    cache: list[Ring] = []
    """The CACHE queue, by colour."""
    cache_count: int = 0
    cache_rover: int = 0
    """The colour at which the page daemon last freed a cached page."""
    pv_entries: int = 0
    """pv_entry_count: those of all pages."""
    intervals: int = 0
    """Of four without a shortage, how many have passed."""
    needed: bool = False
    """vm_pages_needed: somebody waits for memory or wants the daemon to run."""
    below: int = 0
    """Free items that the boot-time slab below the page array believes to have (C27)."""
    deficit: int = 0
    """vm_pageout_deficit: allocations that failed since the daemon last looked."""

    def __post_init__(self) -> None:
        """A new home has one CACHE list per colour."""
        if not self.cache:
            self.cache = [Ring() for _ in range(self.colours)]

    def has_lock(self, kind: str, op: Op) -> bool:
        """A page's object lock is that of the object it is in; one without an object needs none."""
        if kind == "object":
            page = self.pages.get(op.frame)  # type: ignore[attr-defined]
            return page is None or not page.object or any(name == page.object for name, _ in op.held)
        if kind == "pmap":
            return any(name == op.pmap for name, _ in op.held)  # type: ignore[attr-defined]
        return super().has_lock(kind, op)

    # The moves ------------------------------------------------------------------------------------------------------------

    def stray(self, op: Op, frame: int) -> Page:
        """A frame that is not allocated gets a record, as a stray pointer would find one; and that is recorded."""
        self.record((UNGUARDED, "page", f"page.{frame}", op.thread, "an allocated page"))
        page = self.pages[frame] = Page()
        return page

    def move(self, frame: int, page: Page, new: int, head: bool = False) -> None:
        """Take the page off its queue and put it at the tail (or head) of ``new``; the same queue means a requeue, NONE twice nothing."""
        old = page.queue
        if old != NONE:
            (self.rings[old] if old != CACHE else self.cache[frame % self.colours]).remove(frame)
        elif new == NONE:
            return
        if new != NONE:
            ring = self.rings[new] if new != CACHE else self.cache[frame % self.colours]
            ring.insert(frame, END if head else ring.before[END])
        page.queue = new
        self.record((PAGE_QUEUE, frame, old, new))
        if (old == CACHE) != (new == CACHE):
            self.count_cache(1 if new == CACHE else -1)

    def count_cache(self, delta: int) -> None:
        """The CACHE queue grew or shrank: the free lists' home keeps a mirror of its length."""
        self.cache_count += delta
        self.port.send(FREE_QUEUES, CacheCount(count=self.cache_count, reply=False))

    def set_flags(self, frame: int, page: Page, flags: int) -> None:
        """Change flags other than BUSY."""
        old, new = page.flags & ~BUSY, flags & ~BUSY
        if old != new:
            page.flags = page.flags & BUSY | new
            self.record((PAGE_FLAGS, frame, old, new))

    def set_dirty(self, frame: int, page: Page, dirty: int) -> None:
        """Change the dirty bitmap."""
        if page.dirty != dirty:
            self.record((PAGE_DIRTY, frame, page.dirty, dirty))
            page.dirty = dirty

    def busy(self, op: Op, frame: int, page: Page) -> None:
        """BUSY now belongs to the asking thread. Recorded even where the flag was set already: it has been stolen, and a check says so."""
        page.flags |= BUSY
        self.record((PAGE_BUSY, frame, op.thread))
        if page.queue == CACHE:
            self.record((PAGE_CACHED_BUSY, frame, page.object, op.thread))

    def unbusy(self, op: Op, frame: int, page: Page) -> None:
        """Clear BUSY and wake those who want the page."""
        page.flags &= ~BUSY
        self.record((PAGE_UNBUSY, frame, op.thread))
        self.flash(frame, page)

    def flash(self, frame: int, page: Page) -> None:
        """vm_page_flash."""
        if page.flags & WANTED:
            self.set_flags(frame, page, page.flags & ~WANTED)
            self.wake_all(page_channel(frame))

    def set_act(self, frame: int, page: Page, act: int) -> None:
        """Change act_count."""
        if page.act != act:
            self.record((PAGE_ACT, frame, page.act, act))
            page.act = act

    def activate_page(self, frame: int, page: Page) -> None:
        """vm_page_activate (3.7): a wired or unmanaged page only leaves its queue."""
        if page.queue != ACTIVE:
            if page.wire or page.flags & UNMANAGED:
                self.move(frame, page, NONE)
                return
            self.move(frame, page, ACTIVE)
        if page.act < ACT_INIT:
            self.set_act(frame, page, ACT_INIT)

    def deactivate_page(self, frame: int, page: Page, head: bool = False) -> None:
        """vm_page_deactivate (3.7): nothing for wired and unmanaged pages."""
        if page.queue == INACTIVE or page.wire or page.flags & UNMANAGED:
            return
        self.set_flags(frame, page, page.flags & ~WINATCFLS)
        self.move(frame, page, INACTIVE, head)
