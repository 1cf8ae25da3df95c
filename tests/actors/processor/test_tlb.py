"""The TLB: bounded, first in first out, and never filled with an answer older than an invalidation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.processor.tlb import Tlb
from protocol.records import STORE, TLB_EVICT, TLB_FILL
from protocol.workload import Access, Mmap
from tests.actors.machine_kit import run, workload


def test_the_oldest_translation_leaves_a_full_tlb():
    tlb = Tlb(2)
    assert tlb.fill(1, 11, 1) == -1
    assert tlb.fill(2, 12, 1) == -1
    assert tlb.fill(1, 11, 3) == -1
    assert tlb.fill(3, 13, 1) == 2
    assert tlb.entries == {1: (11, 3), 3: (13, 1)}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8))), st.integers(1, 16))
def test_dropping_a_range_drops_just_that(ranges, capacity):
    tlb = Tlb(capacity)
    for start, length in ranges:
        tlb.fill(start, 100 + start, 1)
        before, generation = dict(tlb.entries), tlb.generation
        tlb.drop_range(start, start + length)
        assert tlb.entries == {vpn: entry for vpn, entry in before.items() if not start <= vpn < start + length}
        assert tlb.generation == generation + 1
        assert len(tlb.entries) <= capacity


def test_dropping_all_counts_as_an_invalidation():
    tlb = Tlb(4)
    tlb.fill(1, 11, 1)
    tlb.drop_all()
    assert (tlb.entries, tlb.generation) == ({}, 1)


def test_a_machine_with_a_small_tlb_evicts_and_walks_again():
    steps = [Mmap(1000, 1010), *[Access(1000 + i, write=True) for i in (0, 1, 2, 0, 1, 2)]]
    done = run(workload(steps), tlb_entries=2)
    assert len(done.records(TLB_EVICT)) == 4
    assert len(done.records(TLB_FILL)) == 6
    assert len(done.records(STORE)) == 6


def test_a_store_through_a_clean_translation_walks_to_set_m():
    steps = [Mmap(1000, 1010), Access(1000), Access(1000, write=True), Access(1000, write=True)]
    done = run(workload(steps))
    assert [record[2] for record in done.records(TLB_FILL)] == [1000, 1000]
    assert len(done.records(STORE)) == 2
