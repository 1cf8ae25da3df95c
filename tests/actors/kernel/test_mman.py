"""mmap, munmap, mprotect, madvise, brk and mremap: what they leave in the map, the objects and the page table."""

from __future__ import annotations

import pytest

from protocol.faults import Fault, When
from protocol.messages.space import ENTRY_COW, ENTRY_NEEDS_COPY, ENTRY_SHARED
from protocol.pages import OBJT_DEAD, PTE_RW
from protocol.records import EXPECTED, MAP_ADD, OBJECT_REMOVE
from protocol.workload import Access, Brk, Exit, File, Fork, Madvise, Mmap, Mprotect, Mremap, Munmap, Think
from tests.actors.machine_audit import ends_well, free_lists, maps, objects, pmaps, queues
from tests.actors.machine_kit import outcomes, run, workload

LIB = File("lib", 16)


def writes(first, last):
    return [Access(vpn, write=True) for vpn in range(first, last)]


def done_with(*steps, files=(), **of):
    return ends_well(run(workload(list(steps), files=files), **of))


def rows(done, space=0):
    return [(start, end) for start, end, *_ in maps(done)[f"map.{space}"].rows]


def resident(done):
    """Page indices resident in each anonymous object that has any."""
    return {name: sorted(obj.pages) for name, obj in objects(done).items() if obj.pages and name != "object.1"}


# mmap -------------------------------------------------------------------------------------------------------------------------


def test_a_fixed_mapping_replaces_the_middle_of_another_and_frees_just_those_pages():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Mmap(1003, 1006), Access(1004, write=True))
    assert rows(done) == [(1000, 1003), (1003, 1006), (1006, 1010)]
    assert resident(done) == {"object.1.cpu.0": [0, 1, 2, 6, 7, 8, 9], "object.2.cpu.0": [1]}
    assert objects(done)["object.1.cpu.0"].refs == 2
    assert outcomes(done) == ["zero-fill"] * 11


def test_a_mapping_the_kernel_places_lies_beside_others():
    done = done_with(Mmap(-1, 8), Mmap(-1, 4))
    (start, end), (after, _) = rows(done)
    assert (end - start, after) == (8, end)


def test_a_hint_that_is_taken_is_not_followed_and_one_that_is_free_is():
    done = done_with(Mmap(1000, 1010), Mmap(1005, 1009, fixed=False), Mmap(2000, 2003, fixed=False), Access(1010, write=True))
    assert rows(done) == [(1000, 1010), (1010, 1014), (2000, 2003)]


def test_a_private_file_mapping_is_copy_on_write_and_a_shared_one_is_not():
    done = done_with(
        Mmap(1000, 1004, file=0), Mmap(2000, 2004, file=0, shared=True), *writes(1000, 1001), *writes(2001, 2002), files=(LIB,)
    )
    flags = {row[0]: row[5] for row in maps(done)["map.0"].rows}
    assert flags == {1000: ENTRY_COW, 2000: ENTRY_SHARED}
    assert outcomes(done) == ["cow", "soft"]
    assert sorted(objects(done)["object.1"].pages) == [0, 1]
    assert objects(done)["object.1"].refs == 3


def test_a_private_file_page_that_is_only_read_is_the_files_own_and_not_writable():
    done = done_with(Mmap(1000, 1004, file=0), Access(1002), files=(LIB,))
    assert maps(done)["map.0"].rows[0][5] == ENTRY_COW | ENTRY_NEEDS_COPY
    (frame, bits) = pmaps(done)["pmap.0"].ptes[1002]
    assert frame == objects(done)["object.1"].pages[2][0]
    assert not bits & PTE_RW


def test_shared_anonymous_memory_has_its_object_at_once_and_a_fork_shares_it():
    first = [Mmap(1000, 1004, shared=True), Fork(1, "fork"), Access(1001, write=True), Think(for_ns=100_000)]
    child = [Access(1001, write=True, delay_ns=50_000), Access(1002, write=True)]
    done = ends_well(run(workload(first, child, parents=(-1, 0))))
    (obj,) = [obj for name, obj in objects(done).items() if obj.pages]
    assert (obj.refs, sorted(obj.pages)) == (2, [1, 2])
    assert outcomes(done) == ["zero-fill", "soft", "zero-fill"]


def test_populate_makes_every_page_present():
    done = done_with(
        Mmap(1000, 1005, populate=True), Access(1003, write=True), Mmap(2000, 2003, file=0, prot=1, populate=True), files=(LIB,)
    )
    assert len(pmaps(done)["pmap.0"].ptes) == 8
    assert outcomes(done) == ["zero-fill"] * 5 + ["soft"] * 3


# munmap -----------------------------------------------------------------------------------------------------------------------


def test_munmap_of_a_middle_clips_and_frees_just_those_pages():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Munmap(1004, 1007))
    assert rows(done) == [(1000, 1004), (1007, 1010)]
    assert resident(done) == {"object.1.cpu.0": [0, 1, 2, 3, 7, 8, 9]}
    assert objects(done)["object.1.cpu.0"].refs == 2
    assert sorted(record[1] for record in done.records(OBJECT_REMOVE)) == [4, 5, 6]


def test_munmap_of_both_pieces_ends_the_object():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Munmap(1004, 1007), Munmap(1000, 1010))
    obj = objects(done)["object.1.cpu.0"]
    assert (obj.type, obj.refs, obj.pages) == (OBJT_DEAD, 0, {})
    assert len(queues(done).pages) == 0, "page-table pages went with the last mapping"


def test_munmap_of_a_part_leaves_pages_that_another_space_may_want():
    first = [Mmap(1000, 1004), *writes(1000, 1004), Fork(1, "fork"), Munmap(1001, 1002, delay_ns=20_000), Think(for_ns=100_000)]
    child = [Access(1001, delay_ns=60_000, expect="hit"), Madvise(1001, 1002, "drop"), Access(1001, expect="soft")]
    done = ends_well(run(workload(first, child, parents=(-1, 0))))
    assert [record[3] == record[4] for record in done.records(EXPECTED)] == [True, True], "the child still finds the parent's page"


def test_munmap_of_nothing_is_no_error():
    assert rows(done_with(Munmap(1000, 2000), Mmap(1, 3), Munmap(5, 9))) == [(1, 3)]


# mprotect ---------------------------------------------------------------------------------------------------------------------


def test_mprotect_splits_the_entry_and_counts_a_reference_for_each_piece():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Mprotect(1003, 1006, 1), Access(1004), Access(1004, write=True))
    assert [(row[0], row[1], row[4]) for row in maps(done)["map.0"].rows] == [(1000, 1003, 3), (1003, 1006, 1), (1006, 1010, 3)]
    assert objects(done)["object.1.cpu.0"].refs == 3
    writable = {vpn for vpn, (_, bits) in pmaps(done)["pmap.0"].ptes.items() if bits & PTE_RW}
    assert writable == set(range(1000, 1010)) - {1003, 1004, 1005}


def test_mprotect_to_nothing_unmaps_and_keeps_the_pages():
    steps = [
        Mmap(1000, 1004),
        *writes(1000, 1004),
        Mprotect(1000, 1002, 0),
        Access(1000),
        Mprotect(1000, 1002, 3),
        Access(1000, write=True),
    ]
    done = done_with(*steps)
    assert outcomes(done) == ["zero-fill"] * 4 + ["soft"]
    assert resident(done) == {"object.1.cpu.0": [0, 1, 2, 3]}


def test_rights_given_back_come_with_the_next_fault():
    done = done_with(Mmap(1000, 1002), *writes(1000, 1001), Mprotect(1000, 1002, 1), Mprotect(1000, 1002, 3), Access(1000, write=True))
    assert outcomes(done) == ["zero-fill", "soft"]


# madvise ----------------------------------------------------------------------------------------------------------------------


def test_drop_frees_the_pages_of_memory_that_is_only_this_entrys():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Madvise(1002, 1005, "drop"), Access(1003, write=True))
    assert resident(done) == {"object.1.cpu.0": [0, 1, 3, 5, 6, 7, 8, 9]}
    assert outcomes(done)[-1] == "zero-fill"


@pytest.mark.parametrize("mapping", [Mmap(1000, 1010, file=0, shared=True), Mmap(1000, 1010, file=0, prot=1)])
def test_drop_only_unmaps_the_pages_of_a_file(mapping):
    done = done_with(mapping, Access(1003), Madvise(1000, 1010, "drop"), Access(1003), files=(LIB,))
    assert outcomes(done) == ["soft", "soft"]
    assert sorted(objects(done)["object.1"].pages) == [3]


def test_drop_only_unmaps_memory_that_a_child_shares():
    first = [Mmap(1000, 1004), *writes(1000, 1004), Fork(1, "fork"), Madvise(1000, 1004, "drop", delay_ns=20_000), Think(for_ns=100_000)]
    done = ends_well(run(workload(first, [Access(1001, delay_ns=60_000)], parents=(-1, 0))))
    assert resident(done) == {"object.1.cpu.0": [0, 1, 2, 3]}


def test_drop_removes_a_mapping_that_a_fault_made_after_the_range_was_unmapped():
    """The map is only shared: between pmap_remove and the object's lock another thread can map a page of the range."""
    first = [Mmap(1000, 1010), *writes(1000, 1001), Fork(1, "thread"), Madvise(1000, 1004, "drop", at_ns=200_000)]
    late = Fault("late", "delay", When(kind="lock-request", to="object.*", sender="cpu.0", from_ns=200_000), delay_ns=20_000)
    done = ends_well(
        run(workload(first, [Think(for_ns=1, cpu=1), Access(1001, write=True, at_ns=200_500)], parents=(-1, 0)), faults=(late,))
    )
    assert outcomes(done) == ["zero-fill", "zero-fill"]
    assert resident(done) == {}


# brk and mremap ---------------------------------------------------------------------------------------------------------------


def test_brk_grows_and_shrinks():
    done = done_with(Brk(2000, 2008), *writes(2000, 2008), Brk(2008, 2002), Brk(2002, 2002), Brk(2002, 2004), Access(2003, write=True))
    assert rows(done) == [(2000, 2002), (2002, 2004)]
    assert outcomes(done) == ["zero-fill"] * 9
    assert resident(done) == {"object.1.cpu.0": [0, 1], "object.2.cpu.0": [1]}


def test_mremap_moves_the_pages_with_their_object():
    done = done_with(Mmap(1000, 1004), *writes(1000, 1004), Mremap(1000, 1004, 3000, 3004), Access(3002, write=True), Access(1002))
    assert rows(done) == [(3000, 3004)]
    assert outcomes(done) == ["zero-fill"] * 4 + ["soft"]
    assert objects(done)["object.1.cpu.0"].refs == 1


def test_mremap_grows_with_anonymous_pages_and_shrinks_by_freeing_them():
    done = done_with(
        Mmap(1000, 1004), *writes(1000, 1004), Mremap(1000, 1004, 1000, 1006), *writes(1004, 1006), Mremap(1000, 1006, 1000, 1002)
    )
    assert rows(done) == [(1000, 1002)]
    assert resident(done) == {"object.1.cpu.0": [0, 1]}


def test_mremap_of_a_middle_leaves_both_ends_and_every_piece_refers_to_the_object():
    done = done_with(Mmap(1000, 1010), *writes(1000, 1010), Mremap(1003, 1006, 3000, 3003), Access(3001), Munmap(3000, 3003))
    assert rows(done) == [(1000, 1003), (1006, 1010)]
    assert objects(done)["object.1.cpu.0"].refs == 2


def test_mremap_onto_a_mapping_replaces_it():
    done = done_with(
        Mmap(1000, 1002), *writes(1000, 1002), Mmap(3000, 3004), *writes(3000, 3004), Mremap(1000, 1002, 3001, 3003), Access(3001)
    )
    assert rows(done) == [(3000, 3001), (3001, 3003), (3003, 3004)]
    assert resident(done) == {"object.1.cpu.0": [0, 1], "object.2.cpu.0": [0, 3]}
    assert [record[1] for record in done.records(MAP_ADD)] == [1000, 3000, 3001]


def test_everything_unmapped_gives_every_frame_back():
    done = done_with(Mmap(1000, 1300, populate=True), Brk(5000, 5010), *writes(5000, 5010), Munmap(0, 10_000), Exit())
    assert free_lists(done).free == free_lists(done).frames
