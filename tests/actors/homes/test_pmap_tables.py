"""Page-table pages that a caller found earlier: entries counted ahead of their store, and stores into a page that is none any more."""

from __future__ import annotations

import pytest

from actors.homes.pmaps import Pmap
from protocol.messages.space import PtDrop, PteClear, PteObject, PteProtect, PteSwap, PteTest, PtFind, PtHold, PtInstall, PtNeed
from protocol.pages import PTE_RW, PTE_V
from protocol.records import FRAME_STORE, PT_REMOVE, PTE_SET
from tests.actors.fake_port import Bench

RW = PTE_V | PTE_RW


def bench(paging: str = "i386", **of: str) -> Bench:
    b = Bench(Pmap(name="pmap.1.cpu.0", service_ns=5, paging=paging, **of), also=("pq",))
    b.lock()
    for number, (level, slot) in enumerate(b.ask(PtNeed(5))):
        b.ask(PtInstall(level, slot, 100 + number))
    return b


def leaf(b: Bench) -> int:
    return b.home.tables[1][0].entries


def test_an_entry_counted_ahead_is_counted_once():
    b = bench()
    assert b.ask(PtFind(5)) == 100
    assert b.ask(PtHold(5, 1, 100)) == (True, ())
    b.ask(PteSwap(5, 7, RW, counted=True))
    assert leaf(b) == 1
    b.ask(PtHold(5, 1))
    b.ask(PteSwap(5, 8, RW, counted=True))
    assert leaf(b) == 1, "it took the place of another"


def test_the_last_count_given_back_empties_the_page():
    b = bench()
    b.ask(PtHold(5, 1))
    assert b.ask(PtHold(5, -1)) == (True, ((1, 0, 100),))
    assert b.ask(PtFind(5)) == 0


def test_an_entry_that_was_seen_and_has_gone_is_counted_down_all_the_same():
    b = bench()
    b.ask(PteSwap(5, 7, RW))
    b.ask(PtHold(5, 1))
    b.ask(PteClear(5))
    assert b.ask(PteClear(5, believed=True)) == (-1, 0, ((1, 0, 100),)), "and the page-table page vanishes under who counted on it"


@pytest.mark.parametrize(
    ("op", "answer"),
    [(PteSwap(5, 7, RW, 99), (-1, 0)), (PteClear(5, table=99), (-1, 0, ())), (PteProtect(5, PTE_RW, 99), (-1, 0))],
    ids=["swap", "clear", "protect"],
)
def test_a_store_into_a_page_that_is_no_page_table_page_is_that_pages(op, answer):
    b = bench()
    b.ask(PteSwap(5, 6, RW))
    before = dict(b.home.ptes)
    assert b.ask(op) == answer
    assert b.home.ptes == before
    assert [record[1:] for record in b.port.records if record[0] == FRAME_STORE] == [(99, 1, "pte")]


def test_in_a_page_that_is_no_page_table_page_nothing_is_found_or_counted():
    b = bench()
    b.ask(PteSwap(5, 6, RW))
    assert b.ask(PteTest(5, 0, 99)) == (-1, 0)
    assert b.ask(PtHold(5, 1, 99)) is False
    assert (b.ask(PteTest(5, 0, 100)), leaf(b)) == ((6, RW), 1)


def test_alphas_level_1_table_stays_until_the_pmap_is_released():
    b = bench("alpha", pte_object="object.9")
    assert b.ask(PteObject()) == "object.9"
    b.ask(PteSwap(5, 6, RW))
    assert [row[0] for row in b.ask(PteClear(5))[2]] == [1, 2]
    assert b.ask(PtDrop(3, 0)) == 100
    assert b.ask(PtDrop(3, 0)) == 0
    assert [record[1] for record in b.port.records if record[0] == PT_REMOVE] == [1, 2, 3]
    assert [record[1:3] for record in b.port.records if record[0] == PTE_SET] == [(5, 6)]
