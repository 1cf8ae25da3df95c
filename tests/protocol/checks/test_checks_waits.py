"""Checks about who waits: for a page that must be wanted, for a device, and for nobody at all."""

from __future__ import annotations

import pytest

from protocol import records as r
from protocol.messages.locks import SHARED
from protocol.pages import INACTIVE, REFERENCED, WANTED
from tests.protocol.checks.stream import MAP, OBJECT, PMAP, RW, Stream, judge, speaks_first

# I-BUSY-LOCKED ------------------------------------------------------------------------------------------------------------------


def cached_and_busied(*moves: int) -> Stream:
    """Thread 1 makes a cached page busy under the page queues, moves it, and lets go."""
    s = Stream().fault(0, 3, 5).at(PMAP, (r.PTE_CLEAR, 105, 3, RW)).flush(0).at("pq", (r.PV_DEL, 3, PMAP, 105, False, False)).to_cache(0, 3)
    s.acquire(1, "pq").at("pq", (r.PAGE_BUSY, 3, 1), (r.PAGE_CACHED_BUSY, 3, OBJECT, 1))
    for queue in moves:
        s.queue(3, queue)
    return s.release(1, "pq")


def test_busy_locked_forgets_a_page_that_leaves_the_cache_queue():
    words = f"vm page 0x3: on the cache queue and busy, but thread 1 holds neither the page-queues lock nor {OBJECT}"
    assert speaks_first(cached_and_busied(), "I-BUSY-LOCKED", ended="limit").message == words
    assert not judge(cached_and_busied(INACTIVE), ended="limit")[0]
    assert not judge(cached_and_busied(INACTIVE).acquire(1, "pq").release(1, "pq"), ended="limit")[0]


# I-WANT -------------------------------------------------------------------------------------------------------------------------


def sleeper_on_a_busy_page() -> Stream:
    """Thread 0 has a fresh page busy; thread 1 sleeps on it."""
    return Stream().enter(0).acquire(0, OBJECT).alloc(0, 3, 5).release(0, OBJECT).leave(0).sleep_on(1, 3)


def test_want_hears_a_sleep_on_a_busy_page_that_is_not_wanted():
    assert not judge(sleeper_on_a_busy_page(), ended="limit")[0]
    s = sleeper_on_a_busy_page().change(r.PAGE_FLAGS, to=lambda record: (*record[:3], REFERENCED))
    assert speaks_first(s, "I-WANT", ended="limit").message == "vm page 0x3: thread 1 goes to sleep on it, but WANTED is clear"


def test_want_hears_wanted_cleared_under_a_sleeper():
    s = sleeper_on_a_busy_page().at("pq", (r.PAGE_FLAGS, 3, WANTED, 0))
    assert speaks_first(s, "I-WANT", ended="limit").message == "vm page 0x3: WANTED is cleared while it is busy and thread 1 asleep on it"


def test_want_allows_wanted_to_go_with_the_sleepers():
    """vm_page_flash of a soft-busy page that is busy as well: it clears WANTED first, and wakes in the same step."""
    s = sleeper_on_a_busy_page().acquire(0, "pq").at("pq", (r.PAGE_FLAGS, 3, WANTED, 0), (r.WAKEUP, "page.3", (1,))).release(0, "pq")
    assert not judge(s.on(1, (r.WAKE, 1, "page.3", "wakeup")), ended="limit")[0]


def test_want_hears_a_sleep_on_a_page_whose_io_ended_long_ago():
    """Only while the sleeper has the page queues can the end of I/O be without its flash: whoever flashes needs them."""

    def slept(io_ends: str) -> Stream:
        s = Stream().fault(0, 3, 5).acquire(0, OBJECT).at(OBJECT, (r.OBJECT_IO, 5, 3, 0, 1))
        s = s.at(OBJECT, (r.OBJECT_IO, 5, 3, 1, 0)) if io_ends == "before" else s
        s.release(0, OBJECT).acquire(1, "pq").at("pq", (r.PAGE_FLAGS, 3, 0, WANTED))
        s = s.at(OBJECT, (r.OBJECT_IO, 5, 3, 1, 0)) if io_ends == "meanwhile" else s
        return s.on(1, (r.LOCK_RELEASE, 1, "pq", s.fences, 10, 0), (r.SLEEP, 1, "page.3", "pq"))

    assert not judge(slept("meanwhile"), ended="limit")[0]
    assert "although it is not busy" in speaks_first(slept("before"), "I-WANT", ended="limit").message


# I-NOLOST -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("runs", "words"), [(True, "runs only now"), (False, "has not run since")])
def test_nolost_says_whether_the_thread_runs_at_last(runs, words):
    s = sleeper_on_a_busy_page()
    s.acquire(0, "pq").at("pq", (r.PAGE_UNBUSY, 3, 0), (r.PAGE_FLAGS, 3, WANTED, 0), (r.WAKEUP, "page.3", (1,))).release(0, "pq")
    woken = s.entries[s.find(r.WAKEUP)[0]][0][0]
    s.now += 10_000_000
    if runs:
        s.on(1, (r.WAKE, 1, "page.3", "wakeup"))
    assert [v.message for v in judge(s, "stuck", ("I-NOLOST",))[0]] == [
        f"vm page 0x3: thread 1 was woken off it at {woken} ns, and {words}"
    ]


# I-NOSLEEP, I-SPIN --------------------------------------------------------------------------------------------------------------


def switch(s: Stream, old: int, new: int) -> Stream:
    return s.on(new, (r.SWITCH, old, new, ""))


def test_nosleep_hears_a_mutex_kept_over_a_wait_for_a_device():
    """Such a wait has no record of its own: the CPU that the thread has given up is switched to the next, or to the thread itself again."""
    for new in (0, 1):
        s = switch(Stream().acquire(0, MAP, mode=SHARED).acquire(0, OBJECT), 0, new)
        expected = f"thread 0: Gives the CPU up with the following non-sleepable locks held: {OBJECT}"
        assert speaks_first(s, "I-NOSLEEP").message == expected


def test_nosleep_allows_a_wait_for_a_device_with_a_sleepable_lock():
    found, evaluated = judge(switch(Stream().acquire(0, MAP, mode=SHARED), 0, 1))
    assert not found
    assert evaluated["I-NOSLEEP"] == (1, 0)


def test_nosleep_allows_a_mutex_kept_over_a_wait_for_another():
    """Also where the lock is the thread's already when the idle CPU goes on with it. One wait is one switch."""

    def waited(switches: int) -> Stream:
        s = Stream().acquire(1, "pq").acquire(0, OBJECT).wait(0, "pq", 1).release(1, "pq").acquire(0, "pq", wait_ns=20)
        for _ in range(switches):
            switch(s, 0, 0)
        return s.release(0, "pq", OBJECT)

    found, evaluated = judge(waited(1))
    assert not found
    assert evaluated["I-NOSLEEP"] == (0, 0)
    assert "Gives the CPU up" in speaks_first(waited(2), "I-NOSLEEP").message


def test_spin_hears_a_spin_lock_kept_over_a_wait_for_a_device():
    found = [v.message for v in judge(switch(Stream().acquire(0, "fq"), 0, 0))[0] if v.check == "I-SPIN"]
    assert found == ["thread 0: is switched away with fq held"]
