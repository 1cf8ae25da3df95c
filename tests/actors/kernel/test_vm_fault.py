"""The page fault where two meet, where it waits, and where it cannot be resolved (vm-facts 3.9)."""

from __future__ import annotations

import pytest

from actors.kernel import fault_search, step, vm_object, vm_object_deallocate
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.faults import Fault, When
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import Activate
from protocol.pages import ALLOC_NOBUSY, OBJT_SWAP, PTE_RW, REFERENCED
from protocol.records import EXPECTED, FAULT_DONE, FRAME_ZERO, LOCK_RELEASE, NOTE, OBJECT_INSERT, PAGE_BUSY, PAGER_START, SLEEP, STORE, WAKE
from protocol.workload import Access, Exit, File, Fork, Kernel, Mmap, Mprotect, Munmap, Think
from tests.actors.machine_audit import ends_well, objects, pmaps, queues
from tests.actors.machine_kit import outcomes, run, workload

LIB = File("lib", 16)
AT_NS = 50_000
LATER = Think(for_ns=1, cpu=1)
"""A thread's first step takes it to the other CPU."""


def pair(steps, other, prepare=(), files=(LIB,), **of):
    """Two threads of one address space, on two CPUs."""
    first = [Mmap(1000, 1010, file=0), *prepare, Fork(1, "thread"), *steps]
    return ends_well(run(workload(first, [LATER, *other], parents=(-1, 0), files=files), **of))


def expected(done):
    return [(record[3], record[4]) for record in done.records(EXPECTED)]


# Two faults on one page -------------------------------------------------------------------------------------------------------


def test_the_second_of_two_hard_faults_on_a_page_sleeps_until_the_first_has_it():
    done = pair([Access(1003, cold=True, at_ns=AT_NS)], [Access(1003, cold=True, at_ns=AT_NS + 1_000)])
    assert len(done.records(PAGER_START)) == 1
    assert [record[2] for record in done.records(SLEEP) if record[2].startswith("page.")] == [record[2] for record in done.records(WAKE)][
        :1
    ]
    assert outcomes(done) == ["hard", "soft"], "the other thread finds the page when it looks again"
    (slot,) = objects(done)["object.1"].pages.values()
    assert pmaps(done)["pmap.0"].ptes[1003][0] == slot[0]


def test_two_zero_fill_faults_on_one_page_make_one_page():
    first = [Mmap(1000, 1010), Access(1000, write=True), Fork(1, "thread"), Access(1005, write=True, at_ns=AT_NS)]
    done = ends_well(run(workload(first, [LATER, Access(1005, write=True, at_ns=AT_NS)], parents=(-1, 0))))
    assert [record[1] for record in done.records(OBJECT_INSERT)].count(5) == 1
    assert len({record[4] for record in done.records(STORE) if record[3] == 1005}) == 1


def test_two_copies_of_one_page_are_one():
    done = pair([Access(1005, write=True, at_ns=AT_NS)], [Access(1005, write=True, at_ns=AT_NS + 300)], prepare=[Access(1000, write=True)])
    assert outcomes(done).count("cow") == 2, "pages 0 and 5, once each"
    assert len({record[4] for record in done.records(STORE) if record[3] == 1005}) == 1


def test_reader_and_writer_of_one_page_end_with_the_writers_page_for_both():
    done = pair(
        [Access(1005, at_ns=AT_NS)], [Access(1005, write=True, at_ns=AT_NS + 200), Access(1005)], prepare=[Access(1000, write=True)]
    )
    frame, bits = pmaps(done)["pmap.0"].ptes[1005]
    assert bits & PTE_RW
    assert frame in {slot[0] for name, obj in objects(done).items() for slot in obj.pages.values() if name != "object.1"}


def test_every_busy_page_of_a_fault_was_busied_by_its_own_thread():
    done = pair([Access(vpn, at_ns=AT_NS) for vpn in range(1000, 1010)], [Access(vpn, at_ns=AT_NS) for vpn in range(1000, 1010)])
    assert {record[2] for record in done.records(PAGE_BUSY)} <= {0, 1}


# The map changes while the fault waits for the disk -----------------------------------------------------------------------------


def test_a_map_that_did_not_change_here_lets_the_fault_go_on():
    done = pair([Access(1003, cold=True, at_ns=AT_NS)], [Mmap(5000, 5010, at_ns=AT_NS + 20_000)])
    assert outcomes(done) == ["hard"]
    assert len(done.records(PAGER_START)) == 1


def test_a_mapping_that_went_meanwhile_is_a_segmentation_violation():
    done = pair([Access(1003, cold=True, at_ns=AT_NS, expect="segv")], [Munmap(1000, 1010, at_ns=AT_NS + 20_000)])
    assert expected(done) == [("segv", "segv")]
    assert outcomes(done) == []
    assert objects(done)["object.1"].refs == 1


def test_a_mapping_that_was_replaced_meanwhile_is_looked_up_again():
    done = pair([Access(1003, write=True, cold=True, at_ns=AT_NS)], [Mmap(1000, 1010, at_ns=AT_NS + 20_000)])
    assert objects(done)["object.1"].refs == 1
    assert {record[2] for record in done.records(FAULT_DONE)} == {1003}
    assert outcomes(done) == ["hard"], "it waited for the disk, whatever it found then"


def test_a_right_that_went_meanwhile_is_asked_for_again():
    done = pair([Access(1003, write=True, cold=True, at_ns=AT_NS, expect="segv")], [Mprotect(1000, 1010, 1, at_ns=AT_NS + 20_000)])
    assert expected(done) == [("segv", "segv")]
    assert not done.records(STORE)


def test_a_fork_during_the_read_leaves_the_page_read_only_for_both():
    first = [
        Mmap(1000, 1010, file=0),
        Access(1000, write=True),
        Fork(1, "thread"),
        Access(1003, cold=True, at_ns=AT_NS),
        Access(1003, write=True),
    ]
    second = [LATER, Fork(2, "fork", at_ns=AT_NS + 20_000), Think(for_ns=500_000)]
    child = [Access(1003, delay_ns=300_000), Access(1000)]
    done = ends_well(run(workload(first, second, child, parents=(-1, 0, 1), files=(LIB,))))
    assert outcomes(done)[-1] == "soft"


# What cannot be resolved --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Access(2000), Access(999, write=True), Access(1004, write=True)], ids=["unmapped", "below", "read-only"])
def test_segv(step):
    done = ends_well(run(workload([Mmap(1000, 1010, prot=1), Access(step.vpn, write=step.write, expect="segv"), Exit()])))
    assert expected(done) == [("segv", "segv")]


def test_a_page_beyond_the_end_of_the_file_is_refused_and_nothing_stays_behind():
    done = ends_well(
        run(workload([Mmap(1000, 1030, file=0), Access(1020, write=True, expect="segv"), Access(1015, expect="soft")], files=(LIB,)))
    )
    assert [found for _, found in expected(done)] == ["segv", "soft"]


@pytest.mark.parametrize("write", [False, True])
def test_an_error_of_the_disk_is_sigbus_and_the_next_try_can_succeed(write):
    broken = Fault("broken", "pager-error", When(kind="pager.read", nth=1))
    steps = [
        Mmap(1000, 1010, file=0),
        Access(1003, write=write, cold=True, expect="hit"),
        Access(1003, write=write, cold=True, expect="hard"),
        Exit(),
    ]
    done = ends_well(run(workload(steps, files=(LIB,)), faults=(broken,)))
    assert [found for _, found in expected(done)] == ["sigbus", "hard"]


def test_whoever_waits_for_a_page_whose_read_fails_tries_for_himself():
    broken = Fault("broken", "pager-error", When(kind="pager.read", nth=1))
    done = pair([Access(1003, cold=True, at_ns=AT_NS)], [Access(1003, cold=True, at_ns=AT_NS + 1_000, expect="hard")], faults=(broken,))
    assert expected(done) == [("hard", "hard")]


# A page that is resident and not valid ------------------------------------------------------------------------------------------


async def leave_invalid(k, obj, pindex):
    """A page that was allocated and never filled, as a failed read of a neighbour leaves it."""
    await k.acquire(obj)
    frame, _ = await vm_page_alloc(k, obj, pindex, ALLOC_NOBUSY)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Activate(frame))
    await k.release(PAGE_QUEUES)
    await k.release(obj)
    await k.note(NOTE, f"frame {frame} is not valid")
    return "ok"


@pytest.mark.parametrize(
    ("mapping", "obj", "write", "how"),
    [
        (Mmap(1000, 1010), "object.1.cpu.0", True, "zero-fill"),
        (Mmap(1000, 1010, file=0, shared=True), "object.1", True, "hard"),
        (Mmap(1000, 1010, file=0), "object.1", True, "hard"),
        (Mmap(1000, 1010, file=0), "object.1", False, "hard"),
    ],
    ids=["anonymous", "file", "below-for-a-store", "below-for-a-load"],
)
def test_a_resident_page_that_is_not_valid_is_filled(monkeypatch, mapping, obj, write, how):
    monkeypatch.setitem(step.SCRIPTED, "leave_invalid", leave_invalid)
    steps = [mapping, Access(1000, write=True), Kernel(routine="leave_invalid", arguments=(obj, 5)), Access(1005, write=write)]
    done = ends_well(run(workload(steps, files=(LIB,))))
    assert outcomes(done)[-1] == how
    assert queues(done).pages[objects(done)[obj].pages[5][0]].object == obj


def test_a_page_below_that_is_not_valid_gives_way_to_a_fresh_one(monkeypatch):
    """After a fork the parent's object is behind the child's; what was never filled there is nobody's content."""
    monkeypatch.setitem(step.SCRIPTED, "leave_invalid", leave_invalid)
    leave = Kernel(routine="leave_invalid", arguments=("object.1.cpu.0", 5))
    first = [Mmap(1000, 1010), Access(1000, write=True), leave, Fork(1, "fork"), Think(for_ns=200_000)]
    done = ends_well(run(workload(first, [Access(1000, write=True), Access(1005, write=True)], parents=(-1, 0))))
    assert outcomes(done)[-1] == "zero-fill"
    assert 5 not in objects(done)["object.1.cpu.0"].pages


# Zeroing ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [{"object.1.cpu.0"}, {"object.1.cpu.0", "object.2.cpu.0"}], ids=["below", "not-asked-for"])
def test_only_a_page_that_was_asked_for_as_zero_is_not_zeroed(monkeypatch, zero):
    """Both objects of the chain may have the page on disk, so each gets one, and neither has it: the first one's is filled with zeros."""

    async def alloc(k, obj, pindex, flags=0):
        frame, _ = await vm_page_alloc(k, obj, pindex, flags)
        return frame, obj in zero

    monkeypatch.setattr(fault_search, "vm_page_alloc", alloc)
    monkeypatch.setattr(vm_object, "OBJT_DEFAULT", OBJT_SWAP)
    first = [Mmap(1000, 1010), Access(1000, write=True), Fork(1, "fork"), Access(1005, write=True), Think(for_ns=200_000)]
    done = ends_well(run(workload(first, [Think(for_ns=100_000)], parents=(-1, 0))))
    (frame,) = (record[4] for record in done.records(STORE) if record[3] == 1005)
    assert objects(done)["object.2.cpu.0"].pages[5][0] == frame
    assert [record[1] for record in done.records(FRAME_ZERO)].count(frame) == 1


# Copying ----------------------------------------------------------------------------------------------------------------------


def test_whoever_has_tried_the_first_objects_lock_keeps_it_over_the_copy(monkeypatch):
    """The page lies two objects down, alone: its object could give it away, if it were the next one."""

    async def stay(*_):
        """No chain is made shorter."""

    monkeypatch.setattr(vm_object, "vm_object_collapse", stay)
    monkeypatch.setattr(vm_object_deallocate, "vm_object_collapse", stay)
    parent = [Mmap(1000, 1010), Access(1005, write=True), Fork(1, "fork"), Think(for_ns=100_000), Exit()]
    child = [Access(1000, write=True), Fork(2, "fork"), Think(for_ns=600_000)]
    grandchild = [Think(for_ns=300_000), Access(1000, write=True), Access(1005, write=True), Think(for_ns=500_000)]
    done = run(workload(parent, child, grandchild, parents=(-1, 0, 1)))
    assert outcomes(done) == ["zero-fill", "zero-fill", "cow", "cow"]
    first = objects(done)["object.3.cpu.0"]
    assert [record[1] for record in done.records(LOCK_RELEASE) if record[2] == first.name and record[4] > 500] == [2], "500 ns are a copy"


def test_a_page_that_was_only_copied_from_was_not_referenced():
    done = pair([Access(1005, write=True, at_ns=AT_NS)], [])
    below = objects(done)["object.1"].pages[5][0]
    assert not queues(done).pages[below].flags & REFERENCED


def test_a_fault_that_ends_with_the_map_locked_drops_its_reference_first():
    """A load of a page below the first object: nobody can unmap the entry while the fault's reference is one of two."""
    done = ends_well(run(workload([Mmap(1000, 1010, file=0), Access(1005, write=True), Access(1006)], files=(LIB,))))
    given_back = [record[2] for record in done.records(LOCK_RELEASE) if record[1] == 0]
    first = next(name for name in objects(done) if objects(done)[name].backing == "object.1")
    assert given_back.count(first) > 2
    assert given_back[-1] == "map.0"
