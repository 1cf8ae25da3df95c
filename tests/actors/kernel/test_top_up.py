"""The top-up of the free list: which pages, in which order, and the window of the old form (vm-facts 3.11; C28)."""

from __future__ import annotations

import pytest

from actors.homes.page_queues import PageQueues
from protocol.messages.pages import Bind, Deactivate, MakeCache
from protocol.messages.queues import CacheRover, NextAfter
from protocol.pages import CACHE
from protocol.records import FREE_PUT, LOCK_FAIL, PAGE_BUSY, PANIC, PEEK
from protocol.workload import File, Hold, Inject, Kernel, Think
from tests.actors.fake_port import Bench
from tests.actors.machine_audit import ends_well
from tests.actors.machine_kit import all_done, run, step_words, workload

DATA, OTHER = File("data", 128), File("other", 64)
DROP = ("task.step", "task.end", "compute", "switch", "object.valid", "page.flags", "object.tree", "pmap.active", "free.counts")


def cached(file, *pindexes):
    return tuple(Inject("file-page", {"file": file, "pindex": pindex, "queue": "cache"}) for pindex in pindexes)


def short(frames):
    return Kernel(routine="memory_short", arguments=(-frames, 1_000_000))


TOP_UP = Kernel(routine="pageout_top_up")


def freed(done):
    return [record[1] for record in done.records(FREE_PUT)]


def topped(*steps, inject, others=(), forms=None):
    return run(workload([*steps, TOP_UP, Think(for_ns=100)], *others, files=(DATA, OTHER), inject=inject), frames=200, forms=forms)


def test_of_cache_the_list_of_one_colour_alone():
    b = Bench(PageQueues(name="pq", colours=4))
    b.lock()
    for frame in (5, 9, 2, 13):
        b.ask(Bind(frame, "object.1", frame))
        b.ask(Deactivate(frame))
        b.ask(MakeCache(frame))
    found, after = [], 0
    while row := b.ask(NextAfter(CACHE, after, 1)):
        after = row[0]
        found.append(after)
    assert found == [5, 9, 13]
    assert b.ask(NextAfter(CACHE, 0, 2))[0] == 2 and b.ask(NextAfter(CACHE, 0, 3)) is None


def test_the_rover_is_remembered():
    b = Bench(PageQueues(name="pq", colours=4))
    b.lock()
    assert [b.ask(CacheRover()), b.ask(CacheRover(3)), b.ask(CacheRover())] == [0, 3, 3]


def test_colours_are_taken_in_turn_until_the_reserve_is_there():
    done = ends_well(topped(short(3), inject=cached(0, 7, 14, 21, 28, 39)))
    assert freed(done) == [7, 14, 21]


def test_the_next_pass_goes_on_where_this_one_stopped():
    done = ends_well(topped(short(1), TOP_UP, short(1), inject=cached(0, 7, 14)))
    assert freed(done) == [7, 14]


def test_with_enough_memory_nothing_is_freed():
    assert freed(ends_well(topped(inject=cached(0, 7)))) == []


def test_it_ends_when_no_page_can_be_had():
    assert freed(ends_well(topped(short(3), inject=cached(0, 7)))) == [7]
    assert freed(ends_well(topped(short(3), inject=()))) == []


def test_a_page_whose_object_is_locked_is_passed_over():
    holder = [Kernel(routine="object_hold", arguments=(0,), cpu=1, holds=(Hold("object_hold.locked", for_ns=60_000),))]
    wait = Think(for_ns=20_000)
    done = topped(wait, short(2), inject=(*cached(0, 7, 14), *cached(1, 6, 20)), others=(holder,))
    assert all_done(done)
    assert freed(done) == [39, 21], "frame 39 stands behind frame 7 in its colour"
    assert len(done.records(LOCK_FAIL)) == 2


ORDER = {
    "trylock": ["enter", "+pq", "peek", "peek", "+obj", "object.remove", "+vi", "-vi", "page.queue", "page.release", "+fq", "-fq"],
    "window": ["enter", "+pq", "peek", "peek", "unguarded", "page.busy", "-pq", "peek", "+obj", "+pq"],
}


@pytest.mark.parametrize("form", ORDER)
def test_the_steps(form):
    done = topped(short(1), inject=cached(0, 7), forms={"C28": form})
    assert all_done(done)
    found = [word for word in step_words(done, 1, drop=DROP) if word not in ("vnode.hold", "free.withhold")]
    assert found[: len(ORDER[form])] == ORDER[form]
    assert bool(done.records(PAGE_BUSY)) is (form == "window")


def held(until):
    return Kernel(routine="pageout_top_up", holds=(Hold("vm_pageout_scan.window", task=1, index=until),))


def test_a_page_freed_in_the_window_names_no_object_any_more():
    victim = [Kernel(routine="page_io_done", arguments=(0, 7, True), delay_ns=30_000, announced=True, cpu=1)]
    work = workload([short(1), held(0)], victim, files=(DATA,), inject=cached(0, 7))
    done = run(work, frames=200, forms={"C28": "window"})
    assert "the lock of the NULL object" in done.records(PANIC)[0][2]
    assert len(done.records(PEEK)) == 3
