"""A user's access: what the TLB answers, what the walk sets, and when it traps (vm-facts 3.14, 3.15)."""

from __future__ import annotations

import pytest

from actors.kernel import access as module
from protocol.faults import Fault, When
from protocol.pages import PTE_A, PTE_M, PTE_RW
from protocol.records import COMPUTE, ENTER, EXPECTED, PTE_BITS, STORE, TLB_EVICT, TLB_FILL
from protocol.workload import Access, File, Fork, Mmap, Mprotect, Munmap, Think
from tests.actors.machine_audit import ends_well, pmaps
from tests.actors.machine_kit import machine, outcomes, run, workload

LIB = File("lib", 16)


def done_with(*steps, **of):
    return ends_well(run(workload(list(steps), files=(LIB,)), **of))


def kinds(done, *numbers):
    return [record[0] for record in done.records() if record[0] in numbers]


def test_a_first_touch_traps_and_the_next_one_does_not_leave_the_cpu():
    done = done_with(Mmap(1000, 1010), Access(1000, write=True), Access(1000, write=True), Access(1000))
    assert kinds(done, ENTER, TLB_FILL, STORE)[-3:] == [TLB_FILL, STORE, STORE]
    walks = [word for _, word, _ in done.entries if word == "pmap.walk"]
    assert len(walks) == 2, "one that traps, one that fills"
    assert [record[3] for record in done.records(COMPUTE) if record[2] == "trap"] == [400]


def test_a_load_sets_a_and_the_first_store_through_a_clean_translation_sets_m():
    done = done_with(Mmap(1000, 1010), Access(1000, write=True), Mprotect(1000, 1001, 1), Mprotect(1000, 1001, 3), Access(1000))
    assert not pmaps(done)["pmap.0"].ptes[1000][1] & PTE_M
    done = done_with(Mmap(1000, 1010, shared=True), Access(1000), Access(1000, write=True, expect="hit"))
    assert [record[4] for record in done.records(EXPECTED)] == ["hit"], "mapped writable: the walk alone sets M"
    bits = pmaps(done)["pmap.0"].ptes[1000][1]
    assert (bits & PTE_A, bits & PTE_M, bits & PTE_RW) == (PTE_A, PTE_M, PTE_RW)
    assert len(done.records(PTE_BITS)) == 2
    assert len(done.records(TLB_FILL)) == 2, "the clean translation is replaced by one with M"


def test_a_load_through_a_read_only_mapping_traps_only_for_a_store():
    done = done_with(Mmap(1000, 1010, file=0), Access(1000), Access(1000), Access(1000, write=True), Access(1000))
    assert outcomes(done) == ["soft", "cow"]


def test_a_full_tlb_forgets_the_oldest_translation():
    done = done_with(Mmap(1000, 1010), *[Access(1000 + i, write=True) for i in range(5)], Access(1000), on=machine(tlb_entries=4))
    assert [record[2] for record in done.records(TLB_EVICT)] == [1000, 1001]
    assert outcomes(done) == ["zero-fill"] * 5, "what left the TLB is walked again, and does not fault"


def test_every_store_is_recorded_with_the_frame_it_went_to():
    done = done_with(Mmap(1000, 1010), Access(1000, write=True), Access(1000), Access(1001, write=True))
    ptes = pmaps(done)["pmap.0"].ptes
    assert [record[1:] for record in done.records(STORE)] == [(0, "pmap.0", vpn, ptes[vpn][0]) for vpn in (1000, 1001)]


@pytest.mark.parametrize("write", [False, True])
def test_nothing_is_stored_or_filled_where_nothing_is_mapped(write):
    done = done_with(Mmap(1000, 1010), Munmap(1000, 1010), Access(1000, write=write, expect="segv"))
    assert kinds(done, STORE, TLB_FILL) == []


def test_a_walk_that_an_invalidation_overtook_is_walked_again():
    """The walk's answer is on its way when the right to store is taken and shot down: it may not enter the TLB."""
    slow = Fault("slow", "delay", When(kind="reply", sender="pmap.0", to="cpu.1", nth=1), delay_ns=20_000)
    first = [Mmap(1000, 1010), Access(1000, write=True), Fork(1, "thread"), Mprotect(1000, 1010, 1, at_ns=55_000)]
    second = [Think(for_ns=1, cpu=1), Access(1000, write=True, at_ns=50_000, expect="segv")]
    done = ends_well(run(workload(first, second, parents=(-1, 0)), faults=(slow,)))
    assert [record[4] for record in done.records(EXPECTED)] == ["segv"]
    assert len(done.records(STORE)) == 1


def test_an_access_that_never_gets_through_is_a_livelock_and_ends(monkeypatch):
    async def useless(k, vpn, write, cold=False):
        await k.compute("fault", 100)
        return "soft"

    monkeypatch.setattr(module, "vm_fault", useless)
    done = done_with(Mmap(1000, 1010), Access(1000, expect="soft"))
    assert [record[4] for record in done.records(EXPECTED)] == ["livelock"]
