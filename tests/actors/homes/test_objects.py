"""A vm object: residency, valid and soft-busy, references, paging in progress, header."""

from __future__ import annotations

import pytest

from actors.homes.objects import VmObject
from protocol.messages.locks import Sleep, Woken
from protocol.messages.objects import (
    CHAN_PIP,
    OBJ_DEAD,
    OBJ_ONEMAPPING,
    OBJ_PIPWNT,
    Backing,
    Describe,
    Enter,
    Insert,
    IoCount,
    Lookup,
    Remove,
    Resident,
    SetFlag,
    SetType,
    SetValid,
    ShadowCount,
    WantPip,
)
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP, OBJT_VNODE, VALID_ALL
from protocol.records import (
    OBJECT_BACKING,
    OBJECT_FLAGS,
    OBJECT_INSERT,
    OBJECT_IO,
    OBJECT_PIP,
    OBJECT_REFS,
    OBJECT_REMOVE,
    OBJECT_SHADOWS,
    OBJECT_TYPE,
    OBJECT_VALID,
    UNGUARDED,
    WAKEUP,
)
from tests.actors.fake_port import Bench

NAME = "object.1.cpu.0"


def bench(**fields: object) -> Bench:
    b = Bench(VmObject(name=NAME, service_ns=5, size=1000, **fields))
    b.lock()
    return b


def test_the_first_page_and_the_last_are_told_and_one_that_no_lookup_finds_counts():
    b = bench()
    assert b.ask(Insert(3, 77, tell_first=True)) is True
    assert b.ask(Insert(4, 78, tell_first=True)) is False
    assert b.ask(Remove(3)) == (77, 0, 1)
    assert b.ask(Insert(4, 79, check=False)) is None
    assert b.ask(Remove(4)) == (79, 0, 1), "the one behind it is resident still"


def test_insert_lookup_remove():
    b = bench()
    assert b.ask(Insert(3, 77)) is None
    assert b.ask(Lookup(3)) == (77, 0, 0)
    assert b.take_records() == [(OBJECT_INSERT, 3, 77)]
    assert b.ask(Insert(4, 78, VALID_ALL)) is None
    assert b.take_records() == [(OBJECT_INSERT, 4, 78), (OBJECT_VALID, 4, 78, 0, VALID_ALL)]
    assert b.ask(Remove(4)) == (78, VALID_ALL, 1)
    assert b.take_records() == [(OBJECT_REMOVE, 4, 78)]
    assert b.ask(Remove(4)) is None
    assert b.take_records() == []


def test_lookup_of_an_absent_page_tells_where_to_look_next():
    b = bench(type=OBJT_SWAP, backing="object.2.cpu.0", backing_offset=5)
    assert b.ask(Lookup(3)) == (-1, OBJT_SWAP, 1000, "object.2.cpu.0", 5, False)


def test_a_page_of_a_warm_file_needs_no_io_the_first_time():
    b = bench(type=OBJT_VNODE, warm=True)
    assert b.ask(Lookup(3))[5] is True
    b.ask(Insert(3, 77))
    b.ask(Remove(3))
    assert b.ask(Lookup(3))[5] is False
    assert b.ask(Lookup(4))[5] is True


def test_a_second_page_at_one_offset_is_the_kernels_panic():
    b = bench()
    b.ask(Insert(3, 77))
    b.take_records()
    assert b.ask(Insert(3, 78)) == "vm_page_insert: offset already allocated"
    assert b.take_records() == [] and b.ask(Lookup(3)) == (77, 0, 0)


def with_io_adrift(count):
    """A home whose page in frame 77 has been taken out with I/O under way."""
    b = bench()
    b.ask(Insert(3, 77))
    b.ask(IoCount(3, count))
    b.ask(Remove(3))
    b.take_records()
    return b


def test_a_page_that_is_put_back_has_the_soft_busy_count_it_had():
    b = with_io_adrift(1)
    b.ask(Insert(3, 77, VALID_ALL))
    assert b.ask(Lookup(3)) == (77, VALID_ALL, 1)
    assert b.take_records() == [(OBJECT_INSERT, 3, 77), (OBJECT_IO, 3, 77, 0, 1), (OBJECT_VALID, 3, 77, 0, VALID_ALL)]
    assert b.ask(IoCount(3, -1, 77)) == 0


@pytest.mark.parametrize(("pindex", "frame"), [(3, 78), (4, 77), (3, 77)], ids=["another frame", "another place", "the same of both"])
def test_an_io_ends_on_the_page_it_began_on_and_not_on_a_fresh_one(pindex, frame):
    b = with_io_adrift(2)
    b.ask(Insert(pindex, frame))
    assert (b.ask(IoCount(3, -1, 77)), b.ask(IoCount(3, -1, 77))) == (1, 0)
    assert b.ask(Lookup(pindex)) == (frame, 0, 0)


def test_an_io_that_nobody_began_is_seen():
    b = bench()
    b.ask(Insert(3, 77))
    assert b.ask(IoCount(3, -1, 77)) == -1


def test_valid_and_soft_busy():
    b = bench()
    b.ask(Insert(3, 77))
    b.take_records()
    b.ask(SetValid(3, VALID_ALL))
    b.ask(SetValid(3, VALID_ALL))
    b.ask(SetValid(9, VALID_ALL))
    assert b.ask(IoCount(3, 1)) == 1
    assert b.ask(IoCount(3, 1)) == 2
    assert b.ask(IoCount(3, 0)) == 2
    assert b.ask(IoCount(3, -2)) == 0
    assert b.ask(IoCount(9, -1)) == 0
    assert b.take_records() == [
        (OBJECT_VALID, 3, 77, 0, VALID_ALL),
        (OBJECT_IO, 3, 77, 0, 1),
        (OBJECT_IO, 3, 77, 1, 2),
        (OBJECT_IO, 3, 77, 2, 0),
    ]
    assert b.ask(Lookup(3)) == (77, VALID_ALL, 0)


def test_resident_pages_of_a_range_in_order():
    b = bench()
    for pindex in (900, 3, 64, 65, 0):
        b.ask(Insert(pindex, pindex + 1))
    b.ask(IoCount(64, 1))
    assert b.ask(Resident(0, 1 << 52)) == ((0, 1, 0, 0), (3, 4, 0, 0), (64, 65, 0, 1), (65, 66, 0, 0), (900, 901, 0, 0))
    assert b.ask(Resident(1, 65)) == ((3, 4, 0, 0), (64, 65, 0, 1))
    assert b.ask(Resident(0, 1000, limit=2)) == ((0, 1, 0, 0), (3, 4, 0, 0))
    assert b.ask(Resident(901, 1000)) == ()


def test_references_and_paging_in_progress():
    b = bench()
    assert b.ask(Enter(1, 1)) == (2, 1, 0)
    assert b.ask(Enter()) == (2, 1, 0)
    assert b.ask(Enter(-1)) == (1, 1, 0)
    assert b.take_records() == [(OBJECT_REFS, 1, 2), (OBJECT_PIP, 0, 1), (OBJECT_REFS, 2, 1)]


def test_who_waits_for_paging_is_woken_when_none_is_in_progress():
    b = bench()
    assert b.ask(WantPip()) is False
    b.ask(Enter(0, 2))
    assert b.ask(WantPip()) is True
    b.give(Sleep(1, CHAN_PIP, b.home.fence))
    b.lock(2)
    b.take_records()
    b.ask(Enter(0, -1), thread=2)
    assert b.take_sent() == []
    b.ask(Enter(0, -1), thread=2)
    assert b.take_sent() == [("cpu.0", Woken(1, CHAN_PIP), 5)]
    assert b.take_records() == [(OBJECT_PIP, 2, 1), (OBJECT_PIP, 1, 0), (OBJECT_FLAGS, OBJ_PIPWNT, 0), (WAKEUP, CHAN_PIP, (1,))]
    assert not b.home.flags & OBJ_PIPWNT


def test_paging_that_nobody_waits_for_wakes_nobody():
    b = bench()
    b.ask(Enter(0, 1))
    b.home.sleepers[CHAN_PIP] = [("cpu.0", 4)]
    b.ask(Enter(0, -1))
    assert b.take_sent() == [], "without PIPWNT there is no wake-up"


def test_header():
    b = bench(colour=7, flags=OBJ_ONEMAPPING)
    assert b.ask(Describe()) == (OBJT_DEFAULT, 1000, 1, 0, 0, "", 0, OBJ_ONEMAPPING, 0, 0, 7)
    b.ask(SetType(OBJT_SWAP))
    b.ask(SetType(OBJT_SWAP))
    b.ask(Backing("object.2.cpu.0", 9))
    b.ask(Backing("object.2.cpu.0", 9))
    assert b.ask(ShadowCount(1)) == 1
    assert b.ask(ShadowCount(0)) == 1
    b.ask(SetFlag(OBJ_DEAD, OBJ_ONEMAPPING))
    b.ask(Insert(0, 5))
    assert b.ask(Describe()) == (OBJT_SWAP, 1000, 1, 1, 0, "object.2.cpu.0", 9, OBJ_DEAD, 1, 1000, 7)
    assert b.take_records() == [
        (OBJECT_TYPE, OBJT_DEFAULT, OBJT_SWAP),
        (OBJECT_BACKING, "object.2.cpu.0", 9),
        (OBJECT_SHADOWS, 0, 1),
        (OBJECT_FLAGS, OBJ_ONEMAPPING, OBJ_DEAD),
        (OBJECT_INSERT, 0, 5),
    ]


OPS = [
    Lookup(3), Insert(4, 9), Remove(3), SetValid(3, 1), IoCount(3, 1), Enter(1, 1), WantPip(), Describe(), Backing("x", 1), ShadowCount(1),
    SetType(OBJT_SWAP), SetFlag(1), Resident(0, 9),
]  # fmt: skip


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.word)
def test_an_access_without_the_lock_is_recorded_and_performed(op):
    proper, improper = bench(), bench()
    for b in (proper, improper):
        b.ask(Insert(3, 77))
        b.take_records()
    improper.unlock()
    value = proper.ask(op)
    assert improper.ask(op) == value
    first, *others = improper.take_records()
    assert first[0] == UNGUARDED and first[2:] == (NAME, 1, NAME)
    assert others == proper.take_records()


def test_a_page_under_io_is_not_removed_to_be_freed():
    b = bench()
    b.ask(Insert(3, 77))
    b.ask(IoCount(3, 1))
    b.take_records()
    assert b.ask(Remove(3, freed=True)) == "vm_page_free: freeing busy page"
    assert b.take_records() == [] and b.ask(Lookup(3))[0] == 77
    b.ask(IoCount(3, -1))
    assert b.ask(Remove(3, freed=True)) == (77, 0, 0)
