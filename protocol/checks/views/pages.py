"""Frames: phase, queue, flags, busy owner, mappings, TLB entries and sleepers of each, as told by ``pq``, ``fq``, objects, page tables and
CPUs.

A frame that is simply free has no view, so a million free frames cost nothing. Between actors only causally ordered facts are used:
``free.take`` before ``page.bind``, ``page.release`` before ``free.put``, a PTE's swap (a call) before whatever its thread does next, a
TLB's flush before the shootdown's end. An object's own records about a page are *not* ordered against ``free.put`` (they may be posted, and
links differ), so they are judged with the object (protocol.checks.views.objects), except for the soft-busy count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings, Hook
from protocol.checks.routing import OLD_PAGE, PAGE
from protocol.checks.state import BOUND, FREE, HAS_PTE, HAS_PV, HELD, NEVER_NS, NOT_BUSY, PRIVATE, RELEASED, ZEROS, PagesState, PageView
from protocol.checks.views import page_content as content
from protocol.checks.views.domain import Domain, Handler, nothing
from protocol.checks.views.page_channels import PageChannels
from protocol.checks.views.page_tlb import PageTlb
from protocol.identity import PAGE_QUEUES
from protocol.pages import ACTIVE, BUSY, CACHE, FAKE, FICTITIOUS, HOLD, INACTIVE, NONE, PTE_MANAGED, PTE_RW, PTE_V, UNMANAGED
from protocol.records import Head

_WRITES = PTE_V | PTE_RW


class Pages(Domain):
    """All frames of one shard. ``kernel``: the forms in force."""

    name = "pages"

    def __init__(self, state: PagesState, findings: Findings, checks: Sequence[Check], kernel: Mapping[str, str] | None = None) -> None:
        self.state = state
        self.kernel: Mapping[str, str] = kernel or {}
        self.pages = state.pages
        self.open_links = state.open_links
        self.tlb = PageTlb(self)
        self.channels = PageChannels(self)
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says. What leaves a frame (OLD_PAGE) comes before what enters one."""
        pages = self.pages
        first = {
            r.PAGE_BIND: _bind, r.PAGE_QUEUE: _queue, r.PAGE_BUSY: self._busy, r.PAGE_UNBUSY: _unbusy, r.PAGE_FLAGS: _flags,
            r.PAGE_WIRE: _wire, r.PAGE_HOLD: _hold, r.PAGE_DIRTY: content.dirty, r.PAGE_COW: _cow, r.PAGE_REBIND: _rebind,
            r.PAGE_RELEASE: self._release, r.FREE_TAKE: _take, r.FREE_PUT: self._put, r.PV_ADD: self._pv_add, r.PV_DEL: self._pv_del,
            r.FRAME_ZERO: content.zero, r.FRAME_COPY: content.fill, r.FRAME_FILL: content.fill, r.FRAME_STORE: content.fill,
            r.FAKE_NEW: _fake_new, r.FAKE_FREE: self._fake_free, r.PAGER_TORN: content.torn, r.FREE_ASIDE: self._aside,
        }  # fmt: skip
        second = {r.PTE_SET: self._pte_set, r.PTE_CLEAR: self._pte_clear, r.PTE_BITS: _pte_bits}
        second |= {r.TRANSITION: content.transition, r.PAGE_RECLAIM: content.reclaim}
        table: list[tuple[int, int, Handler]] = [(OLD_PAGE, r.PTE_SET, self._pte_replaced)]
        table += [(PAGE, number, self.compose(number, pages, 1, update, PageView)) for number, update in first.items()]
        table += [(PAGE, number, self.compose(number, pages, 2, update, PageView)) for number, update in second.items()]
        table += [
            (PAGE, r.OBJECT_IO, self.compose(r.OBJECT_IO, pages, 2, self._soft, None)),
            (PAGE, r.PT_INSTALL, self.compose(r.PT_INSTALL, pages, 3, _installed, PageView)),
            (PAGE, r.PT_REMOVE, self.compose(r.PT_REMOVE, pages, 3, _unlinked, PageView)),
            (PAGE, r.STORE, self.compose(r.STORE, pages, 4, content.store, PageView)),
            *self.tlb.handlers(),
            *self.channels.handlers(),
            (PAGE, r.LOCK_ACQUIRE, self._locked(tuple(self.around(r.LOCK_ACQUIRE)[0]))),
        ]
        if any(self.around(r.BELIEF)):
            table.append((PAGE, r.BELIEF, self.compose(r.BELIEF, pages, 2, nothing, PageView)))
        return table

    def _locked(self, hooks: tuple[Hook, ...]) -> Handler:
        """The page-queues lock has been granted anew: checks judge what was done under the grant before."""
        state = self.state

        def handler(record: Any, head: Head, index: int) -> None:
            if record[2] == PAGE_QUEUES and record[6] == 1:
                for hook in hooks:
                    hook(record, None, head, index)
                state.hold = record[4]

        return handler

    # The frame itself -------------------------------------------------------------------------------------------------------

    def _busy(self, record: Any, view: PageView, head: Head) -> None:
        view.owner = record[2]
        view.busied = self.state.hold

    def _soft(self, record: Any, view: PageView, head: Head) -> None:
        view.soft = record[4]
        if not view.soft:
            view.io_ended = self.state.hold

    def _release(self, record: Any, view: PageView, head: Head) -> None:
        if view.pvs:
            for pmap, vpn in [key for key, halves in view.links.items() if halves & HAS_PV]:
                self._unlink(record[1], view, pmap, vpn, HAS_PV, head[0])
            view.pvs = 0
        view.object = ""
        view.flags = view.wire = view.dirty = view.soft = view.cow = view.unsaved = view.moving = 0
        view.reclaimable = view.unlinked = False
        view.owner = NOT_BUSY
        view.touched_ns = head[0]
        view.phase, view.queue = (HELD, HOLD) if record[4] == HOLD else (RELEASED, NONE)

    def _put(self, record: Any, view: PageView, head: Head) -> None:
        view.phase, view.queue, view.hold = FREE, NONE, 0
        self.forget(record[1], view)

    def _aside(self, record: Any, view: PageView, head: Head) -> None:
        """A fault has it; it is owed to nobody until it is put back."""
        view.phase, view.touched_ns = (PRIVATE, NEVER_NS) if record[3] else (FREE, head[0])
        if not record[3]:
            self.forget(record[1], view)

    def _fake_free(self, record: Any, view: PageView, head: Head) -> None:
        self.pages.pop(record[1], None)

    def forget(self, frame: int, view: PageView) -> None:
        """A frame that is free and that nothing refers to needs no view."""
        if view.phase == FREE and not (view.tlb or view.ptes or view.links or view.sleepers or view.woken or view.table):
            self.pages.pop(frame, None)

    # Mappings ---------------------------------------------------------------------------------------------------------------

    def _pv_add(self, record: Any, view: PageView, head: Head) -> None:
        view.pvs += 1
        self._link(record[1], view, record[2], record[3], HAS_PV, head[0])

    def _pv_del(self, record: Any, view: PageView, head: Head) -> None:
        view.pvs -= 1
        self._unlink(record[1], view, record[2], record[3], HAS_PV, head[0])

    def _pte_set(self, record: Any, view: PageView, head: Head) -> None:
        bits = record[3]
        if bits & PTE_V:
            view.ptes += 1
            if bits & PTE_RW:
                view.writable += 1
            if has_pv_entries(record[2], bits, view):
                self._link(record[2], view, head[3], record[1], HAS_PTE, head[0])

    def _pte_clear(self, record: Any, view: PageView, head: Head) -> None:
        self._pte_gone(record[2], view, record[1], record[3], head)

    def _pte_replaced(self, record: Any, head: Head, index: int) -> None:
        frame = record[4]
        view = self.pages.get(frame) if frame >= 0 else None
        if view is not None:
            self._pte_gone(frame, view, record[1], record[5], head)

    def _pte_gone(self, frame: int, view: PageView, vpn: int, bits: int, head: Head) -> None:
        if bits & PTE_V:
            view.ptes -= 1
            if bits & PTE_RW:
                view.writable -= 1
            if view.links.get((head[3], vpn), 0) & HAS_PTE:
                self._unlink(frame, view, head[3], vpn, HAS_PTE, head[0])
            if view.phase == FREE:
                self.forget(frame, view)

    def _link(self, frame: int, view: PageView, pmap: str, vpn: int, half: int, now: int) -> None:
        key = (pmap, vpn)
        halves = view.links[key] = view.links.get(key, 0) | half
        if halves == half:
            self.open_links[(frame, pmap, vpn)] = (half, now)
        else:
            self.open_links.pop((frame, pmap, vpn), None)

    def _unlink(self, frame: int, view: PageView, pmap: str, vpn: int, half: int, now: int) -> None:
        key = (pmap, vpn)
        halves = view.links.get(key, 0) & ~half
        if halves:
            view.links[key] = halves
            self.open_links[(frame, pmap, vpn)] = (halves, now)
        else:
            view.links.pop(key, None)
            self.open_links.pop((frame, pmap, vpn), None)


def has_pv_entries(frame: int, bits: int, view: PageView) -> bool:
    """Does a mapping of this page need a pv entry: does the PTE say so, or is the page one of which the kernel keeps a list?"""
    return bool(bits & PTE_MANAGED) or (frame < FAKE and not view.flags & (UNMANAGED | FICTITIOUS))


def _bind(record: Any, view: PageView, head: Head) -> None:
    _, _, view.object, view.pindex, view.wire, flags, thread, _ = record
    view.phase, view.queue = BOUND, NONE
    view.flags = flags & ~BUSY
    view.owner = thread if flags & BUSY else NOT_BUSY
    view.hold = view.dirty = view.soft = view.cow = view.unsaved = view.moving = 0
    view.reclaimable = view.unlinked = False
    view.busied = view.io_ended = -1
    view.touched_ns = head[0]


def _fake_new(record: Any, view: PageView, head: Head) -> None:
    """A fictitious page never was on the free lists, and is no frame of the machine."""
    _, _, view.object, view.pindex, view.owner = record
    view.phase, view.queue, view.flags, view.wire = BOUND, NONE, FICTITIOUS, 1
    view.touched_ns = head[0]


def _queue(record: Any, view: PageView, head: Head) -> None:
    queue = view.queue = record[3]
    view.touched_ns = head[0]
    if queue == CACHE:
        view.reclaimable = True
    elif queue in (ACTIVE, INACTIVE):
        view.reclaimable = False


def _unbusy(record: Any, view: PageView, head: Head) -> None:
    view.owner = NOT_BUSY
    view.touched_ns = head[0]


def _flags(record: Any, view: PageView, head: Head) -> None:
    view.flags = record[3] & ~BUSY


def _wire(record: Any, view: PageView, head: Head) -> None:
    view.wire = record[3]
    view.touched_ns = head[0]


def _hold(record: Any, view: PageView, head: Head) -> None:
    view.hold = record[3]
    view.touched_ns = head[0]


def _cow(record: Any, view: PageView, head: Head) -> None:
    view.cow = record[3]


def _rebind(record: Any, view: PageView, head: Head) -> None:
    view.object, view.pindex = record[2], record[3]
    view.touched_ns = head[0]


def _take(record: Any, view: PageView, head: Head) -> None:
    view.phase = PRIVATE
    view.touched_ns = head[0]
    if record[4]:
        view.content = ZEROS


def _pte_bits(record: Any, view: PageView, head: Head) -> None:
    old, new = record[3], record[4]
    if (old ^ new) & _WRITES:
        view.writable += (new & _WRITES == _WRITES) - (old & _WRITES == _WRITES)


def _installed(record: Any, view: PageView, head: Head) -> None:
    view.table, view.unlinked = head[3], False


def _unlinked(record: Any, view: PageView, head: Head) -> None:
    view.table, view.unlinked = "", True
    view.touched_ns = head[0]
