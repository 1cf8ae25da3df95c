"""fork, vfork, threads, exec and exit: who shares what with whom, who waits for whom, and what is left (vm-facts 3.14, 3.16)."""

from __future__ import annotations

import pytest

from protocol.pages import OBJT_VNODE, PTE_RW
from protocol.records import ENTER, EXPECTED, LEAVE, MAP_ADD, SHOOT_BEGIN, STORE, TASK_END, TASK_FORK, TASK_STEP
from protocol.workload import Access, Exec, Exit, File, Fork, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well, free_lists, maps, objects, pmaps, queues
from tests.actors.machine_kit import outcomes, run, workload

LIB = File("lib", 16)
LATER = Think(for_ns=300_000)
IMAGE = Exec(((10, 14, 5, 0, 0, False), (20, 24, 3, -1, 0, True)))


def family(*tasks, parents, files=(LIB,), **of):
    return ends_well(run(workload(*tasks, parents=(-1, *parents), files=files), **of))


def stores(done):
    """(thread, frame) of each store to page 1000."""
    return [(record[1], record[4]) for record in done.records(STORE) if record[3] == 1000]


# Copy on write ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_to_write", [0, 1], ids=["parent", "child"])
def test_after_a_fork_each_writes_to_its_own_copy(first_to_write):
    late = 50_000
    parent = [
        Mmap(1000, 1004),
        Access(1000, write=True),
        Fork(1, "fork"),
        Access(1000, write=True, delay_ns=10_000 + late * first_to_write),
        LATER,
    ]
    child = [Access(1000, write=True, delay_ns=10_000 + late * (1 - first_to_write)), LATER]
    done = family(parent, child, parents=(0,))
    frames = [frame for _, frame in stores(done)]
    assert len(stores(done)) == 3
    assert frames[1] != frames[0], "the first to write gets a copy"
    assert outcomes(done) == ["zero-fill", "cow", "cow"]
    (mine, yours) = (pmaps(done)[name].ptes[1000][0] for name in ("pmap.0", "pmap.1.cpu.0"))
    assert mine != yours


def test_a_fork_takes_write_access_from_every_private_entry_and_shoots_each_down():
    parent = [Mmap(1000, 1004), Access(1000, write=True), Mmap(2000, 2004), Access(2000, write=True), Fork(1, "fork"), LATER]
    done = family(parent, [LATER], parents=(0,))
    assert not any(bits & PTE_RW for _, bits in pmaps(done)["pmap.0"].ptes.values())
    assert len(done.records(SHOOT_BEGIN)) == 2


def test_reading_after_a_fork_shares_the_page():
    done = family([Mmap(1000, 1004), Access(1000, write=True), Fork(1, "fork"), LATER], [Access(1000), LATER], parents=(0,))
    assert pmaps(done)["pmap.0"].ptes[1000][0] == pmaps(done)["pmap.1.cpu.0"].ptes[1000][0]
    assert outcomes(done) == ["zero-fill"], "fork has copied the mapping"


def test_when_the_child_is_gone_the_parent_takes_its_page_back_without_a_copy():
    steps = [Mmap(1000, 1004), Access(1000, write=True), Fork(1, "fork"), Access(1000, write=True, delay_ns=200_000)]
    done = family(steps, [Exit()], parents=(0,))
    before, after = (frame for _, frame in stores(done))
    assert before == after
    assert objects(done)["object.1.cpu.0"].refs == 1


def test_memory_that_nobody_touched_before_the_fork_is_each_ones_own():
    done = family([Mmap(1000, 1004), Fork(1, "fork"), Access(1000, write=True), LATER], [Access(1000, write=True), LATER], parents=(0,))
    assert outcomes(done) == ["zero-fill"] * 2
    assert all(obj.refs == 1 for obj in objects(done).values())


def test_grandchildren_find_the_page_through_two_shadows():
    parent = [Mmap(1000, 1004), Access(1000, write=True), Access(1001, write=True), Fork(1, "fork"), LATER]
    child = [Access(1000, write=True), Fork(2, "fork"), LATER]
    grandchild = [Access(1000), Access(1001), Access(1001, write=True), LATER]
    done = family(parent, child, grandchild, parents=(0, 1))
    assert outcomes(done) == ["zero-fill", "zero-fill", "cow", "cow"]


# Sharing and waiting ------------------------------------------------------------------------------------------------------------


def times(done, number, subject):
    return [head[0] for head, _, records in done.entries for record in records if record[0] == number and record[1] == subject]


@pytest.mark.parametrize("leaves", [IMAGE, Exit()], ids=["exec", "exit"])
def test_vfork_waits_until_the_child_leaves_the_space(leaves):
    parent = [Mmap(1000, 1004), Access(1000, write=True), Fork(1, "vfork"), Access(1000, write=True)]
    child = [Think(for_ns=50_000, cpu=1), Access(1001, write=True), leaves, *([] if isinstance(leaves, Exit) else [LATER])]
    done = family(parent, child, parents=(0,))
    gone = times(done, TASK_STEP, 1)[2]
    assert times(done, TASK_STEP, 0)[3] > gone > 50_000
    assert outcomes(done)[:2] == ["zero-fill", "zero-fill"]
    assert not [record for record in done.records(SHOOT_BEGIN) if record[4] != record[3]], "vfork protects nothing"
    assert stores(done)[0][1] == stores(done)[1][1]


def test_vfork_of_a_child_that_does_nothing_does_not_wait():
    done = family([Mmap(1000, 1004), Fork(1, "vfork"), Access(1000, write=True)], [], parents=(0,))
    assert [record[1:] for record in done.records(TASK_FORK)] == [(0, 1, "vfork")]


def test_a_thread_shares_the_space_and_the_last_one_out_tears_it_down():
    first = [Mmap(1000, 1004), Access(1000, write=True), Fork(1, "thread"), Exit()]
    second = [Access(1000, write=True, delay_ns=50_000, cpu=1), Munmap(1002, 1003), Exit()]
    done = family(first, second, parents=(0,))
    assert sorted(maps(done)) == ["map.0", "map.kernel"]
    assert maps(done)["map.0"].users == 0
    assert stores(done)[0][1] == stores(done)[1][1]
    assert free_lists(done).free == free_lists(done).frames


# exec and exit ----------------------------------------------------------------------------------------------------------------


def test_exec_leaves_the_old_space_and_begins_with_the_image():
    done = family(
        [Mmap(1000, 1004), Access(1000, write=True), IMAGE, Access(11), Access(21, write=True), Access(1000, expect="segv")], parents=()
    )
    assert [record[4] for record in done.records(EXPECTED)] == ["segv"]
    assert maps(done)["map.0"].rows == []
    assert [(row[0], row[1]) for row in maps(done)["map.1.cpu.0"].rows] == [(10, 14), (20, 24)]
    assert done.actors["cpu.0"].loaded == "pmap.1.cpu.0"
    assert len(pmaps(done)["pmap.0"].ptes) == 0


def test_exec_in_a_shared_space_leaves_it_to_the_other():
    first = [Mmap(1000, 1004), Access(1000, write=True), Fork(1, "thread"), IMAGE, Access(21, write=True)]
    second = [Access(1000, write=True, delay_ns=100_000)]
    done = family(first, second, parents=(0,))
    assert maps(done)["map.0"].users == 1
    assert stores(done)[0][1] == stores(done)[1][1]


def test_mappings_of_an_image_that_lie_on_one_another_are_replaced_in_order():
    image = Exec(((10, 20, 1, 0, 0, False), (12, 14, 3, 0, 2, False), (13, 16, 3, -1, 0, False)))
    done = family([image, Access(12, write=True), Access(15, write=True)], parents=())
    assert [(row[0], row[1]) for row in maps(done)["map.1.cpu.0"].rows] == [(10, 12), (12, 13), (13, 16), (16, 20)]


def test_exit_of_everybody_gives_back_all_but_the_files_pages():
    first = [
        Mmap(1000, 1300, populate=True),
        Mmap(5000, 5010, file=0),
        Access(5000),
        Access(5001, write=True),
        Fork(1, "fork"),
        Fork(2, "thread"),
        Exit(),
    ]
    child = [*[Access(1000 + i, write=True) for i in range(20)], IMAGE, Access(21, write=True), Exit()]
    thread = [Access(5002, write=True, cpu=1), Mmap(-1, 4, shared=True), Fork(3, "fork"), Exit()]
    last = [Access(5002), Exit()]
    done = family(first, child, thread, last, parents=(0, 0, 2))
    files = sum(len(obj.pages) for obj in objects(done).values() if obj.type == OBJT_VNODE)
    assert files > 0
    assert free_lists(done).free + files == free_lists(done).frames
    assert all(not obj.pages for obj in objects(done).values() if obj.type != OBJT_VNODE)
    assert sorted(record[1] for record in done.records(TASK_END)) == [0, 1, 2, 3]


def test_a_space_of_many_entries_is_torn_down_in_steps():
    entries = [Mmap(1000 + 10 * i, 1004 + 10 * i) for i in range(40)]
    done = family([*entries, *[Access(1000 + 10 * i, write=True) for i in range(0, 40, 3)], Exit()], parents=())
    assert maps(done)["map.0"].rows == []
    assert len(queues(done).pages) == 0


def test_a_fork_of_many_entries_copies_them_all():
    entries = [Mmap(1000 + 10 * i, 1004 + 10 * i, shared=i % 3 == 0) for i in range(130)]
    done = family([*entries, Fork(1, "fork"), LATER], [LATER], parents=(0,))
    mine, yours = maps(done)["map.0"].rows, maps(done)["map.1.cpu.0"].rows
    assert [(row[0], row[1]) for row in mine] == [(row[0], row[1]) for row in yours]
    assert len(done.records(MAP_ADD)) == 260


def test_every_routine_that_begins_ends():
    done = family([Mmap(1000, 1004), Fork(1, "fork"), Fork(2, "vfork"), Exit()], [Exit()], [IMAGE, Exit()], parents=(0, 0))
    begun, ended = (sorted(str(record[2]) for record in done.records(number)) for number in (ENTER, LEAVE))
    assert begun == ended
