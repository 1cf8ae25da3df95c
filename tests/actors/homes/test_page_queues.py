"""Page records and paging queues: each operation's moves, records and answers."""

from __future__ import annotations

import pytest

from actors.homes.page_queues import PageQueues
from protocol.messages.free import CacheCount
from protocol.messages.locks import Sleep, Woken
from protocol.messages.queues import (
    CHAN_DAEMON_MEMORY,
    CHAN_FREE,
    CHAN_NEEDED,
    CLAIMED,
    LEFT,
    NEEDS_COW,
    WAS_BUSY,
    WAS_CACHED,
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
    Mark,
    NextAfter,
    PagesNeeded,
    PageState,
    PvAdd,
    PvDel,
    Pvs,
    QueueCounts,
    Rebind,
    Requeue,
    SelectCache,
    SetBusy,
    SetDirty,
    SetFlags,
    SetWriteable,
    Unbusy,
    Unwire,
    WantBusy,
    Wire,
    page_channel,
)
from protocol.pages import (
    ACTIVE,
    BUSY,
    CACHE,
    FICTITIOUS,
    FREE,
    HOLD,
    INACTIVE,
    NONE,
    REFERENCED,
    UNMANAGED,
    VALID_ALL,
    WANTED,
    WINATCFLS,
    WRITEABLE,
    ZERO,
)
from protocol.records import (
    PAGE_ACT,
    PAGE_BIND,
    PAGE_BUSY,
    PAGE_COW,
    PAGE_DIRTY,
    PAGE_FLAGS,
    PAGE_HOLD,
    PAGE_QUEUE,
    PAGE_REBIND,
    PAGE_RELEASE,
    PAGE_UNBUSY,
    PAGE_WIRE,
    PAGES_NEEDED,
    PV_ADD,
    PV_DEL,
    UNGUARDED,
    WAKEUP,
)
from tests.actors.fake_port import Bench

OBJ = "object.1.cpu.0"
PMAP = "pmap.1.cpu.0"


def bench(*frames: int, **bind: int) -> Bench:
    """A home whose lock thread 1 holds, with these frames bound to pages 0, 1, ... of one object."""
    b = Bench(PageQueues(name="pq", service_ns=5, colours=4))
    b.lock()
    for pindex, frame in enumerate(frames):
        b.ask(Bind(frame, OBJ, pindex, **bind))
    b.take_records()
    return b


def on(b: Bench, frame: int) -> int:
    return b.home.pages[frame].queue


def cached(*frames: int) -> Bench:
    b = bench(*frames)
    for frame in frames:
        assert b.ask(MakeCache(frame)) is True
    b.take_records()
    b.take_sent()
    return b


# Coming and going -----------------------------------------------------------------------------------------------------------


def test_bind_needs_no_lock_and_says_all_it_sets():
    b = Bench(PageQueues(name="pq", colours=4))
    assert b.ask(Bind(9, OBJ, 3, wire=1, busy=True, zeroed=True)) is None
    assert b.take_records() == [(PAGE_BIND, 9, OBJ, 3, 1, BUSY | ZERO, 1)]
    b.lock()
    assert b.ask(PageState(9)) == (NONE, BUSY | ZERO, 1, 0, 0, 0, 0, OBJ, 3)
    assert b.ask(PageState(10)) is None


def test_binding_an_owned_frame_is_recorded_and_takes_it_off_its_queue():
    b = bench(9)
    b.ask(Activate(9))
    b.take_records()
    b.ask(Bind(9, "object.2.cpu.0", 0))
    assert b.take_records() == [
        (UNGUARDED, "page", "page.9", 1, "a frame fresh from the free lists"),
        (PAGE_QUEUE, 9, ACTIVE, NONE),
        (PAGE_BIND, 9, "object.2.cpu.0", 0, 0, 0, 1),
    ]
    assert b.home.rings[ACTIVE].frames() == []


def test_rename_clears_busy_deactivates_a_cached_page_and_dirties_it():
    b = cached(9)
    b.ask(SetBusy(9))
    b.take_records()
    b.ask(Rebind(9, "object.2.cpu.0", 7))
    assert b.take_records() == [
        (PAGE_UNBUSY, 9, 1),
        (PAGE_REBIND, 9, "object.2.cpu.0", 7),
        (PAGE_QUEUE, 9, CACHE, INACTIVE),
        (PAGE_DIRTY, 9, 0, VALID_ALL),
    ]


def test_removal_from_the_object_alone_dirties_nothing():
    b = bench(9)
    b.ask(Rebind(9, "", 0))
    assert b.take_records() == [(PAGE_REBIND, 9, "", 0)]


def test_free_drops_the_record():
    b = bench(9, busy=True)
    b.ask(Activate(9))
    b.take_records()
    assert b.ask(FreePage(9)) == (True, False)
    assert b.take_records() == [(PAGE_QUEUE, 9, ACTIVE, NONE), (PAGE_UNBUSY, 9, 1), (PAGE_RELEASE, 9, OBJ, 0, FREE)]
    assert b.home.pages == {}


def test_free_tells_whether_somebody_waits_for_memory():
    b = bench(8, 9)
    b.ask(PagesNeeded(True))
    assert b.ask(FreePage(9)) == (True, True)
    b.ask(PagesNeeded(False))
    b.home.sleepers[CHAN_DAEMON_MEMORY] = [("cpu.0", 4)]
    assert b.ask(FreePage(8)) == (True, True)


def test_a_held_page_goes_to_hold_and_is_freed_by_the_last_unhold():
    b = bench(9, unmanaged=True, zeroed=True)
    assert b.ask(Hold(9, 1)) is False
    b.ask(SetDirty(9, 3))
    b.take_records()
    assert b.ask(FreePage(9)) == (False, False)
    assert b.take_records() == [
        (PAGE_FLAGS, 9, UNMANAGED | ZERO, 0),
        (PAGE_DIRTY, 9, 3, 0),
        (PAGE_RELEASE, 9, OBJ, 0, HOLD),
    ]
    assert b.home.rings[HOLD].frames() == [9]
    assert b.ask(Hold(9, -1)) is True
    assert b.take_records() == [(PAGE_HOLD, 9, 1, 0)], "that it was freed has been said"
    assert b.home.pages == {} and b.home.rings[HOLD].count == 0


def test_unhold_of_a_page_in_use_frees_nothing():
    b = bench(9)
    b.ask(Hold(9, 2))
    assert b.ask(Hold(9, -1)) is False
    assert b.ask(Hold(9, -1)) is False
    assert 9 in b.home.pages


def test_panics_of_free_change_nothing():
    b = bench(7, 8, 9, 10)
    b.ask(PvAdd(7, PMAP, 1))
    b.ask(Wire(8))
    b.ask(Wire(9))
    b.ask(Wire(9))
    b.take_records()
    assert b.ask(FreePage(7))[0] == "vm_page_free_toq: freeing mapped page"
    assert b.ask(FreePage(8))[0] == "vm_page_free: freeing wired page"
    assert b.ask(FreePage(9))[0] == "vm_page_free: invalid wire count (2), pindex: 0x2"
    assert b.ask(FreePage(10, soft=1))[0] == "vm_page_free: freeing busy page"
    assert b.ask(FreePage(11))[0] == "vm_page_free: freeing free page"
    assert b.take_records() == []
    assert sorted(b.home.pages) == [7, 8, 9, 10]


def test_a_fictitious_page_is_never_put_on_a_free_list():
    b = bench(9, wire=1)
    b.ask(SetFlags(9, set=FICTITIOUS))
    assert b.ask(FreePage(9)) == (False, False)
    b.take_records()
    b.ask(Wire(9))
    assert b.ask(Unwire(9)) is None
    assert b.take_records() == [] and b.home.pages[9].wire == 1


# Queue policy ---------------------------------------------------------------------------------------------------------------


def test_activate_raises_act_count_once():
    b = bench(9)
    b.ask(Activate(9))
    assert b.take_records() == [(PAGE_QUEUE, 9, NONE, ACTIVE), (PAGE_ACT, 9, 0, 5)]
    b.ask(Activate(9))
    assert b.take_records() == []
    b.ask(Requeue(9, act=3))
    b.take_records()
    b.ask(Activate(9))
    assert b.take_records() == [(PAGE_ACT, 9, 3, 5)]
    b.ask(Requeue(9, act=8))
    b.take_records()
    b.ask(Activate(9))
    assert b.take_records() == [], "a higher count stays"


@pytest.mark.parametrize("bind", [{"wire": 1}, {"unmanaged": True}])
def test_wired_and_unmanaged_pages_stay_off_the_queues(bind):
    b = bench(9, **bind)
    b.ask(Activate(9))
    b.ask(Deactivate(9))
    assert b.ask(MakeCache(9)) is False
    assert b.take_records() == []


def test_deactivate_gives_a_second_chance_and_may_go_to_the_head():
    b = bench(7, 8, 9)
    b.ask(SetFlags(9, set=WINATCFLS))
    b.ask(Deactivate(7))
    b.ask(Deactivate(8, head=True))
    b.take_records()
    b.ask(Deactivate(9))
    assert b.take_records() == [(PAGE_FLAGS, 9, WINATCFLS, 0), (PAGE_QUEUE, 9, NONE, INACTIVE)]
    assert b.home.rings[INACTIVE].frames() == [8, 7, 9]
    b.ask(Deactivate(8))
    assert b.take_records() == [], "a page that is inactive stays where it is"


def test_the_free_lists_learn_every_change_of_the_cache_count():
    b = bench(7, 8, 9)
    for frame in (7, 8, 9):
        assert b.ask(MakeCache(frame)) is True
    assert b.take_records() == [(PAGE_QUEUE, f, NONE, CACHE) for f in (7, 8, 9)]
    assert b.ask(MakeCache(7)) is True, "it is there already"
    b.ask(Activate(7))
    b.ask(FreePage(8))
    b.ask(Deactivate(9))
    counts = [(to, message.count, message.reply, delay) for to, message, delay in b.take_sent()]
    assert counts == [("fq", n, False, 0) for n in (1, 2, 3, 2, 1, 0)]
    assert all(isinstance(m, CacheCount) for _, m, _ in b.take_sent())


def test_cache_refuses_pages_in_use_and_panics_on_dirty_ones():
    b = bench(7, 8, 9, 10)
    b.ask(SetBusy(7))
    b.ask(Hold(8, 1))
    b.ask(SetDirty(10, 1))
    b.take_records()
    assert [b.ask(MakeCache(7)), b.ask(MakeCache(8)), b.ask(MakeCache(9, soft=1))] == [False] * 3
    assert b.ask(MakeCache(10)) == "vm_page_cache: caching a dirty page"
    assert b.take_records() == [] and b.take_sent() == []


def test_requeue_moves_to_the_tail():
    b = bench(7, 8)
    for frame in (7, 8):
        b.ask(SetFlags(frame, set=REFERENCED))
        b.ask(Activate(frame))
    b.take_records()
    b.ask(Requeue(7, act=8, clear_referenced=True))
    assert b.take_records() == [(PAGE_ACT, 7, 5, 8), (PAGE_FLAGS, 7, REFERENCED, 0), (PAGE_QUEUE, 7, ACTIVE, ACTIVE)]
    assert b.home.rings[ACTIVE].frames() == [8, 7]
    b.ask(Requeue(8))
    assert b.take_records() == [(PAGE_QUEUE, 8, ACTIVE, ACTIVE)]


def test_wiring_takes_a_page_off_its_queue_and_the_last_unwiring_puts_it_on_one():
    b = bench(9)
    b.ask(Activate(9))
    b.ask(SetFlags(9, set=WINATCFLS))
    b.take_records()
    b.ask(Wire(9))
    b.ask(Wire(9))
    assert b.take_records() == [(PAGE_QUEUE, 9, ACTIVE, NONE), (PAGE_WIRE, 9, 0, 1), (PAGE_WIRE, 9, 1, 2)]
    assert b.ask(Unwire(9, activate=False)) is None
    assert b.ask(Unwire(9, activate=False)) is None
    assert b.take_records() == [
        (PAGE_WIRE, 9, 2, 1),
        (PAGE_WIRE, 9, 1, 0),
        (PAGE_FLAGS, 9, WINATCFLS, 0),
        (PAGE_QUEUE, 9, NONE, INACTIVE),
    ]
    assert b.ask(Unwire(9)) == "vm_page_unwire: invalid wire count: 0"
    assert b.take_records() == []


def test_unwiring_an_unmanaged_page_leaves_it_off_the_queues():
    b = bench(9, wire=1, unmanaged=True)
    b.ask(Unwire(9))
    assert on(b, 9) == NONE


def test_flags_dirty_and_cow():
    b = bench(9, busy=True)
    b.ask(SetFlags(9, set=REFERENCED | BUSY, clear=0))
    b.ask(SetFlags(9, set=REFERENCED))
    b.ask(SetFlags(9, clear=REFERENCED | BUSY))
    assert b.take_records() == [(PAGE_FLAGS, 9, 0, REFERENCED), (PAGE_FLAGS, 9, REFERENCED, 0)]
    assert b.home.pages[9].flags == BUSY, "BUSY has operations of its own"
    b.ask(SetWriteable(9))
    b.ask(SetWriteable(9, dirty=True))
    b.ask(SetDirty(9, VALID_ALL))
    b.ask(SetDirty(9, 0))
    assert b.take_records() == [(PAGE_FLAGS, 9, 0, WRITEABLE), (PAGE_DIRTY, 9, 0, VALID_ALL), (PAGE_DIRTY, 9, VALID_ALL, 0)]
    assert b.ask(CowCount(9, 2)) == 2
    assert b.ask(CowCount(9, 0)) == 2
    assert b.ask(CowCount(9, -1)) == 1
    assert b.take_records() == [(PAGE_COW, 9, 0, 2), (PAGE_COW, 9, 2, 1)]


def test_mappings_harvest_and_the_last_takes_writeable_along():
    b = bench(9)
    b.ask(SetWriteable(9))
    b.ask(PvAdd(9, PMAP, 5))
    b.ask(PvAdd(9, "pmap.2.cpu.0", 6))
    assert b.ask(Pvs(9)) == ((PMAP, 5), ("pmap.2.cpu.0", 6))
    b.take_records()
    assert b.ask(PvDel(9, PMAP, 5, accessed=True, modified=True)) == 1
    assert b.take_records() == [
        (PV_DEL, 9, PMAP, 5, True, True),
        (PAGE_DIRTY, 9, 0, VALID_ALL),
        (PAGE_FLAGS, 9, WRITEABLE, WRITEABLE | REFERENCED),
    ]
    assert b.ask(PvDel(9, "pmap.2.cpu.0", 6)) == 0
    assert b.take_records() == [(PV_DEL, 9, "pmap.2.cpu.0", 6, False, False), (PAGE_FLAGS, 9, WRITEABLE | REFERENCED, REFERENCED)]
    assert b.ask(PvDel(9, PMAP, 5)) == 0
    assert b.take_records() == [], "there was no such mapping"
    b.ask(PvAdd(9, PMAP, 5))
    assert b.take_records() == [(PV_ADD, 9, PMAP, 5)]
    assert b.ask(Pvs(77)) == ()


# Busy -----------------------------------------------------------------------------------------------------------------------


def test_claim_takes_the_page_off_its_queue_and_busies_it():
    b = bench(9)
    b.ask(Activate(9))
    b.take_records()
    assert b.ask(Claim(9)) == (CLAIMED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, ACTIVE, NONE), (PAGE_BUSY, 9, 1)]
    assert b.ask(Claim(9)) == (WAS_BUSY, 0)
    assert b.take_records() == []


def test_claim_refuses_soft_busy_and_cow_pages():
    b = bench(9)
    assert b.ask(Claim(9, soft=1)) == (WAS_BUSY, 0)
    b.ask(CowCount(9, 2))
    b.take_records()
    assert b.ask(Claim(9, write_first=True)) == (NEEDS_COW, 2)
    assert b.take_records() == []
    assert b.ask(Claim(9)) == (CLAIMED, 2), "a read of a page being sent goes through"


def test_claim_of_a_cached_page_asks_about_memory_first():
    b = cached(9)
    assert b.ask(Claim(9)) == (WAS_CACHED, 0)
    assert b.take_records() == []
    assert b.ask(Claim(9, severe=1)) == (WAS_CACHED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, CACHE, ACTIVE), (PAGE_ACT, 9, 0, 5)]
    b = cached(9)
    assert b.ask(Claim(9, severe=0)) == (CLAIMED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, CACHE, NONE), (PAGE_BUSY, 9, 1)]


def test_stealing_and_dropping_busy_is_recorded_so_that_a_check_can_speak():
    b = bench(9)
    b.ask(SetBusy(9))
    b.ask(SetBusy(9))
    b.ask(Unbusy(9))
    b.ask(Unbusy(9))
    assert b.take_records() == [(PAGE_BUSY, 9, 1), (PAGE_BUSY, 9, 1), (PAGE_UNBUSY, 9, 1), (PAGE_UNBUSY, 9, 1)]


def test_who_wants_a_busy_page_is_woken_when_it_is_not():
    b = bench(9)
    assert b.ask(WantBusy(9)) is False
    b.ask(SetBusy(9))
    b.take_records()
    assert b.ask(WantBusy(9)) is True
    assert b.take_records() == [(PAGE_FLAGS, 9, 0, WANTED | REFERENCED)]
    b.give(Sleep(1, page_channel(9), b.home.fence))
    b.lock(2)
    b.ask(Unbusy(9), thread=2)
    assert b.take_sent() == [("cpu.0", Woken(1, "page.9"), 5)]
    assert b.take_records() == [
        (PAGE_UNBUSY, 9, 2),
        (PAGE_FLAGS, 9, WANTED | REFERENCED, REFERENCED),
        (WAKEUP, "page.9", (1,)),
    ]


def test_soft_busy_makes_wait_only_those_who_mind():
    b = bench(9)
    assert b.ask(WantBusy(9, soft=1, also_soft=False)) is False
    assert b.ask(WantBusy(9, soft=1)) is True
    assert b.ask(WantBusy(99)) is False
    b.take_records()
    b.ask(Flash(9))
    assert b.take_records() == [(PAGE_FLAGS, 9, WANTED | REFERENCED, REFERENCED)]
    b.ask(Flash(9))
    b.ask(Flash(99))
    assert b.take_records() == []


@pytest.mark.parametrize(("activate", "queue"), [(True, ACTIVE), (False, INACTIVE)])
def test_finish_references_queues_and_unbusies(activate, queue):
    b = bench(9, busy=True)
    b.ask(Finish(9, activate=activate))
    kinds = [(r[0], *r[2:]) for r in b.take_records()]
    assert kinds[0] == (PAGE_FLAGS, 0, REFERENCED)
    assert (PAGE_QUEUE, NONE, queue) in kinds
    assert kinds[-1] == (PAGE_UNBUSY, 1)


# Scans ----------------------------------------------------------------------------------------------------------------------


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
    assert b.ask(Mark(INACTIVE, -1)) is True
    assert b.ask(Mark(INACTIVE, -1)) is False
    assert b.ask(Mark(INACTIVE, -2, 7)) is False, "the page has left the queue"
    assert b.ask(NextAfter(INACTIVE, -1)) == (LEFT,)


def test_a_scan_of_the_cache_queue_goes_through_the_colours():
    b = cached(9, 5, 8, 6)
    assert [row[0] for row in scan(b, CACHE)] == [8, 9, 5, 6]
    assert b.ask(Mark(CACHE, -1, 9)) is True
    assert [row[0] for row in scan(b, CACHE)] == [8, 9, -1, 5, 6]
    b.ask(Activate(5))
    assert b.ask(NextAfter(CACHE, 5)) == (LEFT,)


def test_select_cache_looks_near_the_colour_and_skips_held_pages():
    b = cached(4, 5, 9, 7)
    assert b.ask(SelectCache(1)) == (5, OBJ, 1)
    b.ask(Hold(5, 1))
    assert b.ask(SelectCache(1)) == (9, OBJ, 2)
    b.ask(Hold(9, 1))
    assert b.ask(SelectCache(1)) == (7, OBJ, 3), "colour 3 is the farthest, and first"
    b.ask(Activate(7))
    assert b.ask(SelectCache(5)) == (4, OBJ, 0)
    b.ask(Activate(4))
    assert b.ask(SelectCache(1)) is None


# Memory ---------------------------------------------------------------------------------------------------------------------


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
    assert b.take_records() == [(PAGES_NEEDED, True, True, 0)]
    assert b.ask(QueueCounts(take_deficit=True))[4] == 0
    assert b.take_records() == []


# Guards ---------------------------------------------------------------------------------------------------------------------

GUARDED = [
    Rebind(9, OBJ, 0), Claim(9), SetBusy(9), Unbusy(9), Finish(9), Flash(9), WantBusy(9), Activate(9), Deactivate(9), MakeCache(9),
    SetWriteable(9), SetFlags(9), SetDirty(9, 0), PvAdd(9, PMAP, 1), PvDel(9, PMAP, 1), Pvs(9), FreePage(9), Wire(9), Unwire(9), Hold(9, 1),
    CowCount(9, 1), PageState(9), SelectCache(0), NextAfter(ACTIVE), Mark(ACTIVE, -1), Requeue(9),
]  # fmt: skip


@pytest.mark.parametrize("op", GUARDED, ids=lambda op: op.word)
def test_an_access_without_the_lock_is_recorded_and_performed(op):
    proper, improper = bench(9), bench(9)
    improper.unlock()
    value = proper.ask(op)
    assert improper.ask(op) == value
    first, *others = improper.take_records()
    assert first[0] == UNGUARDED and first[2:] == ("pq", 1, "pq")
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
