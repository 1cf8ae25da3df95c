"""Queue policy, flags, counts, mappings."""

from __future__ import annotations

import pytest

from protocol.messages.free import CacheCount
from protocol.messages.pages import (
    Activate,
    CowCount,
    Deactivate,
    FreePage,
    Hold,
    MakeCache,
    SetAct,
    SetBusy,
    SetDirty,
    SetFlags,
    SetWriteable,
    Unwire,
    Wire,
)
from protocol.messages.pvs import Harvest, PvAdd, PvDel, PvRequeue, Pvs
from protocol.messages.queues import Requeue
from protocol.pages import (
    ACTIVE,
    BUSY,
    CACHE,
    INACTIVE,
    NONE,
    REFERENCED,
    VALID_ALL,
    WINATCFLS,
    WRITEABLE,
)
from protocol.records import (
    PAGE_ACT,
    PAGE_COW,
    PAGE_DIRTY,
    PAGE_FLAGS,
    PAGE_QUEUE,
    PAGE_WIRE,
    PV_ADD,
    PV_DEL,
    PV_REQUEUE,
)
from tests.actors.homes.page_bench import PMAP, bench, on


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


def test_act_count_is_set_where_the_page_stands():
    b = bench(7, 9)
    for frame in (7, 9):
        b.ask(SetFlags(frame, set=REFERENCED))
        b.ask(Activate(frame))
    b.take_records()
    b.ask(SetAct(7, 2))
    b.ask(SetAct(9, 0, clear_referenced=True))
    assert b.take_records() == [(PAGE_ACT, 7, 5, 2), (PAGE_ACT, 9, 5, 0), (PAGE_FLAGS, 9, REFERENCED, 0)]
    assert b.home.rings[ACTIVE].frames() == [7, 9]


@pytest.mark.parametrize("bind", [{"wire": 1}, {"unmanaged": True}])
def test_wired_and_unmanaged_pages_stay_off_the_queues(bind):
    b = bench(9, **bind)
    b.ask(Activate(9))
    b.ask(Deactivate(9))
    assert b.ask(MakeCache(9)) == (False, False)
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
        assert b.ask(MakeCache(frame)) == (True, False)
    assert b.take_records() == [(PAGE_QUEUE, f, NONE, CACHE) for f in (7, 8, 9)]
    assert b.ask(MakeCache(7)) == (True, False), "it is there already"
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
    assert [b.ask(MakeCache(7)), b.ask(MakeCache(8)), b.ask(MakeCache(9, soft=1))] == [(False, False)] * 3
    assert b.ask(MakeCache(10)) == "vm_page_cache: caching a dirty page, pindex: 3"
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


def test_what_hardware_had_set_is_harvested_from_a_mapping_that_stays():
    b = bench(9)
    b.ask(PvAdd(9, PMAP, 5))
    b.ask(SetWriteable(9))
    b.take_records()
    b.ask(Harvest(9, accessed=True))
    assert b.take_records() == [(PAGE_FLAGS, 9, WRITEABLE, WRITEABLE | REFERENCED)]
    b.ask(Harvest(9, accessed=True, modified=True))
    assert b.take_records() == [(PAGE_DIRTY, 9, 0, VALID_ALL)]
    assert b.ask(Pvs(9)) == ((PMAP, 5),)


def test_mappings_that_were_looked_at_go_behind_the_others():
    b = bench(9)
    for vpn in range(4):
        b.ask(PvAdd(9, PMAP, vpn))
    b.take_records()
    b.ask(PvRequeue(9, 3))
    assert [vpn for _, vpn in b.ask(Pvs(9))] == [3, 0, 1, 2]
    assert b.take_records() == [(PV_REQUEUE, 9, 3)]
    b.ask(PvRequeue(9, 4))
    b.ask(PvRequeue(9, 0))
    assert [vpn for _, vpn in b.ask(Pvs(9))] == [3, 0, 1, 2], "all of them, or none: the order stays"
    assert b.take_records() == []
