"""pmap_copy at fork, and the windows through which i386 reaches page tables that are not loaded (C09, C10; vm-facts 3.14)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from actors.homes.pmaps import Pmap
from actors.homes.windows import Window
from actors.kernel import pmap_window
from protocol.identity import LOCAL_WINDOW, SHARED_WINDOW
from protocol.messages.windows import WINDOW_MOVED, WINDOW_SAME
from protocol.pages import PTE_A, PTE_COPIED, PTE_M, PTE_RW
from protocol.records import FRAME_STORE, IPI_SEND, LOCK_ACQUIRE, PANIC, SHOOT_BEGIN, TLB_FLUSH, TLB_HIT, WINDOW_FILL, WINDOW_SET
from protocol.workload import Access, Exit, File, Fork, Hold, Inject, Kernel, Mmap, Think
from tests.actors.machine_audit import ends_well, pmaps, queues
from tests.actors.machine_kit import all_done, judged, outcomes, run, workload

LIB = File("lib", 16)
PMAPS = ("amd64", "i386")
LATER = Think(for_ns=100_000)


def writes(*vpns: int) -> list[Access]:
    return [Access(vpn, write=True) for vpn in vpns]


def forked(parent, child, **of):
    return run(workload([*parent, Fork(1, "fork"), LATER], child, parents=(-1, 0), files=(LIB,)), **of)


@pytest.mark.parametrize("pmap", PMAPS)
def test_the_child_begins_with_what_the_parent_has_mapped_read_only_and_unused(pmap):
    done = ends_well(forked([Mmap(1000, 1004), *writes(1000, 1002)], [Access(1000, recorded=True), LATER], pmap=pmap))
    child = pmaps(done)["pmap.1.cpu.0"].ptes
    assert {vpn: frame for vpn, (frame, _) in child.items()} == {v: f for v, (f, _) in pmaps(done)["pmap.0"].ptes.items()}
    assert all(bits & PTE_COPIED and not bits & PTE_RW for _, bits in child.values())
    assert [vpn for vpn, (_, bits) in child.items() if bits & (PTE_A | PTE_M)] == [1000], "what it has read since"
    assert outcomes(done) == ["zero-fill", "zero-fill"]
    assert [record[2:] for record in done.records(TLB_HIT)] == [(1000, "pmap_copy")]


@pytest.mark.parametrize("pmap", PMAPS)
def test_shared_memory_is_copied_with_its_rights(pmap):
    done = ends_well(forked([Mmap(1000, 1004, shared=True), *writes(1000)], [Access(1000, write=True), LATER], pmap=pmap))
    assert outcomes(done) == ["zero-fill"]
    assert pmaps(done)["pmap.1.cpu.0"].ptes[1000][1] & PTE_RW


def test_a_second_touch_of_a_copied_page_is_somebody_elses_doing():
    done = ends_well(forked([Mmap(1000, 1004), *writes(1000)], [Access(1000), Access(1000, recorded=True), LATER]))
    assert [record[3] for record in done.records(TLB_HIT)] == ["earlier"], "the TLB had it, from an access nobody recorded"


def test_alpha_copies_nothing():
    done = ends_well(forked([Mmap(1000, 1004), *writes(1000)], [Access(1000), LATER], pmap="alpha"))
    assert outcomes(done) == ["zero-fill", "soft"]


@pytest.mark.parametrize("pmap", PMAPS)
@pytest.mark.parametrize("parent", [0, 1], ids=["older", "younger"])
def test_both_pmaps_are_locked_in_the_order_of_their_addresses(pmap, parent):
    """The second fork is made by a task whose own pmap is younger than the one it makes."""
    steps = [Mmap(1000, 1004), *writes(1000), Fork(1, "fork"), Fork(2, "fork"), LATER]
    child = [Fork(3, "fork"), LATER]
    done = ends_well(run(workload(steps, child, [LATER], [LATER], parents=(-1, 0, 0, 1)), pmap=pmap))
    locks = [str(record[2]) for record in done.records(LOCK_ACQUIRE) if str(record[2]).startswith("pmap") and record[1] == parent]
    pairs = [(one, two) for one, two in pairwise(locks) if one != two]
    wanted = {0: ("pmap.0", "pmap.1.cpu.0"), 1: ("pmap.1.cpu.0", "pmap.3.cpu.0")}
    assert wanted[parent] in pairs


@pytest.mark.parametrize("pmap", PMAPS)
def test_nothing_is_copied_while_free_memory_is_below_the_reserve(pmap):
    """(Copies into page-table pages that the child has need no memory, so they stop for another reason than an allocation that fails.)"""
    parent = [Mmap(1000, 1004), *writes(1000), Kernel(routine="memory_short", arguments=(-1, 100_000_000))]
    done = forked(parent, [LATER], pmap=pmap, until_ns=400_000)
    assert not pmaps(done)["pmap.1.cpu.0"].ptes


@pytest.mark.parametrize("pmap", PMAPS)
def test_copying_stops_where_there_is_no_page_for_a_page_table(pmap):
    """Free memory is at the reserve and nothing is cached: the fork goes on without a word, and leaves no empty page-table page."""
    parent = [Mmap(1000, 1004), *writes(1000), Kernel(routine="memory_short", arguments=(0, 100_000_000))]
    done = forked(parent, [LATER], pmap=pmap, until_ns=400_000)
    child = pmaps(done)["pmap.1.cpu.0"]
    assert (child.ptes, [len(level) for level in child.tables[1:]]) == ({}, [0] * (len(child.tables) - 1))
    assert judged(done).violations == []


def test_page_table_pages_for_the_copies_are_stolen_from_the_cache_with_the_page_queues_held_twice():
    cached = tuple(Inject("file-page", {"file": 0, "pindex": i, "queue": "cache"}) for i in range(10))
    parent = [Mmap(1000, 1004), *writes(1000), Kernel(routine="memory_short", arguments=(0, 100_000_000))]
    work = workload([*parent, Fork(1, "fork"), LATER], [LATER], parents=(-1, 0), files=(LIB,), inject=cached)
    done = run(work, pmap="i386", until_ns=1_400_000)
    assert list(pmaps(done)["pmap.1.cpu.0"].ptes) == [1000]
    assert max(record[6] for record in done.records(LOCK_ACQUIRE) if record[2] == "pq") == 2
    assert judged(done).violations == []


@pytest.mark.parametrize("pmap", PMAPS)
def test_a_page_table_page_of_the_parent_that_counts_no_entry_is_a_panic(monkeypatch, pmap):
    """A mutant: entries are not counted in their page-table page."""
    monkeypatch.setattr(Pmap, "_refs", lambda self, level, slot, table, delta: None)
    done = forked([Mmap(1000, 1004), *writes(1000)], [LATER], pmap=pmap)
    assert [record[2] for record in done.records(PANIC)] == ["pmap_copy: source page table page is unused"]


# C09 ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forms", [{"C09": "unlocked"}, {"C09": "unlocked", "C10": "broadcast"}, {"C10": "broadcast"}])
def test_the_old_forms_copy_the_same_when_nobody_interferes(forms):
    done = run(workload([Mmap(1000, 1004), *writes(1000, 1002), Fork(1, "fork"), Exit()], [Access(1000), Exit()], parents=(-1, 0)),
               forms=forms, pmap="i386")  # fmt: skip
    assert all_done(done)
    assert outcomes(done) == ["zero-fill", "zero-fill"]
    assert len(queues(done).pages) == 0, "everything is given back"


def freed_while_copied(forms):
    parent = [Mmap(1024, 1025, file=0, prot=1), Access(1024), Fork(1, "fork", holds=(Hold("pmap_copy.source_read", for_ns=100_000),))]
    parent[1].announced = True
    child = [Access(1024, delay_ns=150_000, cpu=1)]
    truncater = [Kernel(routine="file_truncate", arguments=(0, 0, 1), after=((0, 1),), delay_ns=20_000, cpu=1)]
    work = workload(parent, child, truncater, parents=(-1, 0, -1), files=(LIB,))
    return run(work, forms=forms, pmap="i386")


def test_without_its_locks_a_copy_maps_a_page_that_has_been_freed():
    assert {"I-FREE-CLEAN", "I-FREE-UNMAPPED"} <= judged(freed_while_copied({"C09": "unlocked"})).names


def test_with_them_the_copy_goes_with_the_page():
    done = freed_while_copied({})
    assert judged(done).violations == []
    assert outcomes(done)[0] == "soft"
    assert len(outcomes(done)) == 2, "the child faults for it"


# C10: the windows -------------------------------------------------------------------------------------------------------------------


def slots(count: int) -> list[int]:
    return [1024 * (1 + i) for i in range(count)]


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_before_c10_every_page_table_page_of_the_child_is_a_broadcast(cpus):
    done = forked([Mmap(1024, 8192), *writes(*slots(3))], [LATER], forms={"C10": "broadcast"}, pmap="i386", cpus=cpus)
    assert [record[2] for record in done.records(SHOOT_BEGIN)].count(SHARED_WINDOW) == 3
    assert len(done.records(IPI_SEND)) == 3 * (cpus - 1)
    assert judged(done).violations == []


def test_now_it_is_an_invalidation_of_ones_own():
    done = ends_well(forked([Mmap(1024, 8192), *writes(*slots(3))], [LATER], pmap="i386", cpus=4))
    assert not done.records(IPI_SEND)
    local = [record for record in done.records(TLB_FLUSH) if record[1] == LOCAL_WINDOW]
    assert len(local) == len(done.records(WINDOW_SET)) == len(done.records(WINDOW_FILL)) == 3


def test_amd64_has_no_window():
    done = ends_well(forked([Mmap(1024, 8192), *writes(*slots(3))], [LATER], cpus=4))
    assert not done.records(WINDOW_SET)


def two_cpus_at_one_window():
    """Two spaces map pages of a file. CPU 1 removes a mapping from the first, CPU 2 one from the second; then CPU 1 another from that."""

    def user(at: int):
        steps = [Mmap(at, at + 4, file=0, prot=1, shared=True), Access(at), Access(at + 1), Access(at + 2), Access(at + 3)]
        steps[-1].announced = True
        return steps

    def truncate(pindex, cpu, after):
        return [Kernel(routine="file_truncate", arguments=(0, pindex, 1), cpu=cpu, announced=True, after=after)]

    first = [Mmap(1024, 1025, file=0, prot=1, shared=True), Access(1024, announced=True), LATER]
    second = [Mmap(5120, 5124, file=0, offset=1, prot=1, shared=True), *[Access(5120 + i) for i in range(3)], LATER]
    second[3].announced = True
    one, two, three = truncate(0, 1, ((0, 1), (1, 3))), truncate(1, 2, ((2, 0),)), truncate(2, 1, ((3, 0),))
    # The truncaters run in spaces of their own that stay loaded, so that nothing else empties the TLBs.
    return run(workload(first, second, [*one, Think(for_ns=1)], [*two, Think(for_ns=1)], three, files=(LIB,)), pmap="i386", cpus=4)


def test_a_cpu_that_finds_the_window_last_used_by_another_drops_its_own_translation():
    done = two_cpus_at_one_window()
    assert judged(done).violations == []
    assert not done.records(FRAME_STORE)


def test_without_the_last_cpu_a_store_goes_into_another_spaces_page_table(monkeypatch):
    """A mutant: PMAP1cpu is not looked at. The CPU's translation of the window is the one it had before."""
    point = Window.point
    monkeypatch.setattr(Window, "point", lambda self, op: WINDOW_SAME if (code := point(self, op)) == WINDOW_MOVED else code)
    # As if both truncaters of CPU 1 ran in one address space: a load would empty the TLB.
    monkeypatch.setattr("actors.processor.tlb.Tlb.drop_all", lambda self: self.entries.clear())
    done = two_cpus_at_one_window()
    assert len(done.records(FRAME_STORE)) == 1
    assert judged(done).names == {"I-FREE-CLEAN"}, "the page is freed, and its entry is still there"


def test_a_shared_window_that_is_flushed_locally_is_caught(monkeypatch):
    """A mutant: PADDR2 is pointed elsewhere and only the own CPU hears of it."""

    async def flush_local(k, window):
        await k.flush_local(window, 0, 1)

    monkeypatch.setattr(pmap_window, "pmap_invalidate_window", flush_local)
    first = [Mmap(1024, 8192), *writes(*slots(2)), Fork(1, "fork", announced=True), Think(for_ns=100_000)]
    other = [Mmap(1024, 8192, cpu=1), *writes(*slots(2)), Fork(3, "fork", after=((0, 3),)), Think(for_ns=100_000)]
    # The children are elsewhere: the load of their spaces would empty the parents' TLBs.
    children = [Think(for_ns=1, cpu=2)], [Think(for_ns=1, cpu=3)]
    work = workload(first, children[0], other, children[1], parents=(-1, 0, -1, 2))
    done = run(work, forms={"C10": "broadcast"}, pmap="i386", cpus=4)
    assert judged(done).names == {"I-TLB"}
