"""The free lists: order, thresholds, conservation, memory taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.free_queues import FreeQueues
from protocol.machine import Thresholds
from protocol.messages.free import CacheCount, FreeCounts, Put, PutZeroed, ReturnWithheld, Take, TakeDirty, Withhold, ZeroCheck
from protocol.pages import CLASS_INTERRUPT, CLASS_NORMAL, CLASS_SYSTEM
from protocol.records import FREE_COUNTS, FREE_FAIL, FREE_PUT, FREE_TAKE, FREE_WITHHOLD, UNGUARDED
from tests.actors.fake_port import Bench, restored

LIMITS = Thresholds(
    interrupt_free_min=2, pageout_free_min=4, free_reserved=6, free_severe=8, free_min=10, free_target=20, cache_min=3, inactive_target=30
)
NONE_RESERVED = Thresholds(
    interrupt_free_min=0, pageout_free_min=0, free_reserved=0, free_severe=0, free_min=0, free_target=0, cache_min=0, inactive_target=0
)


def bench(frames: int = 40, colours: int = 4, limits: Thresholds = NONE_RESERVED) -> Bench:
    b = Bench(FreeQueues(name="fq", service_ns=5, frames=frames, colours=colours, thresholds=limits))
    b.lock()
    return b


def take(b: Bench, colour: int = 0, klass: int = CLASS_NORMAL, **more: bool) -> int:
    return b.ask(Take(colour, klass, **more))[0]


def members(b: Bench) -> list[tuple[int, bool]]:
    return [m for queue in b.home.lists for m in queue.members()]


@given(st.integers(1, 60), st.integers(1, 9))
def test_boot_lists_hold_every_frame_once_under_its_colour(frames, colours):
    b = bench(frames, colours)
    assert sorted(f for f, _ in members(b)) == list(range(1, frames + 1))
    for colour, queue in enumerate(b.home.lists):
        assert all(f % colours == colour and not zeroed for f, zeroed in queue.members())
        assert queue.count == len(queue.members())
    assert b.home.free == frames


def test_head_is_the_frame_freed_last_then_boot_frames_then_zeroed_ones():
    b = bench(frames=8, colours=4)
    first, second = take(b, 1), take(b, 1)
    assert (first, second) == (1, 5)
    b.ask(Put(1, zeroed=True))
    b.ask(Put(5))
    assert [take(b, 1) for _ in range(2)] == [5, 1]


def test_zeroed_frames_come_from_the_tail_when_preferred():
    b = bench(frames=16, colours=4)
    assert [take(b, 1) for _ in range(2)] == [1, 5]
    b.ask(Put(5))
    b.ask(Put(1, zeroed=True))
    assert b.ask(Take(1, CLASS_NORMAL, prefer_zero=True))[:2] == (1, True)
    assert b.ask(Take(1, CLASS_NORMAL, prefer_zero=True))[:2] == (13, False), "no zeroed one: the tail is the last boot frame"
    assert b.ask(Take(1, CLASS_NORMAL, prefer_zero=True))[:2] == (9, False)
    assert b.ask(Take(1, CLASS_NORMAL, prefer_zero=True))[:2] == (5, False)


def test_the_zeroed_count_follows():
    b = bench(frames=8, colours=4)
    for _ in range(8):
        take(b)
    b.ask(Put(4, zeroed=True))
    b.ask(Put(8, zeroed=True))
    assert b.ask(FreeCounts()) == (2, 0, 2)
    assert b.ask(Take(0, CLASS_NORMAL)) == (4, True, False), "from the head, the zeroed frame put first is found first"
    assert b.ask(FreeCounts()) == (1, 0, 1)


def test_zeroing_goes_on_to_four_fifths_and_begins_again_below_two_thirds():
    b = bench(frames=10, colours=1)
    answers = []
    while b.ask(ZeroCheck()):
        b.ask(PutZeroed(b.ask(TakeDirty(0))))
        answers.append(b.home.zeroed)
    assert answers == [1, 2, 3, 4, 5, 6, 7, 8]
    for zeroed in (7, 6, 5, 4, 3):
        take(b, prefer_zero=True)
        assert (b.home.free, b.home.zeroed) == (zeroed + 2, zeroed)
        assert b.ask(ZeroCheck()) is (zeroed == 3), "3 of 5"


def test_an_empty_colour_is_searched_for_farthest_first():
    b = bench(frames=8, colours=8)
    assert [take(b, 3) for _ in range(8)] == [3, 7, 6, 8, 5, 1, 4, 2]


@pytest.mark.parametrize(
    ("free", "cache", "klass", "last_resort", "granted"),
    [
        (7, 0, CLASS_NORMAL, False, True),
        (6, 0, CLASS_NORMAL, False, False),
        (6, 0, CLASS_SYSTEM, False, True),
        (6, 1, CLASS_SYSTEM, False, False),
        (6, 1, CLASS_SYSTEM, True, True),
        (6, 0, CLASS_NORMAL, True, False),
        (3, 0, CLASS_SYSTEM, False, True),
        (2, 0, CLASS_SYSTEM, False, False),
        (2, 0, CLASS_SYSTEM, True, False),
        (1, 9, CLASS_INTERRUPT, False, True),
        (0, 9, CLASS_INTERRUPT, False, False),
    ],
)
def test_thresholds_of_the_three_classes(free, cache, klass, last_resort, granted):
    b = bench(limits=LIMITS)
    b.home.free = free
    b.give(CacheCount(count=cache, reply=False), "pq")
    frame, _, _ = b.ask(Take(0, klass, last_resort=last_resort))
    assert (frame > 0) == granted
    if not granted:
        assert b.take_records() == [(FREE_FAIL, klass, free, cache)]
        assert b.home.free == free


def test_paging_needed_is_told_from_free_and_cache_after_the_step():
    b = bench(limits=LIMITS)
    b.home.free = 11
    assert [b.ask(Take(0, CLASS_NORMAL))[2] for _ in range(3)] == [False, False, True]
    b.give(CacheCount(count=5, reply=False), "pq")
    assert b.ask(Take(0, CLASS_NORMAL))[2] is False


def test_records_and_values():
    b = bench(frames=8, colours=4)
    frame, zeroed, needed = b.ask(Take(6, CLASS_SYSTEM))
    assert (frame, zeroed, needed) == (2, False, False)
    b.give(CacheCount(count=3, reply=False), "pq")
    assert b.ask(Put(2, zeroed=True)) == (11, 8)
    assert b.take_records() == [(FREE_TAKE, 2, 6, CLASS_SYSTEM, False, 7), (FREE_PUT, 2, True, 8)]
    b.unlock()
    b.ask(Take(0, CLASS_NORMAL))
    assert b.take_records()[0] == (UNGUARDED, "free_list", "fq", 1, "fq")
    assert b.ask(FreeCounts()) == (7, 3, 1), "the counters are read without the lock"
    assert b.take_records() == [(FREE_COUNTS, 7, 3, 1)]


def test_withheld_frames_come_back_after_their_time():
    b = bench(frames=8, colours=4)
    b.port.clock.now = 100
    b.give(Withhold(frames=20, until_ns=350), "boot")
    assert b.take_records() == [(FREE_WITHHOLD, 8, 0)]
    assert b.take_sent() == [], "the fault has nobody to answer"
    assert take(b) == -1
    assert [delay for _, delay in b.port.timers] == [250]
    b.take_records()
    b.give(b.port.timers[0][0], "fq")
    assert b.take_records() == [(FREE_WITHHOLD, -8, 8)]
    assert take(b) == 4


def test_withholding_for_good_and_of_nothing():
    b = bench(frames=8, colours=4)
    b.give(Withhold(frames=3, until_ns=0), "boot")
    assert b.port.timers == [] and b.home.free == 5
    b.home.free = 0
    b.take_records()
    b.give(Withhold(frames=3, until_ns=90), "boot")
    assert b.port.timers == [] and b.take_records() == []
    b.give(ReturnWithheld(frames=9, reply=False), "fq")
    assert b.home.free == 3, "no more comes back than was taken"


STEP = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 7), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("put"), st.integers(0, 30), st.booleans(), st.booleans()),
    st.tuples(st.just("withhold"), st.integers(1, 9), st.booleans(), st.booleans()),
)


@given(st.lists(STEP, max_size=120), st.integers(1, 7))
def test_frames_are_conserved_and_state_survives_a_snapshot(steps, colours):
    b = bench(frames=30, colours=colours, limits=LIMITS)
    owned: list[int] = []
    for what, number, flag, other in steps:
        if what == "take":
            frame = take(b, number, flag, prefer_zero=other)
            if frame > 0:
                assert frame not in owned
                owned.append(frame)
        elif what == "put" and owned:
            b.ask(Put(owned.pop(number % len(owned)), zeroed=flag))
        elif what == "withhold":
            b.give(Withhold(frames=number, until_ns=0), "boot") if flag else b.give(ReturnWithheld(frames=number, reply=False), "fq")
        listed = members(b)
        assert sorted([f for f, _ in listed] + owned) == list(range(1, 31))
        assert b.home.free + b.home.withheld == len(listed)
        assert b.home.zeroed == sum(zeroed for _, zeroed in listed)
        assert [queue.count for queue in b.home.lists] == [len(queue.members()) for queue in b.home.lists]
    copy = restored(b.home)
    assert copy == b.home
    assert [queue.members() for queue in copy.lists] == [queue.members() for queue in b.home.lists]


def test_a_million_frames_are_not_materialised():
    home = FreeQueues(name="fq", frames=1_000_000, colours=32, thresholds=LIMITS)
    assert home.free == 1_000_000
    assert sum(len(queue.freed.items) + len(queue.zeroed.items) for queue in home.lists) == 0


def test_taking_the_oldest_gives_the_room_back():
    b = bench(frames=400, colours=1)
    for _ in range(400):
        take(b)
    for frame in range(1, 401):
        b.ask(Put(frame))
    assert [take(b, prefer_zero=True) for _ in range(400)] == list(range(1, 401))
    assert len(b.home.lists[0].freed.items) < 128
