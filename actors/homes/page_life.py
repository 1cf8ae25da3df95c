"""How pages come, are renamed, held and go: bind, rebind, free, hold.

Freeing drops the page record, so that allocating has nothing to reset; resetting at allocation, as the kernel does, was rejected: it would
need the page-queues lock there, and the kernel holds only the free-queue lock (model notes 1).
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import OpTable, locked, unlocked
from actors.homes.page_store import Page, PageStore
from actors.homes.rings import END
from protocol.messages import Op, Value
from protocol.messages.contig import Adopt, BindRun
from protocol.messages.pages import Bind, FakeFree, FakeNew, FreePage, Hold, PageOwner, PageState, Poke, Rebind
from protocol.messages.queues import CHAN_DAEMON_MEMORY, CHAN_ZERO
from protocol.pages import ALLOC_NOOBJ, BUSY, CACHE, FICTITIOUS, FREE, HOLD, NONE, UNMANAGED, VALID_ALL, ZERO
from protocol.records import (
    FAKE_FREE,
    FAKE_NEW,
    PAGE_ACT,
    PAGE_BIND,
    PAGE_COW,
    PAGE_DIRTY,
    PAGE_FLAGS,
    PAGE_HOLD,
    PAGE_REBIND,
    PAGE_RELEASE,
    PAGE_WIRE,
    UNGUARDED,
)

NOT_BUSY = "vm_page_remove: page not busy"
"""The panic of a removal under the rule that C01 gave up."""


POKED = {"wire": PAGE_WIRE, "hold": PAGE_HOLD, "dirty": PAGE_DIRTY, "act": PAGE_ACT, "cow": PAGE_COW, "flags": PAGE_FLAGS}
"""Fields that may be injected, and the record of each."""


class PageLife(PageStore, kw_only=True):
    """Operations that begin and end a page."""

    ops: ClassVar[OpTable] = {
        Bind: unlocked("bind_page"),
        BindRun: locked("bind_run", "page"),
        Adopt: unlocked("adopt"),
        Rebind: locked("rebind", "object"),
        FreePage: locked("free_page", "object"),
        Hold: locked("hold", "hold_count"),
        PageState: locked("page_state", "page"),
        PageOwner: unlocked("page_owner"),
        Poke: unlocked("poke"),
        FakeNew: unlocked("fake_new"),
        FakeFree: unlocked("fake_free"),
    }

    def bind_page(self, op: Bind) -> Value:
        """The second half of vm_page_alloc and vm_page_insert. No lock is asked: nobody else can reach a frame just taken."""
        flags = (BUSY if op.busy else 0) | (ZERO if op.zeroed else 0) | (UNMANAGED if op.unmanaged else 0)
        self._begin(op, op.frame, Page(op.object, op.pindex, flags, op.wire), op.asked)
        return None

    def bind_run(self, op: BindRun) -> Value:
        """The same for the frames of a run that contigmalloc has taken; nobody else can reach them either, as long as they were free."""
        for frame in range(op.first, op.first + op.count):
            self._begin(op, frame, Page(flags=UNMANAGED | (ZERO if frame in op.zeroed else 0)), ALLOC_NOOBJ)
        return None

    def _begin(self, op: Op, frame: int, page: Page, asked: int) -> None:
        old = self.pages.get(frame)
        if old is not None:
            # The frame was owned already. The kernel would leave the old owner's links in the queue; here the queue at least stays whole.
            self.record((UNGUARDED, "page", f"page.{frame}", op.thread, "a frame fresh from the free lists"))
            self.move(frame, old, NONE)
        self.pages[frame] = page
        self.record((PAGE_BIND, frame, page.object, page.pindex, page.wire, page.flags, op.thread, asked))

    def adopt(self, op: Adopt) -> Value:
        """vm_page_insert: a page without an object gets one. The page-queues lock is not asked: to everybody else the page is still
        nobody's."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        self.record((PAGE_REBIND, op.frame, op.object, op.pindex, page.object, page.pindex))
        page.object, page.pindex = op.object, op.pindex
        return None

    def fake_new(self, op: FakeNew) -> Value:
        """dev_pager_getfake."""
        old = self.pages.get(op.frame)
        if old is not None:
            # Two devices with one memory. The kernel has a record for each of them; here they share one.
            self.move(op.frame, old, NONE)
        self.pages[op.frame] = Page(op.object, op.pindex, BUSY | FICTITIOUS, 1)
        self.record((FAKE_NEW, op.frame, op.object, op.pindex, op.thread))
        return None

    def fake_free(self, op: FakeFree) -> Value:
        """dev_pager_putfake."""
        page = self.pages.get(op.frame)
        if page is not None and page.flags & FICTITIOUS:
            self.move(op.frame, page, NONE)
            del self.pages[op.frame]
            self.record((FAKE_FREE, op.frame))
        return None

    def rebind(self, op: Rebind) -> Value:
        """vm_page_rename (3.4): remove, which clears BUSY, and insert, either of which may come alone; only a page that changes its object
        is dirty and uncached for it."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        if op.must_be_busy and page.object and not page.flags & BUSY:
            return NOT_BUSY
        if page.flags & BUSY:
            self.unbusy(op, frame, page)
        self.record((PAGE_REBIND, frame, op.object, op.pindex, page.object, page.pindex))
        renamed = bool(page.object and op.object)
        page.object, page.pindex = op.object, op.pindex
        if renamed:
            if page.queue == CACHE:
                self.deactivate_page(frame, page)
            self.set_dirty(frame, page, VALID_ALL)
        return None

    def free_page(self, op: FreePage) -> Value:
        """vm_page_free, steps 2 to 7. The frame itself is put back by its owner, under the free-queue lock."""
        frame, page = op.frame, self.pages.get(op.frame)
        waits = self.needed or CHAN_DAEMON_MEMORY in self.sleepers
        zeroer = CHAN_ZERO in self.sleepers
        if page is None:
            return ("vm_page_free: freeing free page", waits, False, zeroer)
        zero = bool(page.flags & ZERO)
        panic = _unfit_to_free(page)
        if op.must_be_busy and page.object and not page.flags & BUSY:
            panic = NOT_BUSY
        return (panic or self._freed(op, frame, page), waits, zero, zeroer)

    def _freed(self, op: Op, frame: int, page: Page) -> bool:
        """The page is off its queue and nobody's. Returns whether its frame now goes to the free list."""
        self.move(frame, page, NONE)
        if page.flags & BUSY:
            self.unbusy(op, frame, page)
        if page.flags & FICTITIOUS:
            return False
        if page.hold > 0:
            self._to_hold(frame, page)
            return False
        del self.pages[frame]
        self.record((PAGE_RELEASE, frame, page.object, page.pindex, FREE))
        return True

    def _to_hold(self, frame: int, page: Page) -> None:
        """Step 7 for a held page: it has no owner any more, and waits for the last unhold."""
        self.set_flags(frame, page, page.flags & ~(UNMANAGED | ZERO))
        self.set_dirty(frame, page, 0)
        self.record((PAGE_RELEASE, frame, page.object, page.pindex, HOLD))
        page.object, page.queue = "", HOLD
        self.rings[HOLD].insert(frame, self.rings[HOLD].before[END])

    def hold(self, op: Hold) -> Value:
        """vm_page_hold and vm_page_unhold; the last unhold lets the frame of a page on HOLD go. (Its release is on record since then.)"""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        if op.delta:
            self.record((PAGE_HOLD, frame, page.hold, page.hold + op.delta))
            page.hold += op.delta
        if page.hold or page.queue != HOLD:
            return False
        self.rings[HOLD].remove(frame)
        del self.pages[frame]
        return True

    def page_state(self, op: PageState) -> Value:
        """The whole record, or None for a frame that is not allocated."""
        page = self.pages.get(op.frame)
        if page is None:
            return None
        return (page.queue, page.flags, page.wire, page.hold, page.act, page.dirty, page.cow, page.object, page.pindex)

    def poke(self, op: Poke) -> Value:
        """Injected: no operation of the kernel does this."""
        page = self.pages.get(op.frame)
        if page is None or op.field not in POKED:
            return f"no page {op.frame:#x} with a field {op.field!r}; there are {', '.join(POKED)}"
        old = getattr(page, op.field)
        setattr(page, op.field, op.value)
        self.record((POKED[op.field], op.frame, old, op.value))
        return None

    def page_owner(self, op: PageOwner) -> Value:
        """m.object and m.pindex, as a thread finds them that holds no lock."""
        page = self.pages.get(op.frame)
        return (page.object, page.pindex) if page is not None and page.object else ("", -1)


def _unfit_to_free(page: Page) -> str:
    """The panic with which the kernel refuses to free this page, or ""."""
    if page.pvs:
        return "vm_page_free_toq: freeing mapped page"
    if page.wire > 1:
        return f"vm_page_free: invalid wire count ({page.wire}), pindex: 0x{page.pindex:x}"
    return "vm_page_free: freeing wired page" if page.wire and not page.flags & FICTITIOUS else ""
