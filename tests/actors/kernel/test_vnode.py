"""A vnode is held while its object has pages, and its interlock is a lock that may block (vm-facts 2.5, 3.4; C19)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from protocol.identity import FREE_QUEUES, PAGE_QUEUES, vnode_lock, vnode_of
from protocol.locks import class_of
from protocol.records import LOCK_ACQUIRE, LOCK_WAIT, PANIC, VNODE_HOLD
from protocol.workload import Access, File, Inject, Kernel, Mmap, Munmap
from tests.actors.machine_audit import ends_well
from tests.actors.machine_kit import judged, run, words, workload

ONE = File("one", 64)


def test_names():
    assert vnode_of("object.3") == "vnode.3" and vnode_lock("vnode.3") == "vnlock.3"
    assert vnode_of("object.3.cpu.0") == vnode_of("object.kernel") == vnode_of("pq") == ""
    assert class_of("vnode.3").type == "vnode interlock" and not class_of("vnode.3").sleepable
    assert class_of("vnlock.3").type == "vnode" and class_of("vnlock.3").sleepable


def test_the_first_page_holds_the_vnode_and_the_last_one_lets_it_go():
    reads = [Mmap(1000, 1010, file=0, prot=1), Access(1003), Access(1004), Munmap(1000, 1010)]
    done = ends_well(run(workload(reads, files=(ONE,))))
    assert done.records(VNODE_HOLD) == [(VNODE_HOLD, 0, 1)], "pages of a file stay when their mapping goes"
    # The cached pages of the file are what contigmalloc takes.
    take = [Kernel(routine="contig_alloc", arguments=(3, 1, 4))]
    pages = tuple(Inject("file-page", {"file": 0, "pindex": i, "queue": "cache"}) for i in (1, 2))
    freed = ends_well(run(workload(take, files=(ONE,), inject=pages), frames=200))
    assert freed.records(VNODE_HOLD) == [(VNODE_HOLD, 0, 1), (VNODE_HOLD, 1, 0)]


def test_pages_of_no_file_hold_no_vnode():
    done = ends_well(run(workload([Mmap(1000, 1010), Access(1003, write=True)], files=(ONE,))))
    assert not done.records(VNODE_HOLD)


async def hold_interlock(k):
    await k.acquire("vnode.1")
    await k.compute("file system", 50_000)
    await k.release("vnode.1")
    return "ok"


async def take_under_spin_lock(k, lock):
    await k.acquire(FREE_QUEUES)
    await k.acquire(lock)
    return "ok"


PANICS = {
    "vnode.1": "blockable sleep lock (sleep mutex) vnode interlock @ vnode.1",
    "vnlock.1": "blockable sleep lock (sx) vnode @ vnlock.1",
    "fq": "mtx_lock_spin: recursed on non-recursive mutex vm page queue free mutex @ fq",
}


@pytest.mark.parametrize("lock", PANICS)
@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_with_a_spin_lock_held_no_lock_is_acquired_that_may_block(lock, taken, monkeypatch):
    monkeypatch.setitem(step.SCRIPTED, "hold", hold_interlock)
    monkeypatch.setitem(step.SCRIPTED, "take", take_under_spin_lock)
    holder = [Kernel(routine="hold")] if taken else []
    done = run(workload(holder, [Kernel(routine="take", arguments=(lock,), delay_ns=10_000, cpu=1)], files=(ONE,)))
    assert [record[2] for record in done.records(PANIC)] == [PANICS[lock]]
    assert judged(done).names >= ({"I-SPIN"} if lock != "fq" else set())
    waits = [record[2] for record in done.records(LOCK_WAIT)]
    waits_for_itself = ["fq"] if lock == "fq" else []
    assert waits == (["vnode.1"] if taken and lock == "vnode.1" else waits_for_itself)


async def take_again_under_spin_lock(k):
    await k.acquire(PAGE_QUEUES)
    await k.acquire(FREE_QUEUES)
    await k.acquire(PAGE_QUEUES)
    return "ok"


def test_nor_is_one_that_is_held_already(monkeypatch):
    """The page-queues lock may be acquired again by its holder, which would wait for nobody: witness asks before it looks who that is."""
    monkeypatch.setitem(step.SCRIPTED, "take", take_again_under_spin_lock)
    done = run(workload([Kernel(routine="take")], files=(ONE,)))
    assert [record[2] for record in done.records(PANIC)] == ["blockable sleep lock (sleep mutex) vm page queue mutex @ pq"]
    assert judged(done).names == {"I-SPIN"}


async def take_map_twice(k):
    await k.acquire("map.0")
    await k.acquire("map.0")
    return "ok"


def test_a_map_s_lock_that_is_acquired_again_is_called_no_mutex(monkeypatch):
    monkeypatch.setitem(step.SCRIPTED, "take", take_map_twice)
    done = run(workload([Kernel(routine="take")], files=(ONE,)))
    assert [record[2] for record in done.records(PANIC)] == ["recursed on non-recursive sx user map @ map.0"]


async def try_under_spin_lock(k):
    await k.acquire(FREE_QUEUES)
    got = await k.acquire("object.1", 2)
    await k.release("object.1")
    await k.release(FREE_QUEUES)
    return str(got)


def test_a_try_lock_blocks_nobody(monkeypatch):
    monkeypatch.setitem(step.SCRIPTED, "try", try_under_spin_lock)
    done = ends_well(run(workload([Kernel(routine="try")], files=(ONE,))))
    assert [word for word in words([("", r) for r in done.records(LOCK_ACQUIRE)]) if word != "+pq"] == ["+fq", "+obj"]
