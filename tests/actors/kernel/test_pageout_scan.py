"""The two scans of a page-out pass, page by page: where they go on, what a pass may launder, what they leave of act_count and flags
(vm-facts 3.11)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.mman import vnode_name
from actors.kernel.pageout import MAXLAUNDER, MAXLAUNDER_HARD, pageout_pass
from actors.kernel.pageout_scan import Scan, scan_active, scan_inactive
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Enter, Lookup
from protocol.messages.pages import Activate, Hold, SetFlags
from protocol.messages.queues import Requeue
from protocol.pages import ACTIVE, CACHE, INACTIVE, PTE_A, REFERENCED, VALID_ALL, WINATCFLS
from protocol.records import LOCK_FAIL, OBJECT_IO, PAGER_START
from protocol.workload import Access, File, Inject, Kernel, Mmap, Think
from tests.actors.machine_audit import objects, pmaps, queues
from tests.actors.machine_kit import judged, run, workload

FILES = (File("data", 64), File("other", 64))


@pytest.fixture
def scanned(monkeypatch):
    """Run a scan of given allowances over injected pages, others beside it; the answer is (the run, the scan at its end).

    ``forsaken``: so many references less does the object of the file have while it is scanned.
    """
    kept = []

    async def scripted(k, which, passes, left, shortage, launder, forsaken):
        scan, obj = Scan(passes, left, shortage, launder, 0, 0), vnode_name(0)
        await _refer(k, obj, -forsaken)
        await k.acquire(PAGE_QUEUES)
        while await (scan_active if which == "active" else scan_inactive)(k, scan):
            pass
        await k.release(PAGE_QUEUES)
        await _refer(k, obj, forsaken)
        kept.append(scan)
        return "ok"

    def go(inject, *others, which="inactive", passes=2, left=99, shortage=99, launder=0, forsaken=0, before=(), after=()):
        one = Kernel(routine="scan", arguments=(which, passes, left, shortage, launder, forsaken))
        done = run(workload([*before, Think(for_ns=30_000), one, *after], *others, files=FILES, inject=inject), frames=400)
        assert not judged(done).violations
        assert not [item for ring in queues(done).rings for item in ring.after if item < 0]
        return done, kept[-1]

    monkeypatch.setitem(step.SCRIPTED, "scan", scripted)
    return go


async def _refer(k, obj, count):
    if count:
        await k.acquire(obj)
        await k.post(obj, Enter(count, 0))
        await k.release(obj)


@pytest.fixture
def meanwhile(monkeypatch):
    """A thread that has the other file's object locked while the scan comes by, and then does something to a page of a file."""

    def make(change, file=1, pindex=0):
        async def keeper(k):
            await k.acquire(vnode_name(file))
            frame = (await k.call(vnode_name(file), Lookup(pindex)))[0]
            await k.release(vnode_name(file))
            await k.acquire(vnode_name(1))
            await k.compute("keep", 100_000)
            await k.acquire(PAGE_QUEUES)
            await k.call(PAGE_QUEUES, change(frame))
            await k.release(PAGE_QUEUES)
            await k.release(vnode_name(1))
            return "ok"

        monkeypatch.setitem(step.SCRIPTED, "keeper", keeper)
        return [Think(for_ns=1, cpu=1), Kernel(routine="keeper", cpu=1)]

    return make


def page(pindex, file=0, queue="inactive", **of):
    """A page of a file, with fields as given."""
    fields = [Inject("page", {"file": file, "pindex": pindex, "field": field, "value": value}) for field, value in of.items()]
    return [Inject("file-page", {"file": file, "pindex": pindex, "queue": queue}), *fields]


def pages(*made):
    return tuple(one for each in made for one in each)


def found(done, pindex, file=0):
    """The record of a page of a file."""
    return queues(done).pages[objects(done)[f"object.{file + 1}"].pages[pindex][0]]


DIRTY = {"dirty": VALID_ALL}

# Where a scan goes on ----------------------------------------------------------------------------------------------------------------


def test_after_a_write_the_scan_goes_on_behind_the_page_that_is_written(scanned):
    done, scan = scanned(pages(*(page(at, **DIRTY) for at in (0, 2, 4))), left=3, launder=9)
    written = [record[2] for record in done.records(OBJECT_IO) if record[4]]
    assert written == [objects(done)["object.1"].pages[at][0] for at in (0, 2, 4)], "with as many looks as there are pages"
    assert (scan.left, scan.extra) == (0, 0)


def test_a_page_that_left_while_its_object_was_waited_for_is_passed_over(scanned, meanwhile):
    """The first page stays, dirty; the second is activated; the third is clean."""
    inject = pages(page(0, **DIRTY), page(0, file=1), page(2))
    done, _ = scanned(inject, meanwhile(Activate), left=3)
    assert done.records(LOCK_FAIL)
    assert [found(done, 0).queue, found(done, 0, file=1).queue, found(done, 2).queue] == [INACTIVE, ACTIVE, CACHE]


def test_a_page_that_was_requeued_while_its_object_was_waited_for_is_passed_over(scanned, meanwhile):
    done, _ = scanned(pages(page(0, file=1), page(2)), meanwhile(Requeue), left=2)
    assert done.records(LOCK_FAIL)
    assert [found(done, 0, file=1).queue, found(done, 2).queue] == [INACTIVE, CACHE]


def test_the_place_is_kept_though_the_page_before_has_left_meanwhile(scanned, meanwhile):
    """Two pages stay, dirty, of which the second is activated while the scan waits for the third's object."""
    inject = pages(page(0, **DIRTY), page(2, **DIRTY), page(0, file=1), page(4))
    done, _ = scanned(inject, meanwhile(Activate, file=0, pindex=2), left=4)
    assert [found(done, 2).queue, found(done, 0, file=1).queue, found(done, 4).queue] == [ACTIVE, CACHE, CACHE]


@pytest.mark.parametrize("which", ["inactive", "active"])
def test_a_page_that_was_held_while_its_object_was_waited_for_is_let_be(scanned, meanwhile, monkeypatch, which):
    inject = pages(page(0, file=1, queue=which, flags=0, act=3))
    monkeypatch.setitem(step.SCRIPTED, "let_go", _let_go)
    hold = meanwhile(lambda frame: Hold(frame, 1))
    done, scan = scanned(inject, hold, which=which, left=1, after=(Kernel(routine="let_go"),))
    assert found(done, 0, file=1).queue == (ACTIVE if which == "active" else INACTIVE)
    assert (found(done, 0, file=1).act, scan.extra) == (3, which == "inactive")


async def _let_go(k):
    await k.acquire(vnode_name(1))
    frame = (await k.call(vnode_name(1), Lookup(0)))[0]
    await k.acquire(PAGE_QUEUES)
    await k.call(PAGE_QUEUES, Hold(frame, -1))
    await k.release(PAGE_QUEUES)
    await k.release(vnode_name(1))
    return "ok"


# What a pass may launder -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passes", "written"), [(0, 0), (1, 1), (2, 1)])
def test_only_the_pass_of_number_0_gives_a_dirty_page_a_second_chance(scanned, passes, written):
    done, _ = scanned(pages(page(0, **DIRTY)), passes=passes, left=1, launder=9)
    assert len(done.records(PAGER_START)) == written
    assert bool(found(done, 0).flags & WINATCFLS) is (passes == 0)


@pytest.mark.parametrize(("passes", "launder"), [(0, MAXLAUNDER), (1, MAXLAUNDER_HARD), (2, MAXLAUNDER_HARD)])
def test_only_the_pass_of_number_0_is_sparing_with_writes(monkeypatch, passes, launder):
    kept = []

    async def begin(k):
        kept.append(await pageout_pass(k, passes))
        await k.release(PAGE_QUEUES)
        await k.leave("vm_pageout_scan")
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "begin", begin)
    assert not judged(run(workload([Kernel(routine="begin")]), frames=400)).violations
    assert kept[0].arguments[3] == launder


def test_a_write_counts_as_one_page_however_many_go_with_it(scanned):
    done, scan = scanned(pages(*(page(at, **DIRTY) for at in (0, 1, 2))), left=1, shortage=5, launder=9)
    assert [record[4] for record in done.records(PAGER_START)] == [3]
    assert (scan.shortage, scan.launder) == (4, 8)


def test_what_a_page_was_marked_with_at_its_first_visit_outlives_the_write(scanned):
    done, _ = scanned(pages(page(0, flags=WINATCFLS, **DIRTY)), passes=0, left=1, launder=9)
    assert done.records(PAGER_START)
    assert found(done, 0).flags & WINATCFLS


# act_count, and pages that nobody refers to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("act", "then"), [(0, 9), (7, 11), (63, 64)])
def test_an_inactive_page_that_was_used_is_more_active_than_one_activated(scanned, act, then):
    done, _ = scanned(pages(page(0, flags=REFERENCED, act=act)), left=1)
    assert (found(done, 0).queue, found(done, 0).act, found(done, 0).flags & REFERENCED) == (ACTIVE, then, 0)


def test_a_page_that_is_deactivated_has_no_activity_left(scanned):
    done, _ = scanned(pages(page(0, queue="active", flags=0, act=1)), which="active", left=1)
    assert (found(done, 0).queue, found(done, 0).act) == (INACTIVE, 0)


def test_references_to_an_inactive_page_of_an_object_without_any_are_cleared(scanned, monkeypatch):
    """It was used, also through a mapping, which stays."""
    monkeypatch.setitem(step.SCRIPTED, "use", _use)
    touched = (Mmap(1000, 1001, file=0, shared=True), Access(1000, write=True))
    forgotten = (Kernel(routine="page_dontneed", arguments=(0, 0)), Access(1000), Kernel(routine="use"))
    done, _ = scanned((), passes=0, left=1, forsaken=2, before=(*touched, *forgotten))
    assert (found(done, 0).queue, found(done, 0).flags & REFERENCED) == (INACTIVE, 0)
    assert pmaps(done)["pmap.0"].ptes[1000][1] & PTE_A == 0


async def _use(k):
    await k.acquire(vnode_name(0))
    frame = (await k.call(vnode_name(0), Lookup(0)))[0]
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, SetFlags(frame, REFERENCED))
    await k.release(PAGE_QUEUES)
    await k.release(vnode_name(0))
    return "ok"


@pytest.mark.parametrize(("dirty", "then"), [(0, CACHE), (VALID_ALL, INACTIVE)])
def test_an_active_page_of_an_object_without_references_loses_its_mappings_dirty_or_not(scanned, dirty, then):
    before = (Mmap(1000, 1001, file=0, prot=1), Access(1000))
    inject = pages(page(0, queue="active", dirty=dirty))
    done, _ = scanned(inject, which="active", left=1, forsaken=2, before=before)
    left = found(done, 0)
    assert (left.queue, left.pvs, left.act) == (then, [], 4)
