"""Allocation when memory is short: the cache gives a page, somebody waits, and everybody who waited goes on (vm-facts 3.1 to 3.6)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.requests import KernelPanic
from actors.kernel.vm_page import try_owner, vm_page_free, vm_wait
from actors.kernel.vm_page_alloc import NO_PAGE, vm_page_alloc, vm_page_select_cache
from actors.kernel.vm_page_cache import vm_page_cache
from protocol.faults import Fault
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Insert, Lookup, SetValid
from protocol.messages.pages import Deactivate, MakeCache, PageState
from protocol.pages import ALLOC_NOBUSY, ALLOC_NOOBJ, CACHE, CLASS_INTERRUPT, CLASS_NORMAL, CLASS_SYSTEM, INACTIVE, VALID_ALL
from protocol.records import FREE_FAIL, LOCK_FAIL, NOTE, PAGES_NEEDED, SLEEP, WAKE
from protocol.workload import Access, Exit, File, Fork, Inject, Kernel, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well, free_lists, objects, queues
from tests.actors.machine_kit import all_done, machine, outcomes, run, workload

LIB = File("lib", 64)
LIMITS = machine().thresholds
RESERVED = LIMITS.free_reserved


ACTIVE_PAGE = Inject("file-page", {"file": 0, "pindex": 3, "queue": "active"})
CACHED = Inject("file-page", {"file": 0, "pindex": 3, "queue": "cache"})
"""A page of the file's first colours is on the cache queue."""


def told(done):
    return [str(record[1]) for record in done.records(NOTE)]


def scripted(monkeypatch, name, routine):
    monkeypatch.setitem(step.SCRIPTED, name, routine)
    return Kernel(routine=name)


async def cached_page(k, obj, pindex):
    """A clean page of ``obj`` on the cache queue. [L: obj]"""
    frame, _ = await vm_page_alloc(k, obj, pindex, ALLOC_NOBUSY)
    await k.post(obj, SetValid(pindex, VALID_ALL))
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, Deactivate(frame))
    await k.call(PAGE_QUEUES, MakeCache(frame))
    await k.release(PAGE_QUEUES)
    return frame


# select_cache -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owned", ["object.1", ""], ids=["of-the-object-that-is-locked", "of-another"])
def test_a_cached_page_is_freed_whether_its_object_is_owned_already_or_tried(monkeypatch, owned):
    async def select(k):
        await k.acquire("object.1")
        frame = await cached_page(k, "object.1", 3)
        if not owned:
            await k.release("object.1")
        await k.acquire(PAGE_QUEUES)
        freed = await vm_page_select_cache(k, 0)
        await k.release(PAGE_QUEUES)
        if owned:
            await k.release("object.1")
        await k.note(NOTE, f"{freed} {frame}")
        return "ok"

    done = ends_well(run(workload([scripted(monkeypatch, "select", select)], files=(LIB,))))
    assert told(done)[0].startswith("True")
    assert objects(done)["object.1"].pages == {}
    assert free_lists(done).free == free_lists(done).frames


@pytest.mark.parametrize(("revert", "queue"), [(("R08",), INACTIVE), ((), CACHE)], ids=["deactivated", "passed-over"])
def test_a_victim_whose_object_is_locked_is_left_to_others_and_nobody_waits(revert, queue, monkeypatch):
    async def own(k):
        await k.acquire("object.1")
        await k.compute("hold", 50_000)
        await k.release("object.1")
        return "ok"

    async def select(k):
        await k.acquire(PAGE_QUEUES)
        freed = await vm_page_select_cache(k, 0)
        await k.release(PAGE_QUEUES)
        await k.note(NOTE, f"{freed}")
        return "ok"

    owner = [Fork(1, "thread"), scripted(monkeypatch, "own", own)]
    other = [Think(for_ns=10_000, cpu=1), scripted(monkeypatch, "select", select)]
    work = workload(owner, other, parents=(-1, 0), files=(LIB,), inject=(CACHED,))
    done = ends_well(run(work, revert=revert))
    assert told(done) == ["False"]
    assert [page.queue for page in queues(done).pages.values() if page.object == "object.1"] == [queue]
    assert len(done.records(LOCK_FAIL)) == 1
    assert sorted(objects(done)["object.1"].pages) == [3]


def test_allocation_takes_a_cached_page_when_the_free_list_is_at_its_reserve():
    pages = tuple(Inject("file-page", {"file": 0, "pindex": i, "queue": "cache"}) for i in range(20))
    steps = [Mmap(1000, 1020), *[Access(1000 + i, write=True) for i in range(10)], Exit()]
    done = run(workload(steps, files=(LIB,), inject=(*pages, Inject("free-frames", {"frames": RESERVED + 4}))), until_ns=6_000_000)
    ends_well(done)
    assert outcomes(done) == ["zero-fill"] * 10
    assert not [record for record in done.records(SLEEP) if record[2] == "v_free_count"], "nobody had to wait"
    assert len(objects(done)["object.1"].pages) < 20


# Classes ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("klass", "free", "gets"),
    [
        (CLASS_NORMAL, RESERVED + 1, True), (CLASS_NORMAL, RESERVED, False),
        (CLASS_SYSTEM, RESERVED, True), (CLASS_SYSTEM, 2, False),
        (CLASS_INTERRUPT, 1, True), (CLASS_INTERRUPT, 0, False),
    ],
)  # fmt: skip
def test_each_class_of_request_may_go_down_to_its_own_floor(monkeypatch, klass, free, gets):
    async def take(k):
        await k.acquire("object.1")
        got = await vm_page_alloc(k, "object.1", 3, ALLOC_NOBUSY, klass)
        if got != NO_PAGE:
            await k.acquire(PAGE_QUEUES)
            await vm_page_free(k, got[0], "object.1", 3)
            await k.release(PAGE_QUEUES)
        await k.release("object.1")
        await k.note(NOTE, f"{got != NO_PAGE}")
        return "ok"

    take_it = scripted(monkeypatch, "take", take)
    done = run(workload([take_it], files=(LIB,), inject=(Inject("free-frames", {"frames": free}),)))
    assert told(done) == [str(gets)]
    assert bool(done.records(FREE_FAIL)) is not gets or klass == CLASS_SYSTEM
    if not gets:
        assert any(record[2] for record in done.records(PAGES_NEEDED)), "the page daemon is woken"


def test_freeing_a_page_twice_is_the_kernels_panic(monkeypatch):
    async def twice(k):
        await k.acquire("object.1")
        frame, _ = await vm_page_alloc(k, "object.1", 3)
        await k.acquire(PAGE_QUEUES)
        await vm_page_free(k, frame, "object.1", 3)
        await vm_page_free(k, frame, "object.1", 3)

    done = run(workload([scripted(monkeypatch, "twice", twice)], files=(LIB,)))
    assert done.actors["cpu.0"].panic_text == "vm_page_free: freeing free page"
    assert not all_done(done)


def test_the_routine_behind_a_selected_page_sees_it_on_no_queue(monkeypatch):
    """Insert and bind leave a page that no queue holds until somebody says where it belongs."""

    async def look(k):
        await k.acquire("object.1")
        frame, zeroed = await vm_page_alloc(k, "object.1", 3, ALLOC_NOBUSY)
        await k.acquire(PAGE_QUEUES)
        state = await k.call(PAGE_QUEUES, PageState(frame))
        answer = await k.call("object.1", Insert(3, frame))
        await vm_page_free(k, frame, "object.1", 3)
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        await k.note(NOTE, f"{state[0]} {state[1]} {state[7]} {answer} {zeroed}")
        return "ok"

    done = ends_well(run(workload([scripted(monkeypatch, "look", look)], files=(LIB,))))
    assert told(done) == ["0 0 object.1 vm_page_insert: offset already allocated False"]


# VM_WAIT ------------------------------------------------------------------------------------------------------------------------


def waits_for_memory(done):
    return [record[1] for record in done.records(SLEEP) if record[2] == "v_free_count"]


def test_everybody_who_waits_for_memory_goes_on_when_it_comes_back():
    gone = Fault("gone", "memory", frames=1024, at_ns=100_000, duration_ns=1_000_000)
    first = [
        Mmap(1000, 1010),
        Access(1000, write=True),
        Fork(1, "thread"),
        Fork(2, "fork"),
        Access(1001, write=True, at_ns=150_000),
        Exit(),
    ]
    second = [Think(for_ns=1, cpu=1), Access(1002, write=True, at_ns=150_000), Exit()]
    third = [Think(for_ns=1, cpu=1), Access(1000, write=True, at_ns=160_000), Exit()]
    done = ends_well(run(workload(first, second, third, parents=(-1, 0, 0)), faults=(gone,)))
    assert set(waits_for_memory(done)) == {0, 1, 2}
    assert sorted(record[1] for record in done.records(WAKE) if record[2] == "v_free_count") == sorted(waits_for_memory(done))


def test_pages_that_somebody_frees_wake_those_who_wait():
    held = LIMITS.free_severe + 63  # 60 pages, and page-table pages for two leaves
    first = [
        Mmap(1000, 1060),
        *[Access(1000 + i, write=True) for i in range(60)],
        Fork(1, "thread"),
        Munmap(1000, 1060, at_ns=1_600_000),
        Exit(),
    ]
    second = [Think(for_ns=1, cpu=1), Mmap(2000, 2010), Access(2001, write=True, at_ns=1_110_000), Exit()]
    done = ends_well(run(workload(first, second, parents=(-1, 0), inject=(Inject("free-frames", {"frames": held}),)), until_ns=6_000_000))
    assert waits_for_memory(done)
    assert outcomes(done).count("zero-fill") == 61


def test_a_wait_gives_up_the_map_so_that_others_can_change_it():
    gone = Fault("gone", "memory", frames=1024, at_ns=100_000, duration_ns=1_000_000)
    first = [Mmap(1000, 1010), Access(1000, write=True), Fork(1, "thread"), Access(1001, write=True, at_ns=150_000, expect="segv"), Exit()]
    second = [Think(for_ns=1, cpu=1), Munmap(1001, 1002, at_ns=300_000), Exit()]
    done = ends_well(run(workload(first, second, parents=(-1, 0)), faults=(gone,)))
    assert outcomes(done) == ["zero-fill"]


def test_the_daemon_turns_cached_pages_into_free_ones():
    pages = tuple(Inject("file-page", {"file": 0, "pindex": i, "queue": "cache"}) for i in range(40))
    steps = [Mmap(1000, 1010), *[Access(1000 + i, write=True) for i in range(5)], Exit()]
    done = run(workload(steps, files=(LIB,), inject=(*pages, Inject("free-frames", {"frames": 10}))), until_ns=6_000_000)
    ends_well(done)
    assert sum(page.queue == CACHE for page in queues(done).pages.values()) < 40


def test_a_page_that_becomes_cached_wakes_those_who_wait(monkeypatch):
    """Whoever waits goes on at once: the page daemon, which would wake him at its next turn, has none before that."""

    async def cache(k):
        await k.acquire("object.1")
        frame = (await k.call("object.1", Lookup(3)))[0]
        await k.acquire(PAGE_QUEUES)
        await vm_page_cache(k, frame)
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        await k.note(NOTE, "cached")
        return "ok"

    async def wait(k):
        await vm_wait(k)
        await k.note(NOTE, "woken")
        return "ok"

    waiter = [Fork(1, "thread"), scripted(monkeypatch, "wait", wait)]
    other = [Think(for_ns=20_000, cpu=1), scripted(monkeypatch, "cache", cache)]
    inject = (ACTIVE_PAGE, Inject("free-frames", {"frames": LIMITS.free_min - 1}))
    done = run(workload(waiter, other, parents=(-1, 0), files=(LIB,), inject=inject), until_ns=2_000_000, daemon_rest_ns=10**9)
    assert told(done) == ["cached", "woken"]


def test_a_selected_page_of_an_object_that_the_caller_has_locked_needs_no_trying(monkeypatch):
    """Also where the allocation is for no object, as a page-table page's is."""

    async def select(k):
        await k.acquire("object.1")
        got = await vm_page_alloc(k, "", 3, ALLOC_NOOBJ | ALLOC_NOBUSY)
        await k.acquire(PAGE_QUEUES)
        await vm_page_free(k, got[0], "", 3)
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        return "ok"

    inject = (CACHED, Inject("free-frames", {"frames": RESERVED}))
    done = ends_well(run(workload([scripted(monkeypatch, "select", select)], files=(LIB,), inject=inject)))
    assert done.records(LOCK_FAIL) == [] and objects(done)["object.1"].pages == {}


def test_a_fault_leaves_what_memory_there_is_to_the_kernel_when_it_is_severely_short():
    steps = [Mmap(1000, 1010), Access(1000, write=True, at_ns=50_000), Exit()]
    inject = (Inject("free-frames", {"frames": LIMITS.free_severe - 1}),)
    done = run(workload(steps, files=(LIB,), inject=inject))
    assert LIMITS.free_severe - 1 > RESERVED, "an allocation would succeed"
    assert waits_for_memory(done) and outcomes(done) == []


def test_to_try_the_lock_of_no_object_is_a_page_fault():
    with pytest.raises(KernelPanic, match="the lock of the NULL object of vm page 0x22"):
        try_owner(None, 0x22, "").send(None)
