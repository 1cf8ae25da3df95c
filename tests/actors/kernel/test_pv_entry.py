"""Where pv entries are limited: their zone and its object, the high-water mark, reclaiming, the panic (vm-facts 3.14, 3.16; C07)."""

from __future__ import annotations

import pytest

from protocol.messages.queues import CHAN_NEEDED
from protocol.pages import INACTIVE
from protocol.records import LOCK_ACQUIRE, OBJECT_INSERT, PAGE_BIND, PAGES_NEEDED, PANIC, PV_ADD, PV_DEL, WAKEUP, ZONE_ITEMS
from protocol.workload import Access, Exit, File, Fork, Inject, Kernel, Mmap, Think
from tests.actors.machine_audit import ends_well, pmaps, queues
from tests.actors.machine_kit import all_done, judged, run, workload

LATER = Think(for_ns=100_000)
MANY = File("many", 64)


def touches(count: int, **of) -> list[Access]:
    return [Access(1000 + i, write=True, **of) for i in range(count)]


def test_by_default_there_is_no_limit_and_no_zone():
    done = ends_well(run(workload([Mmap(1000, 1100), *touches(20), LATER])))
    assert "zone.0" not in done.actors and "object.uma" not in done.actors
    assert queues(done).pv_entries == 20


@pytest.mark.parametrize("pmap", ["amd64", "i386", "alpha"])
def test_entries_come_from_slabs_of_the_zones_own_object_and_go_back(pmap):
    steps = [Mmap(1000, 1100), *touches(20), LATER]
    done = run(workload([*steps, Exit()]), pv_entries_max=100, pv_slab_items=8, pmap=pmap)
    assert all_done(done)
    assert judged(done).violations == []
    zone = done.actors["zone.0"]
    assert (zone.slabs, zone.free, queues(done).pv_entries) == (3, 24, 0)
    found = [(head[3], record) for head, _, records in done.entries for record in records if record[0] == OBJECT_INSERT]
    inserted = [record[1] for actor, record in found if actor == "object.uma"]
    assert inserted == [0, 1, 2]
    assert [record[4] for record in done.records(PAGE_BIND) if record[2] == "object.uma"] == [1, 1, 1], "wired"


def test_the_zones_object_is_locked_behind_the_page_queues_and_no_reversal_is_seen():
    """Its lock is of a type of its own; all other objects come before the page queues."""
    done = run(workload([Mmap(1000, 1100), *touches(20), LATER]), pv_entries_max=100, pv_slab_items=8)
    verdict = judged(done)
    assert verdict.violations == []
    assert verdict.counts["I-ORDER"][0] > 0
    assert any(record[2] == "object.uma" for record in done.records(LOCK_ACQUIRE))


def test_above_the_high_water_mark_the_daemon_is_woken_and_mappings_of_active_pages_go():
    """Ten entries: the tenth is above nine. No page is inactive, so the mappings of all active pages are destroyed."""
    done = run(workload([Mmap(1000, 1100), *touches(12), LATER]), pv_entries_max=10, pv_slab_items=2)
    assert judged(done).violations == []
    assert any(record[1] == CHAN_NEEDED for record in done.records(WAKEUP))
    assert (False, True) in {tuple(record[1:3]) for record in done.records(PAGES_NEEDED)}
    assert len(pmaps(done)["pmap.0"].ptes) < 12
    assert queues(done).pv_entries == len(pmaps(done)["pmap.0"].ptes)
    assert done.actors["zone.0"].slabs * 2 - done.actors["zone.0"].free == queues(done).pv_entries


OLD_SPEAKS = ("I-LOCKSET", "I-PTREF", "I-TLB")
"""What speaks of pmap_enter before C11 although nobody interferes: between the removal and the store it locks the pmap for a pv entry."""
READ_THEN_WRITTEN = [Mmap(1000, 1012, file=0), *[Access(1000 + i) for i in range(12)], *touches(12), LATER]


@pytest.mark.parametrize("pmap", ["amd64", "i386", "alpha"])
@pytest.mark.parametrize("forms", [{}, {"C11": "partial"}], ids=["locked", "partial"])
def test_a_mapping_that_is_replaced_gives_its_entry_back(forms, pmap):
    """Each page of the file is mapped when it is read, and its copy in its place when it is written."""
    work = workload(READ_THEN_WRITTEN, files=(MANY,))
    done = ends_well(run(work, pv_entries_max=100, pv_slab_items=4, forms=forms, pmap=pmap), OLD_SPEAKS if forms else ())
    zone = done.actors["zone.0"]
    assert len(done.records(PV_DEL)) == queues(done).pv_entries == 12
    assert zone.slabs * 4 - zone.free == 12
    assert max(record[3] for record in done.records(ZONE_ITEMS)) == 3, "no slab for what goes and what comes"


@pytest.mark.parametrize("forms", [{}, {"C11": "partial"}], ids=["locked", "partial"])
def test_a_mapping_is_replaced_although_all_entries_are_in_use(forms):
    """pmap_remove_entry comes before pmap_insert_entry: no other mapping is destroyed for it. (The file's page is wired: it is on no queue
    where its own mapping would be found and destroyed.)"""
    before = [Mmap(1000, 1100), *touches(2), Mmap(2000, 2001, file=0), Access(2000)]
    frame = pmaps(run(workload(before, files=(MANY,)), pv_entries_max=3, pv_slab_items=3, forms=forms))["pmap.0"].ptes[2000][0]
    work = workload([*before, Kernel(routine="page_wire_phys", arguments=(frame,)), Access(2000, write=True), LATER], files=(MANY,))
    done = ends_well(run(work, pv_entries_max=3, pv_slab_items=3, forms=forms), OLD_SPEAKS if forms else ())
    assert sorted(pmaps(done)["pmap.0"].ptes) == [1000, 1001, 2000]
    assert len(done.records(PV_DEL)) == 1


def test_what_was_written_through_a_mapping_that_is_replaced_is_not_lost():
    """Where entries are limited the pv entry goes first, and the page hears of its A and M when the PTE is swapped out."""
    parent = [Mmap(1000, 1002), *touches(1), Fork(1, "fork"), Access(1000, write=True), LATER]
    done = ends_well(run(workload(parent, [LATER], parents=(-1, 0)), pv_entries_max=100, pv_slab_items=4))
    assert all(queues(done).pages[frame].dirty for frame, _ in pmaps(done)["pmap.0"].ptes.values())


def test_mappings_of_inactive_pages_go_first():
    """A reader has four pages of a file mapped; a writer copies them, which deactivates them, and goes on to the ninth entry of nine."""
    reader = [Mmap(1000, 1004, file=0, prot=1), *[Access(1000 + i) for i in range(4)]]
    reader[-1].announced = True
    writer = [Mmap(5000, 5004, file=0, after=((0, 4),)), *[Access(5000 + i, write=True) for i in range(4)]]
    done = run(workload(reader, [*writer, Mmap(1000, 1100), *touches(1)], files=(MANY,)), pv_entries_max=9, pv_slab_items=3)
    assert judged(done).violations == []
    gone = [record[1] for record in done.records(PV_DEL)]
    assert len(gone) == 4
    assert all(queues(done).pages[frame].queue == INACTIVE for frame in gone)
    assert (len(pmaps(done)["pmap.0"].ptes), len(pmaps(done)["pmap.1"].ptes)) == (0, 5)


def test_where_none_is_left_and_none_can_be_reclaimed_the_kernel_panics():
    """Pages that are being sent are wired, hence on no queue, and keep their mappings."""
    send = [Kernel(routine="zero_copy_send", arguments=(1000 + i, 1_000_000_000)) for i in range(3)]
    done = run(workload([Mmap(1000, 1100), *touches(3), *send, Access(1050, write=True)]), pv_entries_max=3, pv_slab_items=3)
    assert [record[2] for record in done.records(PANIC)] == ["get_pv_entry: increase the vm.pmap.shpgperproc tunable"]


def test_pmap_copy_stops_instead_of_destroying_mappings():
    steps = [Mmap(1000, 1100), *touches(6), Fork(1, "fork"), LATER]
    done = run(workload(steps, [LATER], parents=(-1, 0)), pv_entries_max=8, pv_slab_items=4)
    assert judged(done).violations == []
    assert not done.records(PV_DEL)
    assert len(pmaps(done)["pmap.1.cpu.0"].ptes) == 2
    assert len(done.records(PV_ADD)) == 8


@pytest.mark.parametrize("pages", [1, 3, 8])
def test_a_slab_that_cannot_be_had_whole_is_given_back_page_by_page_under_the_page_queues(pages):
    """C07's second user: free memory ends in the middle of a slab; the page queues are held already, and held twice for each page."""
    resident = tuple(Inject("file-page", {"file": 0, "pindex": i}) for i in range(2))
    short = Kernel(routine="memory_short", arguments=(pages - 25, 100_000_000))
    steps = [Mmap(1000, 1002, file=0, prot=1, shared=True), Access(1000), short, Access(1001)]
    work = workload(steps, files=(MANY,), inject=resident)
    done = run(work, pv_entries_max=100, pv_slab_items=1, pv_slab_pages=pages + 1, until_ns=1_500_000)
    nested = [record for record in done.records(LOCK_ACQUIRE) if record[2] == "pq" and record[6] == 2]
    assert len(nested) == pages
    assert judged(done).violations == []
    assert list(pmaps(done)["pmap.0"].ptes) == [1001], "the other page's mapping has given its entry"


def test_before_c07_that_is_a_panic():
    resident = tuple(Inject("file-page", {"file": 0, "pindex": i}) for i in range(2))
    short = Kernel(routine="memory_short", arguments=(1 - 25, 100_000_000))
    steps = [Mmap(1000, 1002, file=0, prot=1, shared=True), Access(1000), short, Access(1001)]
    done = run(workload(steps, files=(MANY,), inject=resident), pv_entries_max=100, pv_slab_items=1, pv_slab_pages=2, forms={"C07": "no"})
    (panic,) = done.records(PANIC)
    assert panic[2] == "_mtx_lock_sleep: recursed on non-recursive mutex vm page queue mutex @ pq"
    assert judged(done).names == {"I-RECURSE", "I-DEADLOCK"}
    assert done.records(ZONE_ITEMS)
