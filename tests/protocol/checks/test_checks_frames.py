"""The checks of where frames are: none is lost, each stands in one place, and the counters say so."""

from __future__ import annotations

from protocol import records as r
from protocol.pages import ACTIVE, CACHE, FREE, HOLD, INACTIVE, NONE, UNMANAGED
from tests.protocol.checks.stream import OBJECT, PMAP, Stream, judge, speaks_first, story, unmapped

# I-CONSERVE ---------------------------------------------------------------------------------------------------------------------


def test_conserve_hears_a_wrong_count():
    s = story().change(r.FREE_PUT, to=lambda record: (*record[:3], record[3] + 1))
    assert "frames free after vm page 0x1 was put back" in speaks_first(s, "I-CONSERVE").message


def test_conserve_follows_withheld_frames():
    s = Stream()
    s.at("fq", (r.FREE_WITHHOLD, 10, 54)).at("fq", (r.FREE_WITHHOLD, -4, 58))
    s.free = 58
    s.take(0, 1).put(0, 1)
    assert not judge(s)[0]
    s.at("fq", (r.FREE_WITHHOLD, -6, 63))
    assert "63 frames free" in speaks_first(s, "I-CONSERVE").message


def test_conserve_learns_the_count_of_another_home_of_free_lists():
    s = Stream().at("fq.1", (r.FREE_PUT, 40, False, 8)).at("fq.1", (r.FREE_PUT, 41, False, 8))
    assert [v.message for v in judge(s)[0] if v.check == "I-CONSERVE"] == [
        "free lists: 8 frames free after vm page 0x29 was put back, but it must be 9"
    ]


def test_conserve_finds_a_leak_at_the_end():
    s = Stream().fault(0, 1, 0).unmap(0, 1, 100)
    s.enter(0).acquire(0, OBJECT, "pq").at(OBJECT, (r.OBJECT_REMOVE, 0, 1))
    s.queue(1, NONE).at("pq", (r.PAGE_RELEASE, 1, OBJECT, 0, FREE)).release(0, "pq", OBJECT).leave(0)
    found = speaks_first(s, "I-CONSERVE")
    assert (found.actor, found.event) == ("end", ("end", 0))
    assert "vm page 0x1: lost: released" in found.message


def test_conserve_finds_a_page_without_owner_and_excuses_one_that_somebody_may_be_working_on():
    def leaking(still_inside: bool) -> Stream:
        s = Stream().enter(0, "vm_fault").enter(1, "long")
        s.take(0, 4).at("pq", (r.PAGE_BIND, 4, "", 0, 0, 0, 0, 0)).leave(0)
        return s if still_inside else s.leave(1)

    assert "on no queue, in no object" in speaks_first(leaking(False), "I-CONSERVE").message
    assert not judge(leaking(True))[0], "the long operation was there when the frame changed hands: it may own it"
    later = Stream().take(0, 4).enter(1, "long")
    assert speaks_first(later, "I-CONSERVE"), "an operation that began later cannot own it"


def test_conserve_finds_a_page_that_nobody_holds_on_the_hold_queue():
    def held(count: int) -> Stream:
        s = unmapped().enter(0).at("pq", (r.PAGE_QUEUE, 1, ACTIVE, NONE), (r.PAGE_HOLD, 1, 0, 1)).acquire(0, OBJECT, "pq")
        s.at(OBJECT, (r.OBJECT_REMOVE, 0, 1)).at("pq", (r.PAGE_RELEASE, 1, OBJECT, 0, HOLD), (r.PAGE_HOLD, 1, 1, count))
        return s.release(0, "pq", OBJECT).leave(0)

    assert not judge(held(1))[0]
    assert "vm page 0x1: lost: on the hold queue, and held by nobody" in speaks_first(held(0), "I-CONSERVE").message


def test_conserve_asks_who_has_wired_a_page_without_an_object():
    def wired(*records: tuple[str, tuple[int, ...]]) -> Stream:
        s = Stream().enter(0).take(0, 4).at("pq", (r.PAGE_BIND, 4, "", 0, 1, UNMANAGED, 0, 0))
        for actor, record in records:
            s.at(actor, record)
        return s.leave(0)

    assert "in no object, wired 1 times by nobody that is known" in speaks_first(wired(), "I-CONSERVE").message
    assert not judge(wired((PMAP, (r.PT_INSTALL, 1, 9, 4))))[0], "a page-table page"
    assert not judge(wired(("pq", (r.PAGE_COW, 4, 0, 1))))[0], "what a send has wired"
    assert not judge(wired(("pq", (r.PAGE_REBIND, 4, OBJECT, 3, "", 0)), (OBJECT, (r.OBJECT_INSERT, 3, 4))))[0], "the kernel's memory"


def test_conserve_does_not_judge_a_run_that_reached_its_limit():
    assert not judge(Stream().take(0, 4), ended="limit")[0]


def test_conserve_takes_a_sleeping_daemon_for_idle():
    s = Stream().enter(2, "vm_pageout").acquire(2, "pq")
    s.on(2, (r.LOCK_RELEASE, 2, "pq", s.fences, 10, 0), (r.SLEEP, 2, "vm_pages_needed", "pq"))
    assert "lost" in speaks_first(s.take(0, 4), "I-CONSERVE").message


# I-ONEQ -------------------------------------------------------------------------------------------------------------------------


def test_oneq_hears_a_frame_taken_twice():
    s = Stream().take(0, 1).take(1, 1)
    assert "vm page 0x1: taken from the free lists while it is taken and not yet a page" in speaks_first(s, "I-ONEQ").message


def test_oneq_hears_a_frame_freed_twice():
    s = Stream().take(0, 1).put(0, 1).put(0, 1)
    assert "put on the free list while it is on the free list" in speaks_first(s, "I-ONEQ").message


def test_oneq_hears_a_page_on_two_queues():
    s = story().change(r.PAGE_QUEUE, to=lambda record: (record[0], record[1], INACTIVE, record[3]))
    assert "taken off INACTIVE and put on ACTIVE, but it is on NONE" in speaks_first(s, "I-ONEQ").message


def test_oneq_hears_a_move_that_no_operation_makes():
    s = Stream().fault(0, 1, 0).unmap(0, 1, 100)
    s.change(r.PAGE_DIRTY, to=lambda record: (record[0], record[1], 0, 0))
    s.queue(1, CACHE).queue(1, CACHE)
    assert "moved from CACHE to CACHE" in speaks_first(s, "I-ONEQ").message


def test_oneq_hears_a_page_bound_that_was_never_taken():
    s = story().drop(r.FREE_TAKE)
    assert speaks_first(s, "I-ONEQ").message == "vm page 0x1: bound as a page while it is on the free list"


def test_oneq_lets_a_held_page_go_when_nobody_holds_it():
    def held(count: int) -> Stream:
        s = Stream().fault(0, 1, 0).unmap(0, 1, 100)
        s.at("pq", (r.PAGE_HOLD, 1, 0, 1)).acquire(0, OBJECT, "pq").at(OBJECT, (r.OBJECT_REMOVE, 0, 1)).queue(1, HOLD)
        s.at("pq", (r.PAGE_RELEASE, 1, OBJECT, 0, HOLD)).at("pq", (r.PAGE_HOLD, 1, 1, count))
        return s.put(0, 1).release(0, "pq", OBJECT)

    assert not judge(held(0))[0]
    assert "while hold count is 1" in speaks_first(held(1), "I-ONEQ").message


# I-COUNT ------------------------------------------------------------------------------------------------------------------------


def test_count_lets_a_page_leave_the_hold_queue_by_a_move():
    """Whoever takes it off has taken it off: the last unhold does not do so again."""
    s = unmapped().queue(1, HOLD).at("pq", (r.PAGE_HOLD, 1, 0, 1)).queue(1, NONE)
    s.at("pq", (r.PAGE_HOLD, 1, 1, 0), (r.PAGE_COUNTS, 0, 0, 0, 0))
    assert not judge(s, "limit", ("I-COUNT",))[0]
