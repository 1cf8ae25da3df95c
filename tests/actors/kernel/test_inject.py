"""Initial state that a script asks for: made by the kernel's own steps, recorded as injected, and there before the first task."""

from __future__ import annotations

import pytest

from actors.kernel.inject import BEFORE_TASKS_NS
from protocol.pages import ACTIVE, CACHE, INACTIVE, REFERENCED
from protocol.records import INJECTED, TASK_STEP
from protocol.workload import Access, File, Inject, Mmap, Think
from tests.actors.machine_audit import ends_well, free_lists, objects, queues
from tests.actors.machine_kit import outcomes, run, workload

LIB = File("lib", 16)


def injected(*wanted, steps=None, until_ns=6_000_000, **of):
    return run(workload(steps or [Think(for_ns=10)], files=(LIB,), inject=wanted), until_ns=until_ns, **of)


@pytest.mark.parametrize(("queue", "number"), [("active", ACTIVE), ("inactive", INACTIVE), ("cache", CACHE)])
def test_a_file_page_is_resident_and_valid_on_the_queue_it_was_asked_for(queue, number):
    done = ends_well(injected(Inject("file-page", {"file": 0, "pindex": 3, "queue": queue})))
    (frame, valid, _) = objects(done)["object.1"].pages[3]
    page = queues(done).pages[frame]
    assert (page.queue, bool(page.flags & REFERENCED), page.dirty) == (number, queue == "active", 0)
    assert valid == 0xFF


def test_a_dirty_page_is_dirty():
    done = ends_well(injected(Inject("file-page", {"file": 0, "pindex": 3, "dirty": True})))
    assert queues(done).pages[objects(done)["object.1"].pages[3][0]].dirty == 0xFF


def test_an_injected_page_needs_no_disk():
    page = Inject("file-page", {"file": 0, "pindex": 3})
    done = ends_well(injected(page, steps=[Mmap(1000, 1010, file=0, prot=1), Access(1003, cold=True), Access(1004, cold=True)]))
    assert outcomes(done) == ["soft", "hard"]


@pytest.mark.parametrize("frames", [0, 7, 1024, 5000])
def test_so_many_frames_stay_free(frames):
    done = injected(Inject("free-frames", {"frames": frames}))
    fq = free_lists(done)
    assert fq.free == min(frames, fq.frames)
    assert fq.free + fq.withheld == fq.frames
    assert ends_well(done)


def test_everything_is_there_before_the_first_step_and_says_that_it_was_injected():
    wanted = [Inject("file-page", {"file": 0, "pindex": i}) for i in range(10)]
    done = ends_well(injected(*wanted, Inject("free-frames", {"frames": 40})))
    assert [record[1] for record in done.records(INJECTED)] == ["file-page"] * 10 + ["free-frames"]
    (begun,) = [head[0] for head, _, records in done.entries for record in records if record[0] == TASK_STEP]
    last = max(head[0] for head, _, records in done.entries for record in records if record[0] == INJECTED)
    assert last < BEFORE_TASKS_NS <= begun


def test_a_page_that_cannot_be_had_is_said_so():
    done = injected(Inject("free-frames", {"frames": 0}), Inject("file-page", {"file": 0, "pindex": 3}))
    assert done.actors["cpu.0"].panic_text == "inject: no free page"
