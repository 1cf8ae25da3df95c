"""A vm map: entries, clipping, gaps, the timestamp, against a map from page to what is mapped there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.maps import VmMap
from protocol.messages.locks import SHARED, UPGRADE, LockRequest, Unlock
from protocol.messages.space import (
    ENTRY_COW,
    ENTRY_NEEDS_COPY,
    AddEntry,
    Cut,
    Entries,
    Find,
    FindSpace,
    Gap,
    ProtectEntries,
    SetEntryObject,
    SpaceUsers,
)
from protocol.records import MAP_ADD, MAP_CLIP, MAP_OBJECT, MAP_PROTECT, MAP_REMOVE, UNGUARDED
from tests.actors.fake_port import Bench, restored

NAME = "map.1.cpu.0"
OBJ = "object.1.cpu.0"


def bench(*entries: tuple[int, int]) -> Bench:
    b = Bench(VmMap(name=NAME, service_ns=5, low=0))
    b.lock()
    for start, end in entries:
        assert b.ask(AddEntry(start, end, OBJ, start, 3, 0)) is None
    b.take_records()
    return b


def spans(b: Bench) -> list[tuple[int, int]]:
    return [row[:2] for row in b.ask(Entries(0, 1 << 35))]


def test_add_and_find():
    b = bench()
    assert b.ask(AddEntry(10, 20, OBJ, 4, 3, ENTRY_COW)) is None
    assert b.take_records() == [(MAP_ADD, 10, 20, OBJ, 4, 3, ENTRY_COW)]
    for vpn, found in ((9, False), (10, True), (19, True), (20, False)):
        assert b.ask(Find(vpn)) == ((0, 10, 20, OBJ, 4, 3, ENTRY_COW) if found else (0,))


@pytest.mark.parametrize(("start", "end"), [(5, 11), (19, 25), (12, 13), (5, 25), (10, 20), (30, 30), (31, 30)])
def test_overlapping_and_empty_entries_are_refused(start, end):
    b = bench((10, 20))
    assert str(b.ask(AddEntry(start, end, "", 0, 3, 0))).startswith("vm_map_insert: ")
    assert spans(b) == [(10, 20)] and b.take_records() == []


def test_neighbours_may_touch():
    b = bench((10, 20), (5, 10), (20, 25))
    assert spans(b) == [(5, 10), (10, 20), (20, 25)]


def test_cutting_a_hole_clips_and_says_how_the_references_change():
    b = bench((10, 40))
    assert b.ask(Cut(20, 30)) == ((20, 30, OBJ, 20, 3, 0, 1),)
    assert b.take_records() == [(MAP_CLIP, 10, 20), (MAP_CLIP, 20, 30), (MAP_REMOVE, 20, 30, OBJ, 20)]
    assert b.ask(Entries(0, 99)) == ((10, 20, OBJ, 10, 3, 0), (30, 40, OBJ, 30, 3, 0))
    assert b.ask(Cut(15, 35)) == ((15, 20, OBJ, 15, 3, 0, 0), (30, 35, OBJ, 30, 3, 0, 0))
    assert b.ask(Cut(0, 99)) == ((10, 15, OBJ, 10, 3, 0, -1), (35, 40, OBJ, 35, 3, 0, -1))
    assert b.ask(Cut(0, 99)) == ()
    assert b.ask(Entries(0, 99)) == ()


@pytest.mark.parametrize(("start", "end"), [(15, 15), (18, 15)])
def test_an_empty_range_cuts_and_protects_nothing(start, end):
    b = bench((10, 20))
    assert b.ask(Cut(start, end)) == () and b.ask(ProtectEntries(start, end, 0)) == ()
    assert spans(b) == [(10, 20)]


def test_protect_clips_and_answers_the_pieces_as_they_were():
    b = bench((10, 20), (30, 40))
    assert b.ask(ProtectEntries(15, 35, 1)) == ((15, 20, OBJ, 15, 3, 0, 1), (30, 35, OBJ, 30, 3, 0, 1))
    assert b.take_records() == [(MAP_CLIP, 10, 15), (MAP_CLIP, 30, 35), (MAP_PROTECT, 15, 20, 1), (MAP_PROTECT, 30, 35, 1)]
    assert [row[4] for row in b.ask(Entries(0, 99))] == [3, 1, 1, 3]
    b.ask(ProtectEntries(15, 35, 1))
    assert b.take_records() == [], "a protection that does not change is no event"


def test_set_object():
    b = bench((10, 20))
    b.ask(SetEntryObject(10, "object.2.cpu.0", 0, ENTRY_NEEDS_COPY))
    b.ask(SetEntryObject(10, "object.2.cpu.0", 0, ENTRY_NEEDS_COPY))
    assert b.take_records() == [(MAP_OBJECT, 10, "object.2.cpu.0", 0, ENTRY_NEEDS_COPY)]
    assert b.ask(Find(12)) == (0, 10, 20, "object.2.cpu.0", 0, 3, ENTRY_NEEDS_COPY)
    b.ask(SetEntryObject(11, "", 0, 0))
    assert b.take_records() == [(UNGUARDED, "entry", NAME, 1, "an entry that starts at 0xb")]


def test_find_space_is_the_lowest_gap_that_fits():
    b = bench((10, 20), (22, 30), (40, 41))
    assert b.ask(FindSpace(0, 10)) == 0
    assert b.ask(FindSpace(0, 11)) == 41
    assert b.ask(FindSpace(5, 5)) == 5
    assert b.ask(FindSpace(6, 5)) == 30
    assert b.ask(FindSpace(15, 2)) == 20
    assert b.ask(FindSpace(15, 3)) == 30
    assert b.ask(FindSpace(1 << 34, 1 << 34)) == 1 << 34
    assert b.ask(FindSpace(1 << 34, (1 << 34) + 1)) == -1


def test_gap_around_a_page_within_its_block():
    b = bench((100, 200), (500, 600))
    assert b.ask(Gap(50)) == (0, 100)
    assert b.ask(Gap(200)) == (200, 500)
    assert b.ask(Gap(150)) is None
    assert b.ask(Gap(700)) == (600, 1024)
    assert b.ask(Gap(2000)) == (1536, 2048)
    assert bench().ask(Gap(513)) == (512, 1024)


def test_entries_are_limited():
    b = bench(*((i, i + 1) for i in range(10)))
    assert [row[0] for row in b.ask(Entries(3, 9, limit=4))] == [3, 4, 5, 6]


def test_the_timestamp_counts_exclusive_holds():
    b = bench()
    assert b.ask(Find(0)) == (0,)
    b.unlock()
    fence = b.lock(1, SHARED)
    assert b.ask(Find(0)) == (1,)
    b.give(Unlock(1, fence))
    fence = b.lock(1, SHARED)
    assert b.ask(Find(0)) == (1,)
    b.give(LockRequest(1, UPGRADE))
    b.unlock()
    b.lock()
    assert b.ask(Find(0)) == (2,)


def test_users_of_the_space_are_counted_without_a_lock():
    b = bench()
    b.unlock()
    assert [b.ask(SpaceUsers(delta)) for delta in (1, 0, -2)] == [2, 2, 0]
    assert b.take_records() == []


def test_reads_need_the_lock_shared_and_changes_exclusive():
    reads = [Find(5), Entries(0, 9), FindSpace(0, 1), Gap(5)]
    writes = [AddEntry(50, 60, "", 0, 3, 0), SetEntryObject(10, OBJ, 1, 0), ProtectEntries(0, 12, 1), Cut(0, 99)]
    b = bench((10, 20))
    b.unlock()
    b.lock(1, SHARED)
    for op in reads:
        b.ask(op)
    assert b.take_records() == []
    for op in writes:
        b.ask(op)
        assert b.take_records()[0] == (UNGUARDED, "entries", NAME, 1, NAME), op
    b.ask(reads[0], locked=False)
    assert b.take_records() == [(UNGUARDED, "entries", NAME, 1, NAME)]


RANGE = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda r: (r[0], r[0] + r[1]))
STEP = st.tuples(st.sampled_from(["add", "add", "cut", "protect"]), RANGE, st.integers(0, 7))


@given(st.lists(STEP, max_size=40))
def test_entries_agree_with_a_map_of_single_pages(steps):
    b = bench()
    model: dict[int, tuple[str, int, int]] = {}
    references = 0
    for number, (what, (start, end), prot) in enumerate(steps):
        pages = range(start, end)
        if what == "add":
            refused = b.ask(AddEntry(start, end, f"object.{number}.cpu.0", 7, prot, 0)) is not None
            assert refused == any(v in model for v in pages)
            if not refused:
                references += 1
                model |= {v: (f"object.{number}.cpu.0", 7 + v - start, prot) for v in pages}
        elif what == "cut":
            rows = b.ask(Cut(start, end))
            references += sum(row[6] for row in rows)
            gone = {v: (row[2], row[3] + v - row[0], row[4]) for row in rows for v in range(row[0], row[1])}
            assert gone == {v: model.pop(v) for v in pages if v in model}
        else:
            references += sum(row[6] for row in b.ask(ProtectEntries(start, end, prot)))
            model |= {v: (*model[v][:2], prot) for v in pages if v in model}
        rows = b.home.rows
        assert [row[0] for row in rows] == b.home.starts
        assert all(row[0] < row[1] for row in rows) and all(a[1] <= b[0] for a, b in pairwise(rows))
        assert references == len(rows)
        assert {v: (row[2], row[3] + v - row[0], row[4]) for row in rows for v in range(row[0], row[1])} == model
        for v in range(0, 90, 7):
            assert (len(b.ask(Find(v))) > 1) == (v in model)
            gap = b.ask(Gap(v))
            assert (gap is None) == (v in model)
            if gap:
                assert gap[0] <= v < gap[1] and not any(p in model for p in range(*gap))
                assert gap[0] == 0 or gap[0] - 1 in model
        for pages in (1, 5):
            found = b.ask(FindSpace(3, pages))
            assert found == next(s for s in range(3, 200) if not any(p in model for p in range(s, s + pages)))
    assert restored(b.home) == b.home
