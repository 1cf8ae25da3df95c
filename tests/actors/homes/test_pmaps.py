"""Page tables: walks, PTEs, page-table pages and their cascades, pm_active."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.pmaps import Pmap
from protocol.guards import guard_of, in_words
from protocol.messages.space import (
    ActiveCpus,
    ActiveMask,
    PteClear,
    PteProtect,
    PteSwap,
    PteTest,
    PtInstall,
    PtNeed,
    Range,
    ResidentCount,
    SetActive,
    Walk,
)
from protocol.pages import PTE_A, PTE_M, PTE_RW, PTE_U, PTE_V
from protocol.paging import PAGING
from protocol.records import PMAP_ACTIVE, PT_INSTALL, PT_REFS, PT_REMOVE, PTE_BITS, PTE_CLEAR, PTE_SET, UNGUARDED
from tests.actors.fake_port import Bench, restored

NAME = "pmap.1.cpu.0"
RO = PTE_V | PTE_U
RW = RO | PTE_RW


def bench(paging: str = "amd64") -> Bench:
    b = Bench(Pmap(name=NAME, service_ns=5, paging=paging), also=("pq",))
    b.lock()
    return b


def enter(b: Bench, vpn: int, frame: int, bits: int = RW, tables_from: int = 1000) -> None:
    """pmap_enter: install what is missing, store the PTE."""
    for level, slot in b.ask(PtNeed(vpn)):
        assert b.ask(PtInstall(level, slot, tables_from + sum(map(len, b.home.tables)))) is True
    b.ask(PteSwap(vpn, frame, bits))


@pytest.mark.parametrize(
    ("paging", "vpn", "tables"),
    [
        ("i386", 0, ((1, 0),)),
        ("i386", 0xBFBFF, ((1, 0x2FE),)),
        ("amd64", 0x7FFFFFFFF, ((3, 0x1FFFF), (2, 0x3FFFFFF >> 0), (1, 0x3FFFFFF))),
        ("amd64", 513, ((3, 0), (2, 0), (1, 1))),
    ],
)
def test_tables_needed_from_the_top_down(paging, vpn, tables):
    b = bench(paging)
    bits = PAGING[paging].bits
    assert b.ask(PtNeed(vpn)) == tuple((level, vpn >> bits * level) for level, _ in tables)


def test_geometry_of_amd64_slots():
    b = bench()
    assert b.ask(PtNeed((3 << 27) + (5 << 18) + (7 << 9) + 1)) == ((3, 3), (2, (3 << 9) + 5), (1, (3 << 18) + (5 << 9) + 7))


def test_only_missing_tables_are_needed():
    b = bench()
    enter(b, 100, 1)
    assert b.ask(PtNeed(101)) == ()
    assert b.ask(PtNeed(100 + 512)) == ((1, 1),)
    assert b.ask(PtNeed(1 << 18)) == ((2, 1), (1, 1 << 9))


def test_install_is_refused_to_whoever_comes_second():
    b = bench("i386")
    assert b.ask(PtInstall(1, 0, 50)) is True
    assert b.ask(PtInstall(1, 0, 51)) is False
    assert b.take_records() == [(PT_INSTALL, 1, 0, 50)]


def test_swap_answers_what_was_there():
    b = bench("i386")
    b.ask(PtInstall(1, 0, 50))
    b.take_records()
    assert b.ask(PteSwap(5, 9, RO)) == (-1, 0)
    assert b.ask(PteSwap(5, 10, RW)) == (9, RO)
    assert b.take_records() == [(PT_REFS, 1, 0, 50, 0, 1), (PTE_SET, 5, 9, RO, -1, 0), (PTE_SET, 5, 10, RW, 9, RO)]
    assert b.home.tables[1][0].entries == 1
    assert b.ask(ResidentCount()) == 1


def test_a_store_without_a_table_goes_astray():
    b = bench("i386")
    b.ask(PteSwap(5, 9, RO))
    assert b.take_records() == [
        (UNGUARDED, "page table", NAME, 1, "an installed page-table page"),
        (PTE_SET, 5, 9, RO, -1, 0),
    ]
    assert b.ask(PteClear(5)) == (9, RO, ())


def test_walk_sets_a_and_m():
    b = bench("i386")
    enter(b, 5, 9, RW)
    b.unlock()
    b.take_records()
    assert b.ask(Walk(5)) == (9, RW | PTE_A)
    assert b.ask(Walk(5)) == (9, RW | PTE_A)
    assert b.ask(Walk(5, write=True)) == (9, RW | PTE_A | PTE_M)
    assert b.take_records() == [(PTE_BITS, 5, 9, RW, RW | PTE_A), (PTE_BITS, 5, 9, RW | PTE_A, RW | PTE_A | PTE_M)], "no lock is asked"


def test_walk_faults_without_a_pte_and_on_a_write_to_a_read_only_one():
    b = bench("i386")
    enter(b, 5, 9, RO)
    enter(b, 6, 9, PTE_RW)
    b.take_records()
    assert b.ask(Walk(7)) == (-1, 0)
    assert b.ask(Walk(5, write=True)) == (-1, RO)
    assert b.ask(Walk(6)) == (-1, PTE_RW), "a PTE without V"
    assert b.take_records() == []


def test_protect_and_test_answer_the_old_bits():
    b = bench("i386")
    enter(b, 5, 9, RW | PTE_A | PTE_M)
    b.take_records()
    assert b.ask(PteProtect(5, PTE_RW | PTE_M)) == (9, RW | PTE_A | PTE_M)
    assert b.ask(PteProtect(5, PTE_RW | PTE_M)) == (9, RO | PTE_A)
    assert b.ask(PteTest(5, PTE_A)) == (9, RO | PTE_A)
    assert b.ask(PteTest(5)) == (9, RO)
    assert b.ask(PteProtect(8, PTE_RW)) == (-1, 0)
    assert b.take_records() == [(PTE_BITS, 5, 9, RW | PTE_A | PTE_M, RO | PTE_A), (PTE_BITS, 5, 9, RO | PTE_A, RO)]


def test_the_last_entry_takes_its_tables_along():
    b = bench()
    enter(b, 100, 1)
    enter(b, 101, 2)
    enter(b, 100 + 512, 3)
    frames = {level: {slot: t.frame for slot, t in tables.items()} for level, tables in enumerate(b.home.tables)}
    b.take_records()
    assert b.ask(PteClear(100)) == (1, RW, ())
    assert b.ask(PteClear(101)) == (2, RW, ((1, 0, frames[1][0]),))
    assert [record for record in b.take_records() if record[0] != PT_REFS] == [
        (PTE_CLEAR, 100, 1, RW), (PTE_CLEAR, 101, 2, RW), (PT_REMOVE, 1, 0, frames[1][0])
    ]  # fmt: skip
    assert b.ask(PteClear(612)) == (3, RW, ((1, 1, frames[1][1]), (2, 0, frames[2][0]), (3, 0, frames[3][0])))
    assert all(not tables for tables in b.home.tables)


def test_clearing_nothing_gives_up_tables_that_never_got_an_entry():
    b = bench()
    for level, slot in b.ask(PtNeed(100))[:2]:
        b.ask(PtInstall(level, slot, 60 + level))
    enter(b, 1 << 27, 5)
    b.take_records()
    assert b.ask(PteClear(100)) == (-1, 0, ((2, 0, 62), (3, 0, 63)))
    assert b.take_records() == [(PT_REFS, 3, 0, 63, 1, 0), (PT_REMOVE, 2, 0, 62), (PT_REMOVE, 3, 0, 63)]
    assert b.ask(PteClear(100)) == (-1, 0, ())
    assert b.ask(PteClear((1 << 27) + 1)) == (-1, 0, ()), "tables in use stay"


def test_range_in_order():
    b = bench()
    for vpn in (700, 3, 64, 65, 1 << 30):
        enter(b, vpn, vpn + 1)
    assert b.ask(Range(0, 1 << 35)) == tuple((v, v + 1, RW) for v in (3, 64, 65, 700, 1 << 30))
    assert b.ask(Range(4, 65)) == ((64, 65, RW),)
    assert b.ask(Range(0, 1 << 35, limit=2)) == ((3, 4, RW), (64, 65, RW))


def test_pmap_copy_is_refused_a_range_with_a_page_table_page_that_counts_no_entry():
    b = bench()
    enter(b, 5, 9)
    enter(b, 513, 10)
    assert len(b.ask(Range(0, 1 << 35, copied=True))) == 2
    b.home.tables[1][1].entries = 0
    assert b.ask(Range(0, 1 << 35, copied=True)) == "pmap_copy: source page table page is unused"
    assert len(b.ask(Range(0, 512, copied=True))) == 1, "it is not of this range"
    assert len(b.ask(Range(0, 1 << 35))) == 2, "others do not assert it"


def test_active_cpus():
    b = bench()
    b.unlock()
    for cpu, active in ((79, True), (0, True), (3, True), (3, True), (0, False), (5, False)):
        b.ask(SetActive(cpu, active))
    assert b.take_records() == [
        (PMAP_ACTIVE, 79, True),
        (PMAP_ACTIVE, 0, True),
        (PMAP_ACTIVE, 3, True),
        (PMAP_ACTIVE, 0, False),
    ]
    assert b.ask(ActiveCpus()) == (3, 79)
    b.ask(SetActive(79, False))
    b.ask(SetActive(63, True))
    assert b.ask(ActiveMask()) == 1 << 63 | 1 << 3
    b.take_records()
    b.ask(ResidentCount())
    assert b.take_records() == [], "pm_active and this early exit are read without a lock"


STEP = st.tuples(
    st.sampled_from(["enter", "enter", "clear", "partial"]), st.sampled_from([0, 1, 511, 512, 513, 1 << 18, (1 << 18) + 1, 1 << 27])
)


@given(st.lists(STEP, max_size=60), st.sampled_from(sorted(PAGING)))
def test_each_table_counts_what_is_in_it(steps, paging):
    b = bench(paging)
    model: dict[int, int] = {}
    freed = 0
    for what, vpn in steps:
        if what == "enter":
            enter(b, vpn, vpn + 7)
            model[vpn] = vpn + 7
        elif what == "partial":
            for level, slot in b.ask(PtNeed(vpn))[:1]:
                b.ask(PtInstall(level, slot, 5000))
        else:
            frame, _, gone = b.ask(PteClear(vpn))
            assert frame == model.pop(vpn, -1)
            freed += len(gone)
        bits, tables = PAGING[paging].bits, b.home.tables
        for slot, table in tables[1].items():
            assert table.entries == sum(v >> bits == slot for v in model)
        for level in range(2, len(tables)):
            for slot, table in tables[level].items():
                assert table.entries == sum(below >> bits == slot for below in tables[level - 1])
        assert all(v >> bits in tables[1] for v in model)
    records = [r[0] for r in b.take_records()]
    assert records.count(PT_INSTALL) - records.count(PT_REMOVE) == sum(map(len, b.home.tables))
    assert records.count(PT_REMOVE) == freed
    assert {vpn: frame for vpn, frame, _ in b.ask(Range(0, 1 << 35, limit=99))} == model
    assert restored(b.home) == b.home


OPS = [PtNeed(5), PtInstall(1, 1, 9), PteSwap(5, 9, RO), PteClear(5), PteProtect(5, PTE_RW), PteTest(5), Range(0, 9)]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.word)
def test_an_access_without_the_lock_is_recorded_and_performed(op):
    proper, improper = bench("i386"), bench("i386")
    for b in (proper, improper):
        enter(b, 5, 3)
        b.take_records()
    improper.unlock()
    value = proper.ask(op)
    assert improper.ask(op) == value
    first, *others = improper.take_records()
    assert first[0] == UNGUARDED and first[2:4] == (NAME, 1)
    guard = guard_of("pmap", first[1])
    assert first[4] in (NAME, in_words(guard.write))
    assert others == proper.take_records()
