"""Pages that I/O reads: who tests the count under which guard, and who may not free such a page (vm-facts 3.2, 3.5; C05, C17, C26)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.page_io import vm_page_io_finish, vm_page_io_start
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.pages import CACHE, INACTIVE, NONE
from protocol.records import PAGE_QUEUE, PANIC, SLEEP
from protocol.workload import File, Hold, Inject, Kernel, Think
from tests.actors.machine_audit import objects
from tests.actors.machine_kit import all_done, judged, run, workload

FILE = File("data", 8)


def resident(pindex, **of):
    return Inject("file-page", {"file": 0, "pindex": pindex, **of})


def io(word):
    return Kernel(routine=f"page_io_{word}", arguments=(0, 3))


@pytest.mark.parametrize("form", ["pq", "both-asserted", "object"])
def test_a_truncation_believes_the_count_that_it_reads_under_its_guard(form, monkeypatch):
    """The write-out ends while the truncation, which has seen it under the object's lock, waits for the page queues."""

    async def keep(k):
        await k.acquire(PAGE_QUEUES)
        await k.compute("keep the page queues", 50_000)
        await k.release(PAGE_QUEUES)
        return "ok"

    async def write(k):
        await k.acquire("object.1")
        await k.acquire(PAGE_QUEUES)
        frame = (await k.call("object.1", Lookup(3)))[0]
        await vm_page_io_start(k, "object.1", 3)
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        await k.compute("the disk writes", 20_000)
        if form != "pq":
            await k.acquire("object.1")
        await k.acquire(PAGE_QUEUES)
        await vm_page_io_finish(k, "object.1", 3, frame)
        await k.release(PAGE_QUEUES)
        if form != "pq":
            await k.release("object.1")
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "keep", keep)
    monkeypatch.setitem(step.SCRIPTED, "write", write)
    truncater = [Think(30_000, cpu=1), Kernel(routine="file_truncate", arguments=(0, 3))]
    tasks = ([Kernel(routine="write")], truncater, [Think(10_000, cpu=2), Kernel(routine="keep")])
    done = run(workload(*tasks, files=(FILE,), inject=(resident(3),)), forms={"C05": form}, cpus=3)
    assert all_done(done) and not judged(done).violations
    assert objects(done)["object.1"].pages == {}


@pytest.mark.parametrize(("form", "lookups"), [("generation-check", 2), ("relookup", 3)])
def test_a_grab_that_wakes_to_a_page_under_io_sleeps_again(form, lookups):
    """C26 old: while the object is what it was and the page busy, hard or soft, it is not looked up again between two sleeps."""
    read, written = (Kernel(routine=name, arguments=(0, 3)) for name in ("page_busy", "page_io_done"))
    begun = io("start")
    begun.announced = True
    io_steps = [read, Think(20_000), written, begun, Think(20_000), io("finish")]
    held = Hold("vm_page_grab.woken", task=0, index=3)
    grab = Kernel(routine="page_grab", arguments=(0, 3), holds=[held])
    done = run(workload(io_steps, [Think(10_000, cpu=1), grab], files=(FILE,), inject=(resident(3),)), forms={"C26": form})
    assert all_done(done)
    assert len([record for record in done.records(SLEEP) if record[1] == 1]) == 2
    asked = [head for head, word, _ in done.entries if (head[3], head[4], word) == ("object.1", "cpu.1", "object.lookup")]
    assert len(asked) == lookups


def taken_from_the_cache(*revert):
    """Memory is short, and the first cached page is being written."""
    short = Kernel(routine="memory_short", arguments=(0, 10_000_000))
    steps = [io("start"), short, Kernel(routine="page_alloc", arguments=(0, 7))]
    pages = (resident(3, queue="cache"), resident(4, queue="cache"))
    return run(workload(steps, files=(FILE,), inject=pages), revert=revert, colours=1)


def test_a_cached_page_under_io_was_deactivated_and_the_next_one_taken():
    done = taken_from_the_cache("C17")
    assert all_done(done)
    assert 3 in objects(done)["object.1"].pages and 4 not in objects(done)["object.1"].pages
    moves = [record[2:] for record in done.records(PAGE_QUEUE)]
    assert moves[-2:] == [(CACHE, INACTIVE), (CACHE, NONE)]


def test_a_cached_page_under_io_is_the_kernels_panic_now():
    done = taken_from_the_cache()
    assert [record[2] for record in done.records(PANIC)] == ["vm_page_free: freeing busy page"]
    assert 3 in objects(done)["object.1"].pages
