"""Scans, memory waiters, and the guard of every operation of the paging queues' home."""

from __future__ import annotations

import pytest

from protocol.guards import guard_of, in_words
from protocol.messages.locks import Sleep, Woken
from protocol.messages.pages import (
    Activate,
    Bind,
    Claim,
    CowCount,
    Deactivate,
    Finish,
    Flash,
    FreePage,
    Hold,
    MakeCache,
    PageState,
    Rebind,
    SetBusy,
    SetDirty,
    SetFlags,
    SetWriteable,
    Unbusy,
    Unwire,
    WantBusy,
    Wire,
)
from protocol.messages.pvs import Harvest, PvAdd, PvDel, PvRequeue, Pvs
from protocol.messages.queues import CHAN_FREE, CHAN_NEEDED, LEFT, Mark, NextAfter, PagesNeeded, QueueCounts, Requeue, SelectCache
from protocol.pages import (
    ACTIVE,
    CACHE,
    INACTIVE,
)
from protocol.records import (
    PAGE_COUNTS,
    PAGE_DIRTY,
    PAGES_NEEDED,
    UNGUARDED,
    WAKEUP,
)
from tests.actors.fake_port import Bench
from tests.actors.homes.page_bench import OBJ, PMAP, bench, cached


def scan(b: Bench, queue: int) -> list[tuple[int, ...]]:
    found, after = [], 0
    while (row := b.ask(NextAfter(queue, after))) is not None:
        found.append(row)
        after = row[0]
    return found


def test_a_scan_sees_the_queue_in_order_with_what_it_decides_on():
    b = bench(7, 8, 9)
    for frame in (9, 7, 8):
        b.ask(Activate(frame))
    b.ask(SetDirty(7, 2))
    b.ask(Hold(7, 1))
    assert [row[0] for row in scan(b, ACTIVE)] == [9, 7, 8]
    assert b.ask(NextAfter(ACTIVE, 9)) == (7, OBJ, 0, 0, 2, 1, 5, 0)
    assert scan(b, INACTIVE) == []
    b.ask(Deactivate(9))
    assert b.ask(NextAfter(ACTIVE, 9)) == (LEFT,)


def test_markers_keep_a_scans_place():
    b = bench(7, 8, 9)
    for frame in (7, 8, 9):
        b.ask(Deactivate(frame))
    b.take_records()
    assert b.ask(Mark(INACTIVE, -1, 7)) is True
    assert b.ask(NextAfter(INACTIVE, 7)) == (-1,)
    b.ask(FreePage(7))
    assert b.ask(NextAfter(INACTIVE, -1))[0] == 8
    assert b.ask(Mark(INACTIVE, -1, 8)) is True, "a marker stands at one place"
    assert [row[0] for row in scan(b, INACTIVE)] == [8, -1, 9]
    assert b.ask(QueueCounts())[0] == 2, "a marker is no page"
    assert b.ask(Mark(INACTIVE, -1)) == (8, 0), "it stood behind 8, which is the head"
    assert b.ask(Mark(INACTIVE, -1)) == (LEFT, LEFT)
    assert b.ask(Mark(INACTIVE, -2, 7)) is False, "the page has left the queue"
    assert b.ask(NextAfter(INACTIVE, -1)) == (LEFT,)


def test_a_marker_tells_where_it_stood_when_it_is_taken_away():
    b = bench(7, 8, 9)
    for frame in (7, 8, 9):
        b.ask(Deactivate(frame))
    b.ask(Mark(INACTIVE, -2, 9))
    assert b.ask(Mark(INACTIVE, -2)) == (9, 8)
    b.ask(Mark(INACTIVE, -2, 8))
    b.ask(FreePage(8))
    assert b.ask(Mark(INACTIVE, -2)) == (7, 0), "the page has left, and its place is that of the one before"
    b.ask(Mark(INACTIVE, -2, 7))
    b.ask(Activate(7))
    assert b.ask(Mark(INACTIVE, -2)) == (0, 0), "at the head"


def test_a_scan_of_the_cache_queue_goes_through_the_colours():
    b = cached(9, 5, 8, 6)
    assert [row[0] for row in scan(b, CACHE)] == [8, 9, 5, 6]
    assert b.ask(Mark(CACHE, -1, 9)) is True
    assert [row[0] for row in scan(b, CACHE)] == [8, 9, -1, 5, 6]
    b.ask(Activate(5))
    assert b.ask(NextAfter(CACHE, 5)) == (LEFT,)


def test_select_cache_looks_near_the_colour_and_skips_held_pages():
    b = cached(4, 5, 9, 7)
    b.ask(Hold(5, 1))
    assert b.ask(SelectCache(1)) == (5, OBJ, 1, 0, 0, 1, 0, 0, 4), "whether it may be had is the asker's to see"
    b.ask(Activate(5))
    assert b.ask(SelectCache(1))[:3] == (9, OBJ, 2)
    b.ask(Activate(9))
    assert b.ask(SelectCache(1))[:3] == (7, OBJ, 3), "colour 3 is the farthest, and first"
    b.ask(Activate(7))
    assert b.ask(SelectCache(5))[:3] == (4, OBJ, 0)
    b.ask(Activate(4))
    assert b.ask(SelectCache(1)) is None


def test_select_cache_goes_on_behind_those_passed_over():
    b = cached(4, 5, 9, 7)
    found = [b.ask(SelectCache(1, passed)) for passed in range(5)]
    assert [row and (row[0], row[8]) for row in found] == [(5, 4), (9, 3), (7, 2), (4, 1), None]


def test_pages_needed_wakes_the_daemon_once_and_clearing_wakes_the_waiters():
    b = bench()
    b.give(Sleep(1, CHAN_NEEDED, b.home.fence))
    b.ask(PagesNeeded(True, 2), locked=False)
    assert b.take_sent() == [("cpu.0", Woken(1, CHAN_NEEDED), 5)]
    assert b.take_records() == [(PAGES_NEEDED, False, True, 2), (WAKEUP, CHAN_NEEDED, (1,))]
    b.give(Sleep(1, CHAN_NEEDED, b.lock()))
    b.ask(PagesNeeded(True, 1))
    assert b.take_records() == [(PAGES_NEEDED, True, True, 3)], "needed already: nobody is woken, as in the kernel"
    b.give(Sleep(2, CHAN_FREE, b.lock(2)))
    b.ask(PagesNeeded(False))
    assert b.take_sent() == [("cpu.0", Woken(2, CHAN_FREE), 5)]
    assert b.take_records() == [(PAGES_NEEDED, True, False, 3), (WAKEUP, CHAN_FREE, (2,))]
    b.ask(PagesNeeded(False))
    assert b.take_records() == []


def test_vm_wait_sets_pages_needed_and_wakes_the_daemon():
    b = bench()
    b.give(Sleep(1, CHAN_NEEDED, b.home.fence))
    b.give(Sleep(2, CHAN_FREE, b.lock(2, cpu="cpu.1")), "cpu.1")
    assert b.take_sent() == [("cpu.0", Woken(1, CHAN_NEEDED), 5)]
    assert b.take_records() == [(PAGES_NEEDED, False, True, 0), (WAKEUP, CHAN_NEEDED, (1,))]
    assert b.home.sleepers == {CHAN_FREE: [("cpu.1", 2)]} and b.home.owner == -1
    b.give(Sleep(3, CHAN_FREE, b.lock(3)))
    assert b.take_records() == []


def test_counts_and_the_deficit():
    b = bench(5, 6, 7, 8, 9)
    b.ask(Activate(5))
    b.ask(Deactivate(6))
    b.ask(Deactivate(7))
    b.ask(MakeCache(8))
    b.ask(Hold(9, 1))
    b.ask(FreePage(9))
    b.ask(PagesNeeded(True, 4))
    b.take_records()
    assert b.ask(QueueCounts()) == (2, 1, 1, 1, 4, True)
    assert b.take_records() == []
    assert b.ask(QueueCounts(take_deficit=True)) == (2, 1, 1, 1, 4, True)
    assert b.take_records() == [(PAGE_COUNTS, 2, 1, 1, 1), (PAGES_NEEDED, True, True, 0)]
    assert b.ask(QueueCounts(take_deficit=True))[4] == 0
    assert b.take_records() == [(PAGE_COUNTS, 2, 1, 1, 1)]


GUARDED = [
    Rebind(9, OBJ, 0), Claim(9), SetBusy(9), Unbusy(9), Finish(9), Flash(9), WantBusy(9), Activate(9), Deactivate(9), MakeCache(9),
    SetWriteable(9), SetFlags(9), SetDirty(9, 0), PvAdd(9, PMAP, 1), PvDel(9, PMAP, 1), Pvs(9), FreePage(9), Wire(9), Unwire(9), Hold(9, 1),
    CowCount(9, 1), PvRequeue(9, 1), Harvest(9, True, True), PageState(9), SelectCache(0), NextAfter(ACTIVE), Mark(ACTIVE, -1), Requeue(9),
]  # fmt: skip


@pytest.mark.parametrize("op", GUARDED, ids=lambda op: op.word)
def test_an_access_without_the_lock_is_recorded_and_performed(op):
    proper, improper = bench(9), bench(9)
    improper.unlock()
    value = proper.ask(op)
    assert improper.ask(op) == value
    first, *others = improper.take_records()
    assert first[0] == UNGUARDED and first[2:4] == ("pq", 1)
    assert first[4] == in_words(guard_of("pq", first[1]).read if type(op) in (Pvs, PvRequeue, WantBusy) else guard_of("pq", first[1]).write)
    assert others == proper.take_records()
    assert improper.home.pages == proper.home.pages


@pytest.mark.parametrize("op", [Bind(9, OBJ, 0), QueueCounts(), PagesNeeded(True)], ids=lambda op: op.word)
def test_what_the_kernel_does_without_the_lock_is_not_called_unguarded(op):
    b = bench()
    b.unlock()
    b.ask(op)
    assert UNGUARDED not in [r[0] for r in b.take_records()]


def test_a_stray_frame_gets_a_record_and_that_is_recorded():
    b = bench()
    b.ask(SetDirty(9, 1))
    assert b.take_records() == [(UNGUARDED, "page", "page.9", 1, "an allocated page"), (PAGE_DIRTY, 9, 0, 1)]
    assert 9 in b.home.pages
