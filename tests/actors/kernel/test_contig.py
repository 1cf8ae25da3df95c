"""contigmalloc: the order of its steps in each form, what it finds, and that what it gives is given back whole (vm-facts 3.12)."""

from __future__ import annotations

import pytest

from actors.kernel.contig_scan import Want, first_fit, merged, without
from protocol.locks import class_of
from protocol.pages import CLASS_CONTIG, UNMANAGED
from protocol.records import ENTER, EXPECTED, FRAME_ZERO, FREE_TAKE, LOCK_FAIL, PAGE_BIND, UNGUARDED
from protocol.workload import Access, File, Hold, Inject, Kernel, Mmap, Think
from tests.actors.machine_audit import ends_well, free_lists, maps, objects, queues
from tests.actors.machine_kit import all_done, judged, run, step_words, workload

ONE = File("one", 64)
DROP = ("task.step", "task.end", "compute", "switch", "object.valid", "page.flags", "object.tree", "pmap.active")


def alloc(pages, *more, **step):
    return Kernel(routine="contig_alloc", arguments=(pages, *more), **step)


def cached(*pindexes):
    return tuple(Inject("file-page", {"file": 0, "pindex": pindex, "queue": "cache"}) for pindex in pindexes)


def outcome(done):
    return [record[4] for record in done.records(EXPECTED)]


# Which run ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("want", "spans", "found"),
    [
        (Want(3, 1, 100), ((1, 2), (5, 9)), 5),
        (Want(3, 6, 100), ((1, 9),), 6),
        (Want(3, 1, 7), ((5, 9),), 0),
        (Want(3, 1, 8), ((5, 9),), 5),
        (Want(2, 1, 100, alignment=4), ((2, 9),), 4),
        (Want(4, 1, 100, boundary=8), ((6, 14),), 8),
        (Want(4, 1, 100, boundary=8), ((6, 10), (20, 23)), 20),
        (Want(16, 1, 100, boundary=16), ((9, 40),), 16),
        (Want(16, 1, 100, boundary=32), ((9, 40),), 9),
        (Want(1, 1, 100), (), 0),
    ],
)
def test_the_first_run_that_fits(want, spans, found):
    first, _, end = first_fit(spans, want, 1, 100)
    assert first == found
    assert end == (found + want.pages if found else 6 if want.high == 7 else 101)


def test_a_place_where_no_run_began_is_not_looked_at_again():
    _, start, _ = first_fit(((1, 2), (5, 6)), Want(3, 1, 100), 1, 100)
    assert start == 7
    assert first_fit(((1, 9),), Want(3, 1, 100), start, 100)[0] == 7


def test_stretches():
    assert merged(((1, 3), (7, 9)), (4, 12)) == ((1, 4), (7, 9), (12, 12))
    assert without(((1, 9), (12, 14)), ((3, 4), (9, 12))) == ((1, 2), (5, 8), (13, 14))
    assert without(((1, 2),), ()) == ((1, 2),)
    assert without((), ((1, 2),)) == ()


# The steps ----------------------------------------------------------------------------------------------------------------------

TAKE_TWO = ["free.take", "free.take", "page.bind", "page.bind"]
TAKE_ONE = ["free.take", "page.bind"]
FREE_CACHED = ["+obj", "+vi", "-vi", "+fq", "-fq", "-obj"]
MAP = ["+map", "+obj", "-obj", "-map", "+obj", "page.rebind", "page.rebind", "-obj", "+pq", "-pq"]
POSTED = (
    "object.refs", "object.insert", "object.remove", "page.wire", "page.queue", "page.release", "free.put", "map.add", "enter", "leave",
    "vnode.hold",
)  # fmt: skip


def steps(revert=(), inject=()):
    done = run(workload([alloc(2, 1, 32), Think(for_ns=100)], files=(ONE,), inject=inject), revert=revert, frames=200)
    assert all_done(done)
    return step_words(done, 0, drop=(*DROP, *POSTED))


def test_the_scan_holds_both_locks_and_the_frames_are_taken_under_the_second():
    assert steps() == ["+pq", "+fq", "-fq", "+fq", *TAKE_TWO, "-fq", "-pq", *MAP]


def test_a_cached_page_is_freed_between_the_scan_and_the_taking_without_the_spin_lock():
    assert steps(inject=cached(2)) == ["+pq", "+fq", "-fq", *FREE_CACHED, "+fq", *TAKE_TWO, "-fq", "-pq", *MAP]


def test_c24_old_scans_without_the_free_queue_lock():
    assert steps(("C24",), cached(2)) == ["+pq", "unguarded", *FREE_CACHED, "+fq", *TAKE_TWO, "-fq", "-pq", *MAP]


def test_c25_old_frees_and_takes_frame_by_frame():
    found = steps(("C25",), cached(2))
    assert found == ["+pq", "+fq", "-fq", "+fq", *TAKE_ONE, "-fq", *FREE_CACHED, "+fq", *TAKE_ONE, "-fq", "-pq", *MAP]


def test_c19_old_keeps_the_spin_lock_from_the_scan_to_the_taking():
    assert steps(("C19",)) == ["+pq", "+fq", *TAKE_TWO, "-fq", "-pq", *MAP]


# What it does -------------------------------------------------------------------------------------------------------------------


def test_memory_is_wired_unmanaged_contiguous_and_comes_back():
    give = Kernel(routine="contig_free", arguments=(0,), expect="ok")
    held = run(workload([alloc(8, 1, 0, 8, 0, expect="ok")]), frames=200)
    kernel = objects(ends_well(held))["object.kernel"]
    frames = [kernel.pages[pindex][0] for pindex in sorted(kernel.pages)]
    assert frames == list(range(8, 16))
    assert {(queues(held).pages[frame].wire, queues(held).pages[frame].flags) for frame in frames} == {(1, UNMANAGED)}
    assert len(maps(held)["map.kernel"].rows) == 1
    freed = ends_well(run(workload([alloc(8, 1, 0, 8, 0), give, alloc(8, 1, 0, 8, 0), alloc(3), give, give]), frames=200))
    assert free_lists(freed).free == 200 and not queues(freed).pages
    assert not objects(freed)["object.kernel"].pages and not maps(freed)["map.kernel"].rows


def test_only_frames_that_are_not_zero_already_are_zeroed():
    done = ends_well(run(workload([alloc(4, 1, 0, 1, 0, False, True), Kernel(routine="contig_free", arguments=(0,))]), frames=200))
    assert len(done.records(FRAME_ZERO)) == 4


def test_pages_in_use_are_stepped_over():
    first = [Mmap(1000, 1004, file=0, prot=1), *[Access(1000 + pindex) for pindex in (1, 2, 3)], alloc(3, 1, 64, expect="ok")]
    done = ends_well(run(workload(first, files=(ONE,)), frames=200))
    taken = [record[1] for record in done.records(FREE_TAKE) if record[3] == CLASS_CONTIG]
    assert len(taken) == 3 and taken[0] > 3


def test_without_a_run_there_is_no_memory_and_nothing_is_lost():
    done = ends_well(run(workload([alloc(40, 1, 32, expect="ENOMEM"), alloc(300, expect="ENOMEM")]), frames=200))
    assert outcome(done) == ["ENOMEM", "ENOMEM"]
    assert free_lists(done).free == 200


def test_withheld_frames_are_not_to_be_had():
    few = (Inject("free-frames", {"frames": 3}),)
    done = ends_well(run(workload([alloc(4, expect="ENOMEM"), alloc(3, expect="ok")], inject=few), frames=200))
    assert free_lists(done).free == 0


def held_object(until):
    holds = (Hold("object_hold.locked", task=1, index=until),)
    return Kernel(routine="object_hold", arguments=(0,), holds=holds)


@pytest.mark.parametrize("revert", [(), ("C25",), ("C24",), ("C24", "C25")])
def test_a_cached_page_whose_object_is_locked_is_stepped_over(revert):
    work = workload([held_object(0)], [alloc(3, delay_ns=20_000, announced=True, cpu=1)], files=(ONE,), inject=cached(2, 3))
    done = run(work, revert=revert, frames=200)
    assert all_done(done)
    taken = [record[1] for record in done.records(FREE_TAKE) if record[3] == CLASS_CONTIG]
    assert taken == ([1, 4, 5, 6] if "C25" in revert else [4, 5, 6]), "the first is the one that is lost"
    assert len(done.records(LOCK_FAIL)) == 3
    assert judged(done).names == {name for change, name in (("C25", "I-CONSERVE"), ("C24", "I-LOCKSET")) if change in revert}


def test_frames_that_are_neither_free_nor_pages_are_noted():
    popped = (Hold("vm_page_alloc.popped", task=1, index=0),)
    taker = [Kernel(routine="page_alloc", arguments=(0, 5), holds=popped)]
    driver = [alloc(10, 1, 20, delay_ns=20_000, announced=True, cpu=1)]
    done = run(workload(taker, driver, files=(ONE,)), revert=("C22",), frames=200)
    assert all_done(done)
    assert {(record[2], record[4]) for record in done.records(UNGUARDED)} == {("page.5", "a page that is free or initialised")}
    assert [record[1] for record in done.records(PAGE_BIND) if not record[2]] == list(range(6, 16))
    clean = run(workload([Kernel(routine="page_alloc", arguments=(0, 5))], driver, files=(ONE,)), frames=200)
    assert not clean.records(UNGUARDED)


def test_the_kernels_object_and_map_are_locks_of_their_own_classes():
    assert class_of("object.kernel").type == "kernel object"
    assert class_of("map.kernel").type == "system map"
    assert class_of("object.7.cpu.3").type == "vm object"
    done = run(workload([alloc(2)]), frames=200)
    assert done.records(ENTER)[0][2] == "contigmalloc"
