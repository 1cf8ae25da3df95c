"""Frames: phase, queue, flags, busy owner, mappings, TLB entries and sleepers of each, as told by ``pq``, ``fq``, objects, page tables and
CPUs.

A frame that is simply free has no view, so a million free frames cost nothing. Between actors only causally ordered facts are used:
``free.take`` before ``page.bind``, ``page.release`` before ``free.put``, a PTE's swap (a call) before whatever its thread does next, a
TLB's flush before the shootdown's end. An object's own records about a page are *not* ordered against ``free.put`` (they may be posted, and
links differ), so they are judged with the object (protocol.checks.views.objects), except for the soft-busy count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings, Hook
from protocol.checks.routing import OLD_PAGE, PAGE
from protocol.checks.state import BOUND, FREE, HAS_PTE, HAS_PV, HELD, NOT_BUSY, PRIVATE, RELEASED, PagesState, PageView
from protocol.checks.views.domain import Domain, Handler, nothing
from protocol.checks.views.page_channels import PageChannels
from protocol.checks.views.page_tlb import PageTlb
from protocol.pages import BUSY, FICTITIOUS, HOLD, NONE, PTE_MANAGED, PTE_V
from protocol.records import Head


class Pages(Domain):
    """All frames of one shard."""

    name = "pages"

    def __init__(self, state: PagesState, findings: Findings, checks: Sequence[Check]) -> None:
        self.state = state
        self.pages = state.pages
        self.open_links = state.open_links
        self.tlb = PageTlb(self)
        self.channels = PageChannels(self)
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says. What leaves a frame (OLD_PAGE) comes before what enters one."""
        updates = {
            r.PAGE_BIND: _bind, r.PAGE_QUEUE: _queue, r.PAGE_BUSY: _busy, r.PAGE_UNBUSY: _unbusy, r.PAGE_FLAGS: _flags, r.PAGE_WIRE: _wire,
            r.PAGE_HOLD: _hold, r.PAGE_DIRTY: _dirty, r.PAGE_REBIND: _rebind, r.PAGE_RELEASE: self._release, r.FREE_TAKE: _take,
            r.FREE_PUT: self._put, r.PV_ADD: self._pv_add, r.PV_DEL: self._pv_del, r.FAKE_NEW: _fake_new, r.FAKE_FREE: self._fake_free,
        }  # fmt: skip
        table: list[tuple[int, int, Handler]] = [(OLD_PAGE, r.PTE_SET, self._pte_replaced)]
        table += [(PAGE, number, self.compose(number, self.pages, 1, update, PageView)) for number, update in updates.items()]
        table += [
            (PAGE, r.PTE_SET, self.compose(r.PTE_SET, self.pages, 2, self._pte_set, PageView)),
            (PAGE, r.PTE_CLEAR, self.compose(r.PTE_CLEAR, self.pages, 2, self._pte_clear, PageView)),
            (PAGE, r.OBJECT_IO, self.compose(r.OBJECT_IO, self.pages, 2, _soft, None)),
            *self.tlb.handlers(),
            *self.channels.handlers(),
        ]
        if self.around(r.STORE)[1]:
            table.append((PAGE, r.STORE, self.compose(r.STORE, self.pages, 4, nothing, PageView)))
        if self.around(r.FRAME_STORE)[1]:
            table.append((PAGE, r.FRAME_STORE, self.compose(r.FRAME_STORE, self.pages, 1, nothing, PageView)))
        table += [(PAGE, r.LOCK_ACQUIRE, _without_view(hook)) for hook in self.around(r.LOCK_ACQUIRE)[0]]
        return table

    # The frame itself -------------------------------------------------------------------------------------------------------

    def _release(self, record: Any, view: PageView, head: Head) -> None:
        if view.pvs:
            for pmap, vpn in [key for key, halves in view.links.items() if halves & HAS_PV]:
                self._unlink(record[1], view, pmap, vpn, HAS_PV)
            view.pvs = 0
        view.object = ""
        view.flags = view.wire = view.dirty = view.soft = 0
        view.owner = NOT_BUSY
        view.touched_ns = head[0]
        view.phase, view.queue = (HELD, HOLD) if record[4] == HOLD else (RELEASED, NONE)

    def _put(self, record: Any, view: PageView, head: Head) -> None:
        view.phase, view.queue, view.hold = FREE, NONE, 0
        self.forget(record[1], view)

    def _fake_free(self, record: Any, view: PageView, head: Head) -> None:
        self.pages.pop(record[1], None)

    def forget(self, frame: int, view: PageView) -> None:
        """A frame that is free and that nothing refers to needs no view."""
        if view.phase == FREE and not view.tlb and not view.ptes and not view.links and not view.sleepers:
            self.pages.pop(frame, None)

    # Mappings ---------------------------------------------------------------------------------------------------------------

    def _pv_add(self, record: Any, view: PageView, head: Head) -> None:
        view.pvs += 1
        self._link(record[1], view, record[2], record[3], HAS_PV)

    def _pv_del(self, record: Any, view: PageView, head: Head) -> None:
        view.pvs -= 1
        self._unlink(record[1], view, record[2], record[3], HAS_PV)

    def _pte_set(self, record: Any, view: PageView, head: Head) -> None:
        bits = record[3]
        if bits & PTE_V:
            view.ptes += 1
            if bits & PTE_MANAGED:
                self._link(record[2], view, head[3], record[1], HAS_PTE)

    def _pte_clear(self, record: Any, view: PageView, head: Head) -> None:
        self._pte_gone(record[2], view, head[3], record[1], record[3])

    def _pte_replaced(self, record: Any, head: Head, index: int) -> None:
        frame = record[4]
        view = self.pages.get(frame) if frame >= 0 else None
        if view is not None:
            self._pte_gone(frame, view, head[3], record[1], record[5])

    def _pte_gone(self, frame: int, view: PageView, pmap: str, vpn: int, bits: int) -> None:
        if bits & PTE_V:
            view.ptes -= 1
            if bits & PTE_MANAGED:
                self._unlink(frame, view, pmap, vpn, HAS_PTE)
            if view.phase == FREE:
                self.forget(frame, view)

    def _link(self, frame: int, view: PageView, pmap: str, vpn: int, half: int) -> None:
        key = (pmap, vpn)
        halves = view.links[key] = view.links.get(key, 0) | half
        if halves == half:
            self.open_links[(frame, pmap, vpn)] = half
        else:
            self.open_links.pop((frame, pmap, vpn), None)

    def _unlink(self, frame: int, view: PageView, pmap: str, vpn: int, half: int) -> None:
        key = (pmap, vpn)
        halves = view.links.get(key, 0) & ~half
        if halves:
            view.links[key] = halves
            self.open_links[(frame, pmap, vpn)] = halves
        else:
            view.links.pop(key, None)
            self.open_links.pop((frame, pmap, vpn), None)


def _without_view(hook: Hook) -> Handler:
    """A check that looks at all of the view at a record that is about no frame."""

    def handler(record: Any, head: Head, index: int) -> None:
        hook(record, None, head, index)

    return handler


def _bind(record: Any, view: PageView, head: Head) -> None:
    _, _, view.object, _, view.wire, flags, thread, _ = record
    view.phase, view.queue = BOUND, NONE
    view.flags = flags & ~BUSY
    view.owner = thread if flags & BUSY else NOT_BUSY
    view.hold = view.dirty = view.soft = 0
    view.io_seen = False
    view.touched_ns = head[0]


def _fake_new(record: Any, view: PageView, head: Head) -> None:
    """A fictitious page never was on the free lists, and is no frame of the machine."""
    _, _, view.object, _, view.owner = record
    view.phase, view.queue, view.flags, view.wire = BOUND, NONE, FICTITIOUS, 1
    view.touched_ns = head[0]


def _queue(record: Any, view: PageView, head: Head) -> None:
    view.queue = record[3]
    view.touched_ns = head[0]


def _busy(record: Any, view: PageView, head: Head) -> None:
    view.owner = record[2]


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


def _dirty(record: Any, view: PageView, head: Head) -> None:
    view.dirty = record[3]


def _rebind(record: Any, view: PageView, head: Head) -> None:
    view.object = record[2]
    view.touched_ns = head[0]


def _take(record: Any, view: PageView, head: Head) -> None:
    view.phase = PRIVATE
    view.touched_ns = head[0]


def _soft(record: Any, view: PageView, head: Head) -> None:
    view.soft = record[4]
    view.io_seen = True
