"""Alpha: three levels of page-table pages, with an object of their own before C14, and removals that nobody asserts before C15."""

from __future__ import annotations

import pytest

from actors.kernel.pmap_pte_object import LEVEL_STRIDE, table_at, table_index
from protocol.records import LOCK_ACQUIRE, OBJECT_INSERT, OBJECT_TREE, PAGE_BIND, PAGE_RELEASE, PANIC, PT_INSTALL, PT_REMOVE, UNGUARDED
from protocol.workload import Access, Exec, Exit, File, Fork, Hold, Kernel, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well, objects, pmaps, queues
from tests.actors.machine_kit import all_done, judged, run, workload

LIB = File("lib", 16)
LATER = Think(for_ns=100_000)
OLD = {"C14": "pte-object", "C15": "exempt"}
SLOTS = [1024, 2048, 1024 * 1024]
"""Three leaf tables below two tables of the second level."""


def writes(*vpns: int) -> list[Access]:
    return [Access(vpn, write=True) for vpn in vpns]


def alpha(steps, forms=None, **of):
    return run(workload(steps, files=(LIB,)), forms=forms, pmap="alpha", **of)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("slot", [0, 7, LEVEL_STRIDE - 1])
def test_an_index_says_level_and_slot(level, slot):
    assert table_at(table_index(level, slot)) == (level, slot)


@pytest.mark.parametrize("forms", [None, OLD], ids=["none", "pte-object"])
def test_page_table_pages_come_as_they_are_needed_and_the_level_1_table_goes_last(forms):
    done = alpha([Mmap(1024, 4 << 20), *writes(*SLOTS), Munmap(1024, 4 << 20), *writes(), Exit()], forms)
    assert all_done(done)
    assert [record[1:3] for record in done.records(PT_INSTALL)] == [(3, 0), (2, 0), (1, 1), (1, 2), (2, 1), (1, 1024)]
    assert [record[1:3] for record in done.records(PT_REMOVE)][-1] == (3, 0)
    assert len(queues(done).pages) == 0, "every page is given back"


@pytest.mark.parametrize("forms", [None, OLD], ids=["none", "pte-object"])
def test_spaces_that_fork_exec_and_exit_give_every_page_back(forms):
    child = [*writes(1024, 2048), Exec(((1024, 1034, 3, -1, 0, False),)), *writes(1024), Exit()]
    parent = [Mmap(1024, 4096), *writes(1024), Fork(1, "fork"), *writes(1024), Exit()]
    done = run(workload(parent, child, parents=(-1, 0)), forms=forms, pmap="alpha")
    assert all_done(done)
    assert len(queues(done).pages) == 0
    assert not any(obj.pages for obj in objects(done).values())


# C14 ------------------------------------------------------------------------------------------------------------------------------


def test_page_table_pages_belong_to_no_object_now():
    done = ends_well(alpha([Mmap(1024, 4096), *writes(1024), LATER]))
    assert [record[2] for record in done.records(PAGE_BIND)][1:] == ["", "", ""]
    assert pmaps(done)["pmap.0"].pte_object == ""


def test_before_c14_they_are_pages_of_an_object_that_is_locked_behind_the_page_queues():
    done = alpha([Mmap(1024, 4096), *writes(1024), LATER], OLD)
    obj = pmaps(done)["pmap.0"].pte_object
    assert obj == "object.pte0"
    inserted = [record[1] for head, _, records in done.entries for record in records if record[0] == OBJECT_INSERT and head[3] == obj]
    assert inserted == [table_index(3, 0), table_index(2, 0), table_index(1, 1)]
    assert sum(record[2] == obj for record in done.records(LOCK_ACQUIRE)) == 3
    assert judged(done).names == {"I-ORDER"}


def test_before_c14_a_page_table_page_is_freed_without_its_objects_lock():
    done = alpha([Mmap(1024, 4096), *writes(1024), Munmap(1024, 4096), LATER], OLD)
    assert all_done(done)
    obj = pmaps(done)["pmap.0"].pte_object
    assert {record[1:3] for record in done.records(UNGUARDED)} == {("memq", obj), ("object", "pq")}
    assert [record[2] for record in done.records(PAGE_RELEASE)].count(obj) == 2, "the level-1 table stays"


def test_before_c14_a_wait_for_memory_has_the_page_queues_twice():
    steps = [Mmap(1024, 1025, file=0, prot=1), Access(1024), Munmap(1024, 1025)]
    short = Kernel(routine="memory_short", arguments=(0, 100_000_000))
    assert [r[2] for r in alpha([*steps, short, Mmap(1024, 1025, file=0, prot=1), Access(1024)], OLD).records(PANIC)] == [
        "mutex vm page queue mutex recursed at msleep (v_free_count)"
    ]


# C15 ------------------------------------------------------------------------------------------------------------------------------


def removed_unlocked(forms, looks=True, pmap="alpha"):
    """A driver frees page 3 of six without the object's lock; a reader looks page 0 up in the middle of it, and all of them later."""
    user = [Mmap(1000, 1006, file=0, prot=1, shared=True), *[Access(1000 + i) for i in range(6)]]
    user[-1].announced = True
    hold = (Hold("vm_page_remove.splayed", for_ns=100_000),)
    driver = [Kernel(routine="page_free_unlocked", arguments=(0, 3), after=((0, 6),), holds=hold, cpu=1, announced=True)]
    reader = [Mmap(1000, 1006, file=0, prot=1, shared=True, cpu=2), *([Access(1000, after=((0, 6),), delay_ns=20_000)] if looks else [])]
    reader += [Think(for_ns=1, after=((1, 0),)), *[Access(1001 + i) for i in range(5)]]
    again = [Munmap(1000, 1006), Mmap(1000, 1006, file=0, prot=1, shared=True), Access(1000)]
    return run(workload(user, driver, [*reader, *again], files=(LIB,)), forms=forms, pmap=pmap, cpus=3)


def tree_of(done):
    return [record[1:] for head, _, records in done.entries for record in records if record[0] == OBJECT_TREE and head[3] == "object.1"]


def test_a_lookup_in_the_middle_of_an_unlocked_removal_loses_pages_of_which_a_fault_makes_seconds():
    done = removed_unlocked({"C15": "exempt"})
    resident, reachable = tree_of(done)[0]
    assert resident == 5 > reachable
    assert "I-UNIQUE" in judged(done).names
    assert objects(done)["object.1"].hidden


def test_without_the_lookup_nothing_is_lost():
    done = removed_unlocked({"C15": "exempt"}, looks=False)
    assert tree_of(done)[0] == (5, 5)
    assert judged(done).names <= {"I-LOCKSET", "I-REMOVE-OBJ"}, "only those that ask for the lock"


@pytest.mark.parametrize("pmap", ["alpha", "amd64"])
def test_an_unlocked_removal_is_asserted_before_anything_is_done(pmap):
    done = removed_unlocked(None, pmap=pmap)
    assert [record[2] for record in done.records(PANIC)] == ["mutex vm object not owned at vm_page_remove (object.1)"]
    assert judged(done).violations == []
    assert not done.records(PAGE_RELEASE)
