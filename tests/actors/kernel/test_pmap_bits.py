"""A, M and RW of page-table entries: what pmap_ts_referenced, pmap_protect and pmap_enter take of them, tell the page, and shoot down."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.pmap_enter import pmap_enter
from protocol.identity import PAGE_QUEUES
from protocol.pages import PROT_READ, PTE_A, PTE_M, PTE_RW, REFERENCED
from protocol.records import PTE_BITS, PV_REQUEUE, SHOOT_BEGIN
from protocol.workload import Access, File, Fork, Kernel, Mmap, Mprotect, Think
from tests.actors.machine_audit import ends_well, pmaps, queues
from tests.actors.machine_kit import run, workload

LIB = File("lib", 16)
LATER = Think(for_ns=100_000)
FORGET = Kernel(routine="page_dontneed", arguments=(0, 0))
"""Clears REFERENCED and the A bits of the file's first page."""


def page_of(done, vpn):
    """(bits of the PTE, flags of the page, its dirty bits)."""
    frame, bits = pmaps(done)["pmap.0"].ptes[vpn]
    return bits, queues(done).pages[frame].flags, queues(done).pages[frame].dirty


def extents(done):
    return [record[3:5] for record in done.records(SHOOT_BEGIN)]


# pmap_ts_referenced -------------------------------------------------------------------------------------------------------------


def mapped_seven_times(*steps):
    maps = [step for i in range(7) for step in (Mmap(1000 * (1 + i), 1000 * (1 + i) + 1, file=0, prot=1), Access(1000 * (1 + i)))]
    return ends_well(run(workload([*maps, *steps, LATER], files=(LIB,))))


def cleared(done):
    """The mappings whose A bits were cleared, in order, by their thousands."""
    return [record[1] // 1000 for record in done.records(PTE_BITS) if record[3] & PTE_A and not record[4] & PTE_A]


def order(done):
    (page,) = [page for page in queues(done).pages.values() if len(page.pvs) == 7]
    return [vpn // 1000 for _, vpn in page.pvs]


def test_five_references_are_enough_and_who_was_looked_at_goes_to_the_tail():
    done = mapped_seven_times(FORGET)
    assert (cleared(done), order(done)) == ([1, 2, 3, 4, 5], [6, 7, 1, 2, 3, 4, 5])
    assert [record[2] for record in done.records(PV_REQUEUE)] == [5], "told once"


def test_the_next_walk_begins_with_the_others_and_goes_on_to_the_end():
    done = mapped_seven_times(FORGET, FORGET)
    assert (cleared(done), order(done)) == ([1, 2, 3, 4, 5, 6, 7], [6, 7, 1, 2, 3, 4, 5])


def test_a_reference_is_found_behind_any_number_of_mappings_without_one():
    done = mapped_seven_times(FORGET, FORGET, Access(5000), FORGET)
    assert cleared(done) == [1, 2, 3, 4, 5, 6, 7, 5]


# pmap_protect -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "messages"), [(False, 1), (True, 1)], ids=["accessed", "modified"])
def test_protecting_harvests_what_hardware_had_set_in_one_message(write, messages):
    steps = [Mmap(1000, 1004, file=0, shared=True), Access(1000), FORGET, Access(1000, write=write), Mprotect(1000, 1004, 1), LATER]
    done = ends_well(run(workload(steps, files=(LIB,))))
    bits, flags, dirty = page_of(done, 1000)
    assert not bits & (PTE_A | PTE_M | PTE_RW)
    assert flags & REFERENCED
    assert bool(dirty) == write
    assert [word for _, word, _ in done.entries].count("page.harvest") == messages
    assert extents(done)[-1] == (0, 0)


def forked(*before):
    parent = [Mmap(1000, 1004), Access(1000, write=True), Mprotect(1000, 1004, 1), *before, Fork(1, "fork"), LATER]
    return ends_well(run(workload(parent, [LATER], parents=(-1, 0))))


def test_a_mapping_that_was_read_and_could_not_be_written_is_changed_too():
    """fork: the entry is protected as it is copied; what changes is A, and that takes a shootdown of the whole address space."""
    done = forked(Access(1000))
    assert not page_of(done, 1000)[0] & PTE_A
    assert extents(done) == [(0, 0), (0, 0)], "mprotect's, and fork's"


def test_where_no_bit_is_set_nothing_changes_and_nobody_is_shot_down():
    done = forked()
    assert extents(done) == [(0, 0)], "mprotect's"


# pmap_enter ---------------------------------------------------------------------------------------------------------------------


def entered_again(monkeypatch, *before):
    """The page that is mapped writable is entered once more, read-only."""

    async def enter_again(k):
        await pmap_enter(k, k.pmap, 1000, frame, PROT_READ)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "enter_again", enter_again)
    steps = [Mmap(1000, 1004, file=0, shared=True), Access(1000, write=True), *before]
    frame = pmaps(run(workload(steps, files=(LIB,))))["pmap.0"].ptes[1000][0]
    return ends_well(run(workload([*steps, Kernel(routine="enter_again"), LATER], files=(LIB,))))


def test_modified_and_write_revoked_is_shot_down_though_not_accessed_since(monkeypatch):
    done = entered_again(monkeypatch, FORGET)
    assert extents(done) == [(1000, 1001), (1000, 1001)], "page_dontneed's, and pmap_enter's"
    assert page_of(done, 1000)[2], "M was harvested"


def test_the_same_page_hears_of_a_when_its_mapping_is_swapped(monkeypatch):
    done = entered_again(monkeypatch, FORGET, Access(1000))
    assert page_of(done, 1000)[1] & REFERENCED
    assert PAGE_QUEUES in {head[3] for head, word, _ in done.entries if word == "page.harvest"}
