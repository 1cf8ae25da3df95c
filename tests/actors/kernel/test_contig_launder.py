"""Laundering for contigmalloc: what becomes of pages that are in the way, and in which order their locks are taken (vm-facts 3.13; C13)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.contig_launder import vm_contig_launder
from protocol.identity import PAGE_QUEUES
from protocol.messages.queues import Mark
from protocol.pages import CACHE, INACTIVE, OBJT_DEAD
from protocol.records import LOCK_ACQUIRE, LOCK_FAIL, NOTE, OBJECT_REFS, PAGE_QUEUE, PAGER_START, PANIC, PEEK, SLEEP
from protocol.workload import Access, Exit, File, Fork, Hold, Inject, Kernel, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well, objects, queues
from tests.actors.machine_kit import all_done, judged, run, step_words, workload

ONE, TWO = File("one", 64), File("two", 64)
DROP = ("task.step", "task.end", "compute", "switch", "object.valid", "page.flags", "object.tree", "pmap.active", "page.act")


def page(pindex, queue="inactive", dirty=False):
    return Inject("file-page", {"file": 0, "pindex": pindex, "queue": queue, "dirty": dirty})


def alloc(low, high, wait=True, **of):
    return Kernel(routine="contig_alloc", arguments=(high - low, low, high, 1, 0, wait), **of)


def launder(monkeypatch, queue=INACTIVE, setup=None):
    async def once(k):
        await k.acquire(PAGE_QUEUES)
        if setup:
            await k.call(PAGE_QUEUES, setup)
        await k.note(NOTE, str(await vm_contig_launder(k, queue)))
        if setup:
            await k.call(PAGE_QUEUES, Mark(queue, setup.marker))
        await k.release(PAGE_QUEUES)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "once", once)
    return Kernel(routine="once")


def told(done):
    return [record[1] for record in done.records(NOTE)]


@pytest.mark.parametrize("queue", ["inactive", "active"])
def test_clean_pages_in_the_way_are_cached_and_then_taken(queue):
    inject = tuple(page(pindex, queue) for pindex in range(4, 8))
    done = ends_well(run(workload([alloc(4, 8, expect="ok")], files=(ONE,), inject=inject), frames=200))
    assert [record[1] for record in done.records(PAGE_QUEUE) if record[3] == CACHE] == [4, 5, 6, 7]
    assert not done.records(PAGER_START)


def test_who_must_not_wait_launders_nothing():
    done = ends_well(run(workload([alloc(4, 8, False, expect="ENOMEM")], files=(ONE,), inject=(page(5),)), frames=200))
    assert not [record for record in done.records(PAGE_QUEUE) if record[3] == CACHE]


def test_dirty_pages_of_a_file_are_written_under_the_vnodes_lock_and_a_reference():
    inject = tuple(page(pindex, dirty=True) for pindex in (4, 5, 9))
    done = ends_well(run(workload([alloc(4, 6, expect="ok")], files=(ONE,), inject=inject), frames=200))
    assert [record[3:5] for record in done.records(PAGER_START)] == [(4, 2), (9, 1)], "the whole file, in clusters"
    assert [record[1:] for record in done.records(OBJECT_REFS)] == [(1, 2), (2, 1), (1, 2)], "the last is of the kernel's object"
    taken = [record[2] for record in done.records(LOCK_ACQUIRE) if record[1] == 0]
    lock = taken.index("vnlock.1")
    assert taken[lock - 1] == "object.1" and taken[lock + 1] == "object.1"
    assert {record[2] for record in done.records(SLEEP) if record[1] == 0} == {"pip"}


def test_dirty_anonymous_pages_go_to_swap_one_by_one():
    first = [Mmap(1000, 1003), *[Access(1000 + i, write=True) for i in range(3)], alloc(1, 201, expect="ENOMEM"), Exit()]
    done = ends_well(run(workload(first), frames=200, until_ns=20_000_000))
    writes = [record[2:] for record in done.records(PAGER_START)]
    assert {(name, count) for name, _, count in writes} == {("object.1.cpu.0", 1)}


def test_a_page_whose_object_is_locked_is_passed_over(monkeypatch):
    holder = [Kernel(routine="object_hold", arguments=(0,), holds=(Hold("object_hold.locked", for_ns=50_000),))]
    once = launder(monkeypatch)
    once.delay_ns, once.cpu = 20_000, 1
    inject = (page(4), Inject("file-page", {"file": 1, "pindex": 9, "queue": "inactive"}))
    done = ends_well(run(workload(holder, [once], files=(ONE, TWO), inject=inject), frames=200))
    assert told(done) == ["True"] and len(done.records(LOCK_FAIL)) == 1
    assert queues(done).pages[4].queue == INACTIVE
    assert queues(done).pages[10].queue == CACHE


def test_markers_are_passed_over(monkeypatch):
    once = launder(monkeypatch, setup=Mark(INACTIVE, -2, 4))
    done = ends_well(run(workload([once], files=(ONE,), inject=(page(4), page(5))), frames=200))
    assert told(done) == ["True"]


def test_nothing_to_launder(monkeypatch):
    assert told(ends_well(run(workload([launder(monkeypatch)])))) == ["False"]


def test_a_held_page_is_left_alone_and_counts_as_done(monkeypatch):
    from protocol.messages.pages import Hold as HoldPage

    async def hold(k):
        await k.acquire(PAGE_QUEUES)
        await k.call(PAGE_QUEUES, HoldPage(4, 1))
        await k.release(PAGE_QUEUES)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "hold", hold)
    done = run(workload([Kernel(routine="hold"), launder(monkeypatch)], files=(ONE,), inject=(page(4),)), frames=200)
    assert told(done) == ["True"] and queues(done).pages[4].queue == INACTIVE


# The order ----------------------------------------------------------------------------------------------------------------------

BUSY = Kernel(routine="page_busy", arguments=(0, 5), announced=True)
IO_DONE = Kernel(routine="page_io_done", arguments=(0, 5, False), delay_ns=100_000)


def waiting(form, *after):
    """A launderer sleeps on a busy page, which then goes through ``after``."""
    steps = [BUSY, IO_DONE, *after, Think(for_ns=100, announced=True)]
    driver = [alloc(5, 6, after=((0, 0),), cpu=1, holds=(Hold("vm_page_sleep_if_busy.woken", task=0, index=len(steps) - 1),))]
    return run(workload(steps, driver, files=(ONE, TWO), inject=(page(5),)), frames=200, forms={"C13": form})


def test_it_waits_for_a_busy_page_and_unlocks_the_object_it_locked():
    done = ends_well(waiting("normal"))
    assert not done.records(PEEK)


def test_c13_unlock_reread_does_no_harm_while_the_page_stays_where_it_is():
    done = waiting("unlock-reread")
    assert all_done(done) and not judged(done).violations
    assert done.records(PEEK)


@pytest.mark.parametrize(("form", "text"), [("unlock-reread", "mutex vm object not owned at object.2"), ("normal", "")])
def test_c13_unlock_reread_unlocks_what_it_never_locked(form, text):
    free = Kernel(routine="page_free", arguments=(0, 5))
    again = Kernel(routine="page_alloc", arguments=(1, 4))
    done = waiting(form, free, again)
    assert [record[2] for record in done.records(PANIC)] == [text] * bool(text)


ORDER = {
    "normal": ["+pq", "+fq", "-fq", "+obj"],
    "unlock-reread": ["+pq", "+fq", "-fq", "+obj"],
    "reversed": ["+pq", "+fq", "-fq", "unguarded", "peek", "+obj"],
}


@pytest.mark.parametrize("form", ORDER)
def test_the_object_is_tried_except_in_the_reversed_order_which_waits_for_it(form):
    done = run(workload([alloc(5, 6), Think(for_ns=100)], files=(ONE,), inject=(page(5),)), frames=200, forms={"C13": form})
    assert step_words(done, 0, drop=(*DROP, "enter"))[: len(ORDER[form])] == ORDER[form]
    assert judged(done).names == ({"I-ORDER", "I-LOCKSET"} if form == "reversed" else set())


# R10 ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["driver", "owner"], ids=["laundering-sleeps-first", "the-owner-does"])
@pytest.mark.parametrize("revert", [(), ("R10",)], ids=["referenced", "unreferenced"])
def test_an_object_whose_busy_page_is_in_the_way_is_kept_or_passed_by(revert, first):
    """Its only mapping goes meanwhile. Both wait for the page, and whoever ends the object waits for who comes back to it, or not."""
    unmaps = 160_000 if first == "driver" else 100_000
    owner = [Mmap(0x400, 0x401), Access(0x400, write=True), Fork(1, "thread"), Munmap(0x400, 0x401, at_ns=unmaps), Exit()]
    hold = (Hold("space_page_io.busy", for_ns=200_000),)
    io = [Think(for_ns=1, cpu=1), Kernel(routine="space_page_io", arguments=(0x400,), at_ns=60_000, holds=hold), Exit()]
    driver = [Kernel(routine="contig_alloc", arguments=(198, 1, 200, 1, 0, True), at_ns=130_000, cpu=2), Exit()]
    done = run(workload(owner, io, driver, parents=(-1, 0)), frames=200, cpus=3, revert=revert)
    assert all_done(done)
    assert judged(done).names == ({"I-REFLIFE"} if revert else set())
    assert objects(done)["object.1.cpu.0"].type == OBJT_DEAD
