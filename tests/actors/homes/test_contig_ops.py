"""Runs of frames at the homes: what a scan is told, what is taken, and that the free lists keep their order around it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.free_lists import boot_lists, spans
from actors.homes.free_queues import FreeQueues
from actors.homes.page_queues import PageQueues
from protocol.machine import Thresholds
from protocol.messages.contig import Adopt, BindRun, FreeWindow, PageWindow, TakeRun
from protocol.messages.free import Put, Take, TakeDirty, Withhold
from protocol.messages.pages import Bind, Deactivate, Hold, MakeCache, PageState
from protocol.pages import ALLOC_NOOBJ, CLASS_CONTIG, CLASS_NORMAL, NONE, UNMANAGED, ZERO
from protocol.records import FREE_TAKE, PAGE_BIND, PAGE_REBIND, UNGUARDED
from tests.actors.fake_port import Bench, restored

LIMITS = Thresholds(
    interrupt_free_min=2, pageout_free_min=4, free_reserved=6, free_severe=8, free_min=10, free_target=20, cache_min=3, inactive_target=30
)


def lists(frames: int = 40, colours: int = 4) -> Bench:
    b = Bench(FreeQueues(name="fq", service_ns=5, frames=frames, colours=colours, thresholds=LIMITS))
    b.lock()
    return b


def pages() -> Bench:
    b = Bench(PageQueues(name="pq", service_ns=5, colours=4))
    b.lock()
    return b


def order(b: Bench) -> list[list[int]]:
    return [[frame for frame, _ in queue.members()] for queue in b.home.lists]


# The free lists -----------------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 60),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30),
)
def test_a_frame_taken_out_of_the_middle_leaves_the_others_in_their_order(frames, colours, moves):
    free = boot_lists(frames, colours)
    for number, zeroed in moves:
        frame = 1 + number % frames
        mine = free[frame % colours]
        before = mine.members()
        if mine.has(frame):
            was = dict(before)[frame]
            assert mine.take(frame) == was
            assert mine.members() == [m for m in before if m[0] != frame]
        else:
            mine.push(frame, zeroed)
        assert mine.count == len(mine.members())
        assert mine.has(frame) == (frame in dict(mine.members()))


@given(st.integers(1, 60), st.integers(1, 6), st.lists(st.integers(1, 60), max_size=30), st.integers(1, 50), st.integers(0, 30))
def test_a_window_shows_the_free_frames_of_it_and_no_others(frames, colours, taken, start, length):
    b = Bench(FreeQueues(name="fq", service_ns=5, frames=frames, colours=colours, thresholds=LIMITS))
    b.lock()
    for number in taken:
        frame = 1 + number % frames
        if b.home.lists[frame % colours].has(frame):
            b.ask(TakeRun(frame, 1))
        else:
            b.ask(Put(frame, bool(number % 2)))
    free, told, _ = b.ask(FreeWindow(start, start + length))
    shown = [frame for first, last in told for frame in range(first, last + 1)]
    assert free == b.home.free
    assert shown == sorted(frame for queue in order(b) for frame in queue if start <= frame < start + length)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(told)), "stretches that touch are one"
    assert restored(b.home) == b.home


def test_a_run_is_taken_whole_whatever_the_thresholds_and_says_what_is_zero():
    b = lists(frames=12)
    b.ask(TakeRun(5, 1))
    b.ask(Put(5, True))
    b.take_records()
    assert b.ask(TakeRun(3, 8)) == (5,)
    assert b.home.free == 4 and b.home.zeroed == 0
    assert b.take_records() == [(FREE_TAKE, frame, frame % 4, CLASS_CONTIG, frame == 5, 14 - frame) for frame in range(3, 11)]
    assert b.ask(Take(0, CLASS_NORMAL))[0] == -1, "a class of vm_page_alloc is held to the reserve"


def test_a_run_with_a_frame_missing_is_refused_or_taken_as_it_is():
    b = lists()
    b.ask(TakeRun(6, 1))
    before = order(b)
    assert b.ask(TakeRun(4, 4)) is None
    assert order(b) == before
    assert b.ask(TakeRun(4, 4, all_free=False)) == ()
    assert [frame for frame in (4, 5, 6, 7) if b.home.lists[frame % 4].has(frame)] == []


def test_a_window_tells_how_many_of_its_frames_are_not_withheld():
    b = lists()
    b.give(Withhold(30, 0))
    assert b.ask(FreeWindow(1, 41)) == (10, ((1, 40),), ())


def test_a_window_tells_what_the_idle_loop_has_borrowed():
    b = lists()
    frames = {b.ask(TakeDirty(colour)) for colour in (1, 2)}
    assert frames == {1, 2}
    assert b.ask(FreeWindow(1, 5))[1:] == (((3, 4),), (1, 2))
    assert b.ask(FreeWindow(2, 5))[2] == (2,)


def test_reading_a_window_without_the_free_queue_lock_is_recorded():
    b = lists()
    b.take_records()
    b.ask(FreeWindow(1, 5), locked=False)
    assert b.take_records() == [(UNGUARDED, "free_list", "fq", 1, "fq")]


@pytest.mark.parametrize(("marks", "free", "other"), [("", (), ()), ("111", ((7, 9),), ()), ("0110", ((8, 9),), ((7, 7), (10, 10)))])
def test_spans(marks, free, other):
    found = bytearray(int(mark) for mark in marks)
    assert (spans(found, 7, 1), spans(found, 7, 0)) == (free, other)


# The page records -----------------------------------------------------------------------------------------------------------------


def test_a_window_shows_cached_pages_and_frames_without_a_record():
    b = pages()
    for frame in (3, 4, 7):
        b.ask(Bind(frame, "object.1", frame))
        b.ask(Deactivate(frame))
    for frame in (7, 3):
        b.ask(MakeCache(frame))
    b.ask(Hold(7, 1))
    assert b.ask(PageWindow(2, 9)) == (((3, "object.1", 3, 0, 0), (7, "object.1", 7, 0, 1)), ((2, 2), (5, 6), (8, 8)))
    assert b.ask(PageWindow(4, 7)) == ((), ((5, 6),))
    assert b.ask(PageWindow(4, 4)) == ((), ())


def test_a_run_becomes_unmanaged_pages_of_nobody_and_an_object_adopts_them():
    b = pages()
    b.take_records()
    b.ask(BindRun(5, 2, (6,)))
    assert b.take_records() == [
        (PAGE_BIND, 5, "", 0, 0, UNMANAGED, 1, ALLOC_NOOBJ),
        (PAGE_BIND, 6, "", 0, 0, UNMANAGED | ZERO, 1, ALLOC_NOOBJ),
    ]
    b.ask(Adopt(6, "object.kernel", 9), locked=False)
    assert b.take_records() == [(PAGE_REBIND, 6, "object.kernel", 9, "", 0)], "no lock is asked of whoever owns the page alone"
    assert b.ask(PageState(6)) == (NONE, UNMANAGED | ZERO, 0, 0, 0, 0, 0, "object.kernel", 9)


def test_a_frame_that_is_somebodys_page_is_taken_from_him_and_that_is_recorded():
    b = pages()
    b.ask(Bind(5, "object.1", 3, busy=True))
    b.ask(Deactivate(5))
    b.take_records()
    b.ask(BindRun(4, 2))
    assert (UNGUARDED, "page", "page.5", 1, "a frame fresh from the free lists") in b.take_records()
    assert b.ask(PageState(5))[7] == ""
