"""Devices' memory and wiring: fictitious pages, mlock and munlock, and where unwiring by address ends up (C16)."""

from __future__ import annotations

import pytest

from protocol.pages import FAKE, PTE_MANAGED, PTE_WIRED
from protocol.records import (
    ARRAY,
    FAKE_FREE,
    FAKE_NEW,
    MAP_WIRE,
    OBJECT_REFS,
    PAGE_BUSY,
    PAGE_QUEUE,
    PAGE_UNBUSY,
    PAGE_WIRE,
    PTE_SET,
    PV_ADD,
)
from protocol.workload import Access, Exit, File, Fork, Kernel, Mmap, Munmap
from tests.actors.machine_kit import all_done, judged, outcomes, run, workload

PHYS = 5000


def kernel(routine, *arguments):
    return Kernel(routine=routine, arguments=arguments)


def silent(done, speaks=frozenset()):
    """Everything has ended and no check but ``speaks`` has spoken."""
    assert all_done(done)
    assert judged(done).names == speaks
    return done


DEVICE = [kernel("device_mmap", 0x100, PHYS, 3), Access(0x101, write=True), Access(0x101), Access(0x102)]


@pytest.mark.parametrize("pmap", ["i386", "amd64", "alpha"])
@pytest.mark.parametrize("revert", [(), ("C11",)])
def test_a_device_is_mapped_through_pages_without_ram(pmap, revert):
    done = silent(run(workload([*DEVICE, Munmap(0x100, 0x103), Exit()]), pmap=pmap, revert=revert), {"I-LOCKSET"} if revert else set())
    assert outcomes(done) == ["soft", "soft"]
    fakes = [FAKE + PHYS + 1, FAKE + PHYS + 2]
    assert [record[1] for record in done.records(FAKE_NEW)] == fakes
    assert [record[1] for record in done.records(FAKE_FREE)] == fakes
    assert not [record for record in done.records(PV_ADD) if record[1] >= FAKE]
    assert not [record for record in done.records(PAGE_QUEUE) if record[1] >= FAKE]
    assert all(not record[3] & PTE_MANAGED for record in done.records(PTE_SET) if record[2] >= FAKE)
    assert done.actors["pq"].pages == {}


def test_a_device_without_a_page_there_is_a_bus_error():
    work = workload([kernel("device_mmap", 0x100, -7, 1), Access(0x100)])
    done = silent(run(work))
    assert outcomes(done) == [] and not done.records(FAKE_NEW)


def test_a_device_shared_over_a_fork_is_one_mapping():
    child = [Access(0x101), Exit()]
    work = workload([*DEVICE, Fork(child=1, how="fork"), Exit()], child, parents=(-1, 0))
    done = silent(run(work))
    assert len(done.records(FAKE_NEW)) == len(done.records(FAKE_FREE)) == 2


def counts_of_mapped(done):
    """(old, new) wire counts of the pages that were mapped, page-table pages left out."""
    mapped = {record[2] for record in done.records(PTE_SET)}
    return [record[2:] for record in done.records(PAGE_WIRE) if record[1] in mapped]


WIRED = [Mmap(0x200, 0x204), kernel("mlock", 0x201, 2), kernel("munlock", 0x201, 2), Munmap(0x200, 0x204), Exit()]


@pytest.mark.parametrize("revert", [(), ("C16",)])
def test_a_users_memory_is_wired_and_unwired(revert):
    """Of RAM both forms do the same: the pages are faulted in, and the array has their own records."""
    done = silent(run(workload(WIRED), revert=revert))
    assert outcomes(done) == ["zero-fill"] * 2
    assert [record[1:] for record in done.records(MAP_WIRE)] == [(0x201, 0x203, True), (0x201, 0x203, False)]
    assert counts_of_mapped(done) == [(0, 1), (0, 1), (1, 0), (1, 0)]
    assert [bool(record[3] & PTE_WIRED) for record in done.records(PTE_SET)] == [True, True]


def test_a_wired_entry_that_is_unmapped_is_unwired_first():
    done = silent(run(workload([Mmap(0x200, 0x204), kernel("mlock", 0x200, 4), Munmap(0x200, 0x202), Exit()])))
    assert done.actors["pq"].pages == {}
    assert done.records(MAP_WIRE) == [(MAP_WIRE, 0x200, 0x204, True)]


def test_wiring_twice_counts_once():
    locks = [kernel("mlock", 0x200, 1), kernel("mlock", 0x200, 1), kernel("munlock", 0x200, 1)]
    done = silent(run(workload([Mmap(0x200, 0x201), *locks, Munmap(0x200, 0x201), Exit()])))
    assert len(done.records(MAP_WIRE)) == 2


def test_wiring_what_is_not_there_is_undone():
    """The file ends before the mapping does; the entry before it had been wired as well."""
    maps = [Mmap(0x1FF, 0x200), Mmap(0x200, 0x202, file=0, shared=True)]
    done = silent(run(workload([*maps, kernel("mlock", 0x1FF, 3), Exit()], files=(File("short", 1),))))
    assert outcomes(done) == ["zero-fill", "soft"]
    assert [record[1:] for record in done.records(MAP_WIRE)][2:] == [(0x1FF, 0x200, False), (0x200, 0x202, False)]
    assert counts_of_mapped(done) == [(0, 1), (0, 1), (1, 0), (1, 0)]


LOCKED = [kernel("device_mmap", 0x100, PHYS, 2), kernel("mlock", 0x100, 2), kernel("munlock", 0x100, 2), Munmap(0x100, 0x102), Exit()]


def test_a_fictitious_page_keeps_its_count_and_the_array_is_not_asked():
    done = silent(run(workload(LOCKED)))
    assert not [record for record in done.records(PAGE_WIRE) if record[1] >= FAKE]
    assert not done.records(ARRAY)
    assert len(done.records(FAKE_NEW)) == 2


def test_before_c16_it_is_counted_up_and_another_page_counted_down():
    done = run(workload(LOCKED), revert=("C16",))
    assert [record[1:] for record in done.records(PAGE_WIRE) if record[1] >= FAKE] == [(FAKE + PHYS, 1, 2), (FAKE + PHYS + 1, 1, 2)]
    assert done.records(ARRAY) == [(ARRAY, 0, PHYS - 1, 1024)]
    assert done.actors["cpu.0"].panic_text == "vm_page_unwire: invalid wire count: 0"


def test_the_fault_that_wires_leaves_the_page_idle_and_off_the_queues():
    done = silent(run(workload(WIRED[:2])))
    frames = {record[2] for record in done.records(PTE_SET)}
    assert len(done.records(PAGE_BUSY)) <= len(done.records(PAGE_UNBUSY)) + len(frames)
    assert all(done.actors["pq"].pages[frame].wire == 1 and not done.actors["pq"].pages[frame].queue for frame in frames)


def test_references_of_an_entry_that_is_clipped_to_be_wired_are_counted():
    locks = [Access(0x200), kernel("mlock", 0x202, 2), kernel("munlock", 0x202, 2)]
    done = silent(run(workload([Mmap(0x200, 0x208), *locks, Munmap(0x200, 0x208), Exit()])))
    assert done.records(OBJECT_REFS)[-1][2] == 0
