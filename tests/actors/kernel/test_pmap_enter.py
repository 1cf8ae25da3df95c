"""pmap_enter before and after C11, pmap_enter_quick, and prefaulting (vm-facts 3.14)."""

from __future__ import annotations

import pytest

from actors.kernel import pmap_enter
from protocol.messages.queues import CHAN_FREE
from protocol.pages import PTE_PREFAULTED, PTE_RW
from protocol.records import FRAME_STORE, PAGE_BUSY, PANIC, SLEEP, TLB_HIT, UNGUARDED
from protocol.workload import Access, Exit, File, Fork, Hold, Kernel, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well, pmaps
from tests.actors.machine_kit import all_done, judged, outcomes, run, step_words, workload

LIB = File("lib", 16)
DROP = (
    "task.step", "task.end", "compute", "object.refs", "object.pip", "page.act", "page.flags", "pte.bits", "switch", "pt.refs",
    "alloc.colour", "frame.zero", "frame.fill", "object.new", "object.tree", "object.flags", "enter", "leave", "fault.done", "store",
    "page.transition",
)  # fmt: skip
OLD = {"C11": "partial"}
UNGUARDED_OLD = ("I-LOCKSET",)
"""What speaks of the old form even where nobody interferes."""


def steps_of_entering(forms):
    """The words of a zero-fill fault between the object's release and the fault's end, its page-table page being there."""
    done = run(workload([Mmap(1000, 1010), Access(1001, write=True), Access(1000, write=True)]), forms=forms)
    words = step_words(done, 2, drop=DROP)
    return words[words.index("-obj") + 1 : words.index("+obj", words.index("-obj"))]


def test_the_locks_are_held_throughout_and_an_empty_entry_is_not_shot_down():
    assert steps_of_entering(None) == ["page.dirty", "+pq", "+pmap", "pte.set", "-pq", "-pmap", "page.pv-add"]


def test_before_c11_giant_alone_is_held_and_every_entry_is_invalidated():
    assert steps_of_entering(OLD) == [
        "page.dirty", "+giant", "unguarded", "unguarded", "unguarded", "unguarded", "page.pv-add", "unguarded", "pte.set",
        "+smp", "shootdown.begin", "tlb.flush", "shootdown.done", "-smp", "-giant",
    ]  # fmt: skip


def test_before_c11_the_fields_of_the_pmap_are_touched_without_its_lock():
    done = run(workload([Mmap(1000, 1010), Access(1001, write=True), Access(1000, write=True)]), forms=OLD)
    assert {record[1] for record in done.records(UNGUARDED)} == {"page_table", "page_table_refs", "pte_bits", "pv_list", "pte"}
    assert all_done(done)


@pytest.mark.parametrize("pmap", ["amd64", "i386", "alpha"])
@pytest.mark.parametrize("forms", [None, OLD], ids=["locked", "partial"])
def test_both_forms_map_the_same_pages_when_nobody_interferes(forms, pmap):
    steps = [Mmap(1000, 1010, file=0), Access(1000), Access(1000, write=True), Access(1003, write=True), Munmap(1000, 1002), Exit()]
    done = ends_well(run(workload(steps, files=(LIB,)), forms=forms, pmap=pmap), UNGUARDED_OLD if forms else ())
    assert outcomes(done) == ["soft", "cow", "cow"]


# What the old form lets happen --------------------------------------------------------------------------------------------------


def truncated_meanwhile(point, forms=None):
    """A copy is entered where the file's page is mapped; that page is freed while the thread is held at the point."""
    writer = [Mmap(1024, 1025, file=0), Access(1024), Access(1024, write=True, holds=(Hold(point, for_ns=100_000),))]
    writer[1].announced = True
    truncater = [Kernel(routine="file_truncate", arguments=(0, 0, 1), after=((0, 1),), delay_ns=20_000, cpu=1)]
    return run(workload(writer, truncater, files=(LIB,)), forms=forms, pmap="i386")


def test_a_page_table_page_freed_under_a_store_gets_the_store():
    done = truncated_meanwhile("pmap_enter.table_found", OLD)
    assert len(done.records(FRAME_STORE)) == 1
    assert {"I-FREE-CLEAN", "I-PV-PTE"} <= judged(done).names


def test_an_old_entry_that_went_after_it_was_read_is_counted_down_twice():
    done = truncated_meanwhile("pmap_enter.pte_read", OLD)
    assert [record[2] for record in done.records(PANIC)] == ["pmap_enter: pte vanished, va: 0x400000"]


@pytest.mark.parametrize("point", ["pmap_enter.table_found", "pmap_enter.pte_read"])
def test_with_its_locks_held_nobody_comes_between(point):
    done = ends_well(truncated_meanwhile(point))
    assert not done.records(FRAME_STORE)


# Prefaulting ---------------------------------------------------------------------------------------------------------------------


def faults_on_a_resident_file(prefault_pages, forms=None, touched=(1004, 1005, 1003, 1006, 1002, 1007)):
    """One process makes all pages of a file resident; another maps the file, has its page-table page, and touches some pages."""
    first = [Mmap(1000, 1010, file=0, prot=1), *[Access(1000 + i) for i in range(10)]]
    first[-1].announced = True
    second = [Mmap(1000, 1010, file=0, prot=1, after=((0, 10),)), *[Access(vpn, recorded=True) for vpn in touched]]
    return ends_well(run(workload(first, second, files=(LIB,)), forms=forms, prefault_pages=prefault_pages), UNGUARDED_OLD if forms else ())


def test_prefaulting_is_off_by_default():
    assert len(outcomes(faults_on_a_resident_file(0))) == 10 + 6


@pytest.mark.parametrize("forms", [None, OLD], ids=["locked", "partial"])
def test_neighbours_are_mapped_read_only_with_the_page_that_faulted(forms):
    done = faults_on_a_resident_file(2, forms)
    hits = [record[2:] for record in done.records(TLB_HIT) if record[1] == 1]
    assert hits == [(1005, "prefault"), (1003, "prefault"), (1006, "prefault"), (1002, "prefault")]
    ahead = {vpn: bits for vpn, (_, bits) in pmaps(done)["pmap.1"].ptes.items() if bits & PTE_PREFAULTED}
    assert set(ahead) >= {1002, 1003, 1005, 1006}
    assert not any(bits & PTE_RW for bits in ahead.values())


def test_prefaulting_stops_at_a_page_that_is_not_resident_and_at_the_entrys_end():
    steps = [Mmap(1000, 1004, file=0, prot=1), Access(1001), Access(1003), Access(1000)]
    done = ends_well(run(workload(steps, files=(LIB,)), prefault_pages=4))
    assert sorted(pmaps(done)["pmap.0"].ptes) == [1000, 1001, 1003]
    assert len(outcomes(done)) == 3, "page 1000 was not resident when 1001 was mapped"


def test_prefaulting_goes_down_the_chain_of_objects():
    parent = [Mmap(1000, 1004), *[Access(1000 + i, write=True) for i in range(4)], Fork(1, "fork"), Think(for_ns=200_000)]
    child = [Access(1000, write=True, cpu=1), Munmap(2000, 2001), Exit()]
    done = run(workload(parent, child, parents=(-1, 0)), prefault_pages=2, forms={"R02": "after-shootdown"})
    assert all_done(done)
    assert judged(done).violations == []


def test_enter_quick_waits_for_memory_with_the_page_busy_and_nothing_locked(monkeypatch):
    """As if the page-table page had just gone, and there were none for another: at 1005, which the second task has prefaulted."""
    allocate, refused = pmap_enter.pmap_allocpte, []

    async def once_refused(k, pmap, vpn):
        if (k.task, vpn) == (1, 1005) and not refused:
            refused.append(vpn)
            return False
        return await allocate(k, pmap, vpn)

    monkeypatch.setattr(pmap_enter, "pmap_allocpte", once_refused)
    done = faults_on_a_resident_file(2, touched=(1004, 1005))
    assert refused
    ((slept_ns, thread),) = [
        (head[0], record[1]) for head, _, records in done.entries for record in records if record[0] == SLEEP and record[2] == CHAN_FREE
    ]
    busy = [record for head, _, records in done.entries for record in records if head[0] <= slept_ns and record[0] == PAGE_BUSY]
    assert busy[-1][2] == thread, "busied by the thread that waits"
    assert [record[2:] for record in done.records(TLB_HIT)] == [(1005, "prefault")]
