"""The page daemon under pressure: what it frees, writes, keeps and gives up, and that it comes to rest (vm-facts 3.10, 3.11)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.launder import CLUSTER
from actors.kernel.pageout_scan import MARKER
from protocol.faults import Fault, When
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import Hold
from protocol.pages import ACTIVE, CACHE, INACTIVE, OBJT_SWAP, PTE_M
from protocol.records import ENTER, LOCK_FAIL, OBJECT_IO, OBJECT_TYPE, PAGE_DIRTY, PAGE_QUEUE, PAGER_DONE, PAGER_START, PAGES_NEEDED, SLEEP
from protocol.workload import Access, Exit, File, Fork, Inject, Kernel, Mmap, Think
from tests.actors.machine_audit import at_rest, cpus, ends_well, free_lists, objects, pmaps, queues, settle
from tests.actors.machine_kit import all_done, judged, outcomes, run, workload

DATA = File("data", 200)
LONG_NS = 60_000_000


def writes(pages, first=1000):
    return [Access(first + i, write=True) for i in range(pages)]


def pressed(*tasks, frames=110, files=(), parents=(-1,), until_ns=LONG_NS, **of):
    done = run(workload(*tasks, files=files, parents=parents), frames=frames, until_ns=until_ns, **of)
    return ends_well(done)


@pytest.fixture(scope="module")
def swapped():
    """Twice as many anonymous pages as frames, written once and then read back."""
    pages = 180
    return pressed([Mmap(1000, 1000 + pages), *writes(pages), *[Access(1000 + i) for i in range(0, pages, 6)]])


def test_dirty_pages_are_written_and_read_back(swapped):
    written = [record for record in swapped.records(PAGER_START) if record[1] == "write"]
    read = [record for record in swapped.records(PAGER_DONE) if record[1] == "read"]
    assert written
    assert read
    assert all(record[5] for record in read), "what was written can be read"
    assert outcomes(swapped).count("hard") == len(read)
    assert objects(swapped)["object.1.cpu.0"].type == OBJT_SWAP, PTE_M
    assert [record[2] for record in swapped.records(OBJECT_TYPE)] == [OBJT_SWAP], "swap is given at the first page-out, once"


def test_what_was_read_back_is_valid_and_clean_until_it_is_written(swapped):
    pq, obj = queues(swapped), objects(swapped)["object.1.cpu.0"]
    read = {record[3] for record in swapped.records(PAGER_DONE) if record[1] == "read"}
    clean = [pindex for pindex in read if pindex in obj.pages and not pq.pages[obj.pages[pindex][0]].dirty]
    assert clean
    assert all(obj.pages[pindex][1] for pindex in clean)


def test_a_page_is_laundered_while_it_is_soft_busy_and_is_clean_afterwards(swapped):
    begun = [record for record in swapped.records(OBJECT_IO) if record[4] > record[3]]
    ended = [record for record in swapped.records(OBJECT_IO) if record[4] < record[3]]
    assert len(begun) == len(ended) > 0
    assert max(record[4] for record in begun) == 1
    assert len([record for record in swapped.records(PAGE_DIRTY) if record[3] == 0]) >= len(begun)


def test_neighbours_are_written_together_up_to_a_cluster(swapped):
    sizes = [record[4] for record in swapped.records(PAGER_START) if record[1] == "write"]
    assert 1 < max(sizes) <= CLUSTER


def test_no_marker_stays_and_the_daemon_sleeps(swapped):
    rings = [*queues(swapped).rings, *queues(swapped).cache]
    assert not [item for ring in rings for item in ring.after if item < 0]
    assert at_rest(swapped)
    assert queues(swapped).sleepers.keys() <= {"vm_pages_needed"}
    (daemon,) = [thread for thread in cpus(swapped)[0].threads.values() if thread.task < 0]
    assert daemon.want == "pq vm_pages_needed"


def test_with_enough_memory_the_daemon_never_scans():
    done = ends_well(run(workload([Mmap(1000, 1100), *writes(100)]), until_ns=20_000_000))
    assert not [record for record in done.records(ENTER) if record[2] == "vm_pageout_scan" and record[3] != (0,)]
    assert {record[2] for record in done.records(SLEEP)} == {"vm_pages_needed"}
    assert not done.records(PAGES_NEEDED)


def test_clean_pages_of_a_file_are_cached_and_not_written():
    done = pressed([Mmap(1000, 1180, file=0, prot=1), *[Access(1000 + i) for i in range(180)]], files=(DATA,))
    assert not [record for record in done.records(PAGER_START) if record[1] == "write"]
    moved = [(record[2], record[3]) for record in done.records(PAGE_QUEUE)]
    assert (INACTIVE, CACHE) in moved


def test_dirty_pages_of_a_shared_file_go_to_the_disk():
    done = pressed([Mmap(1000, 1180, file=0, shared=True), *writes(180), *[Access(1000 + i) for i in range(0, 180, 9)]], files=(DATA,))
    assert {record[2] for record in done.records(PAGER_START) if record[1] == "write"} == {"object.1"}
    assert not done.actors["pager.1"].blocks
    assert "hard" in outcomes(done), "a page of the file that went is read from the disk, not from the page cache"


def test_a_page_that_is_used_again_and_again_stays():
    hot = [Access(1000, write=True), Access(1001, write=True)]
    steps = [Mmap(1000, 1200)]
    for i in range(2, 150):
        steps += [Access(1000 + i, write=True), *hot]
    done = pressed(steps)
    kept = queues(done).pages[objects(done)["object.1.cpu.0"].pages[0][0]]
    assert kept.queue == ACTIVE
    assert len(done.records(OBJECT_IO)) > 10, "others went"


def test_a_child_and_its_parent_share_what_comes_back():
    parent = [
        Mmap(1000, 1060),
        *writes(60),
        Fork(1, "fork"),
        *writes(60),
        Think(for_ns=2_000_000),
        *[Access(1000 + i) for i in range(0, 60, 7)],
        Exit(),
    ]
    child = [*[Access(1000 + i, cpu=1) for i in range(60)], Mmap(3000, 3060), *writes(60, 3000), Exit()]
    done = pressed(parent, child, parents=(-1, 0))
    assert "hard" in outcomes(done)
    assert free_lists(done).free == free_lists(done).frames
    assert done.actors["pager.1"].blocks == {}, "swap goes with its objects"


def test_a_held_page_is_passed_over(monkeypatch):
    async def hold(k, frame, delta):
        await k.acquire(PAGE_QUEUES)
        await k.call(PAGE_QUEUES, Hold(frame, delta))
        await k.release(PAGE_QUEUES)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "hold", hold)
    pages = [Inject("file-page", {"file": 0, "pindex": i, "queue": "inactive"}) for i in range(20)]
    first = objects(run(workload([Mmap(1, 2)], files=(DATA,), inject=tuple(pages)), frames=110))["object.1"].pages[0][0]
    steps = [Kernel(routine="hold", arguments=(first, 1)), Mmap(1000, 1150), *writes(120), Kernel(routine="hold", arguments=(first, -1))]
    done = run(workload(steps, files=(DATA,), inject=tuple(pages)), frames=110, until_ns=LONG_NS)
    settle(done)
    assert all_done(done)
    assert judged(done).violations == []
    assert objects(done)["object.1"].pages[0][0] == first, "held from the first step to the last"
    assert len(objects(done)["object.1"].pages) < 20


def test_the_scan_leaves_a_marker_where_it_must_wait_for_an_object(monkeypatch):
    """A thread keeps an object locked while it computes: the daemon's try fails and it takes the long way round."""

    async def keep(k):
        for _ in range(300):
            await k.acquire("object.1")
            await k.compute("keep", 20_000)
            await k.release("object.1")
            await k.pause(500)
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "keep", keep)
    pages = tuple(Inject("file-page", {"file": 0, "pindex": i, "queue": "inactive", "dirty": i % 2 == 0}) for i in range(60))
    steps = [Mmap(1000, 1100), *writes(60)]
    work = workload(steps, [Think(for_ns=1, cpu=1), Kernel(routine="keep")], files=(DATA,), inject=pages)
    done = ends_well(run(work, frames=110, until_ns=LONG_NS))
    daemons = [record for record in done.records(LOCK_FAIL) if record[1] >= 1 << 24 and record[2] == "object.1"]
    assert daemons
    assert MARKER not in {item for ring in queues(done).rings for item in ring.after}


def test_a_write_that_fails_leaves_the_page_dirty_and_is_tried_again():
    broken = Fault("broken", "pager-error", When(kind="pager.write", count=2))
    pages = 130
    done = pressed([Mmap(1000, 1000 + pages), *writes(pages)], faults=(broken,))
    results = [record[5] for record in done.records(PAGER_DONE) if record[1] == "write"]
    assert results[:2] == [False, False]
    assert True in results


def test_a_store_to_a_page_being_written_faults_and_makes_it_dirty_again():
    pages = 120
    done = pressed([Mmap(1000, 1000 + pages), *writes(pages), *writes(pages)])
    cleaned = [record for record in done.records(PAGE_DIRTY) if record[3] == 0]
    again = [record for record in done.records(PAGE_DIRTY) if record[3] and record[1] in {frame for _, frame, *_ in cleaned}]
    assert cleaned
    assert again
    pq, obj = queues(done), objects(done)["object.1.cpu.0"]
    writable = {vpn for vpn, (_, bits) in pmaps(done)["pmap.0"].ptes.items() if bits & PTE_M}
    assert all(pq.pages[obj.pages[vpn - 1000][0]].dirty for vpn in writable), "what was stored to is written before it is freed"
