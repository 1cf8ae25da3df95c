"""What is wired stays where it is and as it is: over fork, madvise and mremap (vm-facts 3.9 step 1, 3.16)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from protocol.messages.space import ENTRY_STACK, WireEntries
from protocol.records import FRAME_COPY, NOTE, PAGE_WIRE, SLEEP, STORE
from protocol.workload import Access, Exit, File, Fork, Inject, Kernel, Madvise, Mmap, Mremap, Munmap, Think
from tests.actors.machine_audit import ends_well, maps, objects, pmaps, queues
from tests.actors.machine_kit import machine, outcomes, run, workload

LIB = File("lib", 16)
LIMITS = machine().thresholds
LATER = Think(for_ns=400_000)


def mlock(pages=2):
    return Kernel(routine="mlock", arguments=(1000, pages))


def munlock(pages=2):
    return Kernel(routine="munlock", arguments=(1000, pages))


def still_wired(done):
    """Frames of the users' pages whose wire count is not 0 at the end."""
    counts = {record[1]: record[3] for record in done.records(PAGE_WIRE)}
    return {frame for frame, count in counts.items() if count and queues(done).pages.get(frame) and queues(done).pages[frame].object}


def stores(done):
    return [(record[1], record[3], record[4]) for record in done.records(STORE)]


@pytest.mark.parametrize("pmap", ["amd64", "i386", "alpha"])
def test_a_fork_copies_what_is_wired_at_once_and_leaves_it_to_the_parent(pmap):
    parent = [Mmap(1000, 1003), Access(1000, write=True), mlock(), Fork(1, "fork"), Access(1000, write=True), munlock(), LATER]
    child = [Access(1000, write=True), Access(1001, write=True), Exit()]
    done = ends_well(run(workload(parent, child, parents=(-1, 0)), pmap=pmap))
    mine = [frame for thread, vpn, frame in stores(done) if (thread, vpn) == (0, 1000)]
    yours = [frame for thread, vpn, frame in stores(done) if (thread, vpn) == (1, 1000)]
    assert len(mine) == 2 and len({*mine}) == 1, "the parent goes on with its own page, and faults no more"
    assert {*yours}.isdisjoint(mine)
    assert next(record[1:3] for record in done.records(FRAME_COPY)) == (yours[0], mine[0])
    assert outcomes(done) == ["zero-fill", "soft", "zero-fill"], "wired at mlock; the child faults for nothing"
    assert still_wired(done) == set()


def test_what_the_child_has_is_not_wired():
    parent = [Mmap(1000, 1002), mlock(), Fork(1, "fork"), LATER]
    done = ends_well(run(workload(parent, [Access(1000, write=True), LATER], parents=(-1, 0))))
    frames = {pmaps(done)["pmap.0"].ptes[vpn][0] for vpn in (1000, 1001)}
    assert still_wired(done) == frames
    assert [row[5] for row in maps(done)["map.1.cpu.0"].rows] == [0]


def test_the_copy_of_a_wired_stack_is_a_stack():
    parent = [Mmap(1000, 1002, stack=True), mlock(), Fork(1, "fork"), LATER]
    done = ends_well(run(workload(parent, [LATER], parents=(-1, 0))))
    assert [row[5] for row in maps(done)["map.1.cpu.0"].rows] == [ENTRY_STACK]


def test_pages_are_copied_from_wherever_they_are_in_the_chain():
    """The entry may not be written to, so what was wired is the file's own."""
    parent = [Mmap(1000, 1002, prot=1, file=0), mlock(), Fork(1, "fork"), munlock(), LATER]
    done = ends_well(run(workload(parent, [Access(1001), LATER], parents=(-1, 0), files=(LIB,))))
    copies = [record[2] for record in done.records(FRAME_COPY)]
    assert copies == [objects(done)["object.1"].pages[pindex][0] for pindex in (0, 1)]
    assert pmaps(done)["pmap.1.cpu.0"].ptes[1001][0] not in copies


def test_a_fork_waits_for_memory_for_its_copies():
    parent = [
        Mmap(1000, 1010),
        mlock(10),
        Mmap(2000, 2012),
        *[Access(2000 + i, write=True) for i in range(12)],
        Fork(1, "fork"),
        munlock(10),
    ]
    inject = (Inject("free-frames", {"frames": LIMITS.free_severe + 26}),)
    done = ends_well(run(workload(parent, [Exit()], parents=(-1, 0), inject=inject), until_ns=60_000_000))
    assert len(done.records(FRAME_COPY)) == 10
    assert [record for record in done.records(SLEEP) if record[2] == "v_free_count"]
    assert still_wired(done) == set()


def test_an_entry_whose_pages_are_still_to_come_is_shared(monkeypatch):
    """Another thread's mlock has marked it and not begun: what the kernel would wait for."""

    async def mark(k):
        await k.acquire(k.map)
        await k.call(k.map, WireEntries(1000, 1002, True))
        await k.release(k.map)
        await k.note(NOTE, "in transition")
        return "ok"

    async def unmark(k):
        await k.acquire(k.map)
        await k.call(k.map, WireEntries(1000, 1002, False))
        await k.release(k.map)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "mark", mark)
    monkeypatch.setitem(step.SCRIPTED, "unmark", unmark)
    parent = [Mmap(1000, 1002), Access(1000, write=True), Kernel("mark"), Fork(1, "fork"), Kernel("unmark"), LATER]
    done = ends_well(run(workload(parent, [Access(1001, write=True), Access(1000, write=True), LATER], parents=(-1, 0))))
    assert outcomes(done) == ["zero-fill", "zero-fill", "cow"]


def test_advice_drops_nothing_that_is_wired():
    steps = [Mmap(1000, 1004), Access(1003, write=True), mlock(), Madvise(1000, 1004, "drop"), Access(1000), Access(1003), munlock(), LATER]
    done = ends_well(run(workload(steps)))
    assert outcomes(done) == ["zero-fill", "zero-fill", "zero-fill", "soft"], "page 1003 alone has to be mapped again"
    assert still_wired(done) == set()


def test_a_wired_mapping_that_moves_is_wired_at_its_new_place():
    steps = [Mmap(1000, 1002), mlock(), Mremap(1000, 1002, 5000, 5002), Access(5000, write=True), Munmap(5000, 5002), Exit()]
    done = ends_well(run(workload(steps)))
    assert outcomes(done) == ["zero-fill", "zero-fill", "soft", "soft"]
    assert queues(done).pages == {}
