"""Pages come, are renamed, held and freed."""

from __future__ import annotations

from actors.homes.page_queues import PageQueues
from protocol.messages.pages import Activate, Bind, FreePage, Hold, PageState, Rebind, SetBusy, SetDirty, SetFlags, Unwire, Wire
from protocol.messages.pvs import PvAdd
from protocol.messages.queues import CHAN_DAEMON_MEMORY, CHAN_ZERO, PagesNeeded
from protocol.pages import (
    ACTIVE,
    BUSY,
    CACHE,
    FICTITIOUS,
    FREE,
    HOLD,
    INACTIVE,
    NONE,
    UNMANAGED,
    VALID_ALL,
    ZERO,
)
from protocol.records import (
    PAGE_BIND,
    PAGE_DIRTY,
    PAGE_FLAGS,
    PAGE_HOLD,
    PAGE_QUEUE,
    PAGE_REBIND,
    PAGE_RELEASE,
    PAGE_UNBUSY,
    UNGUARDED,
)
from tests.actors.fake_port import Bench
from tests.actors.homes.page_bench import OBJ, PMAP, bench, cached


def test_bind_needs_no_lock_and_says_all_it_sets():
    b = Bench(PageQueues(name="pq", colours=4))
    assert b.ask(Bind(9, OBJ, 3, wire=1, busy=True, zeroed=True)) is None
    assert b.take_records() == [(PAGE_BIND, 9, OBJ, 3, 1, BUSY | ZERO, 1, 0)]
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
        (PAGE_BIND, 9, "object.2.cpu.0", 0, 0, 0, 1, 0),
    ]
    assert b.home.rings[ACTIVE].frames() == []


def test_rename_clears_busy_deactivates_a_cached_page_and_dirties_it():
    b = cached(9)
    b.ask(SetBusy(9))
    b.take_records()
    b.ask(Rebind(9, "object.2.cpu.0", 7))
    assert b.take_records() == [
        (PAGE_UNBUSY, 9, 1),
        (PAGE_REBIND, 9, "object.2.cpu.0", 7, "object.1.cpu.0", 0),
        (PAGE_QUEUE, 9, CACHE, INACTIVE),
        (PAGE_DIRTY, 9, 0, VALID_ALL),
    ]


def test_removal_from_the_object_alone_dirties_nothing():
    b = bench(9)
    b.ask(Rebind(9, "", 0))
    assert b.take_records() == [(PAGE_REBIND, 9, "", 0, "object.1.cpu.0", 0)]


def test_insertion_alone_leaves_a_cached_page_clean_and_where_it_is():
    b = cached(9)
    b.ask(Rebind(9, "", 0))
    b.ask(Rebind(9, "object.1.cpu.0", 0))
    assert [record[0] for record in b.take_records() if record[0] != PAGE_REBIND] == []


def test_free_drops_the_record():
    b = bench(9, busy=True)
    b.ask(Activate(9))
    b.take_records()
    assert b.ask(FreePage(9))[:2] == (True, False)
    assert b.take_records() == [(PAGE_QUEUE, 9, ACTIVE, NONE), (PAGE_UNBUSY, 9, 1), (PAGE_RELEASE, 9, OBJ, 0, FREE)]
    assert b.home.pages == {}


def test_free_tells_whether_somebody_waits_for_memory():
    b = bench(8, 9)
    b.ask(PagesNeeded(True))
    assert b.ask(FreePage(9))[:2] == (True, True)
    b.ask(PagesNeeded(False))
    b.home.sleepers[CHAN_DAEMON_MEMORY] = [("cpu.0", 4)]
    assert b.ask(FreePage(8))[:2] == (True, True)


def test_free_tells_whether_the_thread_sleeps_that_zeroes_pages():
    b = bench(8, 9)
    assert b.ask(FreePage(9))[3] is False
    b.home.sleepers[CHAN_ZERO] = [("cpu.0", 5)]
    assert b.ask(FreePage(8))[3] is True


def test_a_held_page_goes_to_hold_and_is_freed_by_the_last_unhold():
    b = bench(9, unmanaged=True, zeroed=True)
    assert b.ask(Hold(9, 1)) is False
    b.ask(SetDirty(9, 3))
    b.take_records()
    assert b.ask(FreePage(9))[:2] == (False, False)
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
    assert b.ask(FreePage(11))[0] == "vm_page_free: freeing free page"
    assert b.take_records() == []
    assert sorted(b.home.pages) == [7, 8, 9, 10]


def test_a_fictitious_page_is_never_put_on_a_free_list():
    b = bench(9, wire=1)
    b.ask(SetFlags(9, set=FICTITIOUS))
    assert b.ask(FreePage(9))[:2] == (False, False)
    b.take_records()
    b.ask(Wire(9))
    assert b.ask(Unwire(9)) is None
    assert b.take_records() == [] and b.home.pages[9].wire == 1
