"""vm_pageout_page_stats: when the daemon ages active pages without a shortage, what it does to them, and a walk that went astray (C29)."""

from __future__ import annotations

import pytest

from actors.homes.page_queues import PageQueues
from actors.kernel import step
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.queues import Requeue, StatsInterval
from protocol.pages import ACTIVE, INACTIVE
from protocol.records import ENTER, LOCK_FAIL, PAGE_ACT, PAGE_QUEUE, PANIC, PV_DEL
from protocol.workload import Access, File, Hold, Inject, Kernel, Mmap, Think
from tests.actors.fake_port import Bench
from tests.actors.machine_audit import ends_well, queues
from tests.actors.machine_kit import all_done, judged, run, workload

DATA = File("data", 256)
WALK = Kernel(routine="pageout_page_stats")
SHORT = Kernel(routine="memory_short", arguments=(5, 2_000_000))


def active(*pindexes, act=-1):
    pages = tuple(Inject("file-page", {"file": 0, "pindex": pindex, "queue": "active"}) for pindex in pindexes)
    if act < 0:
        return pages
    fields = (("act", act), ("flags", 0))
    return pages + tuple(Inject("page", {"file": 0, "pindex": p, "field": f, "value": v}) for p in pindexes for f, v in fields)


def walked(*others, inject, forms=None, steps=(SHORT, WALK), **of):
    return run(workload(list(steps), *others, files=(DATA,), inject=inject), frames=400, forms=forms, **of)


def acts(done):
    return [record[1:] for record in done.records(PAGE_ACT)]


def test_every_fourth_interval_is_a_full_one():
    b = Bench(PageQueues(name="pq", colours=4))
    b.lock()
    assert [b.ask(StatsInterval()) for _ in range(8)] == [False, False, False, True] * 2


def test_a_page_in_use_gets_more_active_and_one_that_is_not_gets_less():
    done = ends_well(walked(inject=(*active(3), *active(4, act=2))))
    assert acts(done)[-2:] == [(3, 5, 9), (4, 2, 1)]
    assert [record[1:] for record in done.records(PAGE_QUEUE)][-2:] == [(3, ACTIVE, ACTIVE), (4, ACTIVE, ACTIVE)]


def test_a_page_unused_for_long_is_unmapped_and_deactivated():
    reads = [Mmap(1000, 1010, file=0, prot=1), Access(1003)]
    forget = Kernel(routine="pageout_page_stats")
    done = ends_well(walked(inject=(), steps=(*reads, SHORT, *[forget] * 12)))
    frame = done.records(PV_DEL)[0][1]
    assert queues(done).pages[frame].queue == INACTIVE and not queues(done).pages[frame].pvs


def test_with_enough_memory_nothing_is_looked_at():
    done = ends_well(walked(inject=active(3, 4), steps=(WALK,)))
    assert acts(done) == [(3, 0, 5), (4, 0, 5)]


def test_a_page_whose_object_is_locked_is_waited_for_behind_a_marker():
    holder = [Kernel(routine="object_hold", arguments=(0,), cpu=1, holds=(Hold("object_hold.locked", for_ns=60_000),))]
    done = ends_well(walked(holder, inject=active(3, 4), steps=(Think(for_ns=20_000), SHORT, WALK)))
    assert len(done.records(LOCK_FAIL)) == 1
    assert acts(done)[-2:] == [(3, 5, 9), (4, 5, 9)]
    assert not [item for ring in queues(done).rings for item in ring.after if item < 0]


def test_a_page_requeued_while_its_object_was_waited_for_is_passed_over(monkeypatch):
    async def requeue(k):
        await k.acquire("object.1")
        frame = (await k.call("object.1", Lookup(3)))[0]
        await k.compute("keep", 60_000)
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Requeue(frame))
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "requeue", requeue)
    keeper = [Kernel(routine="requeue", cpu=1)]
    done = ends_well(walked(keeper, inject=active(3, 4), steps=(Think(for_ns=20_000), SHORT, WALK)))
    assert len(done.records(LOCK_FAIL)) == 1
    assert acts(done)[2:] == [(4, 5, 9)], "only the other is looked at"


def test_the_daemon_does_it_when_nobody_has_needed_it_for_a_while():
    """Every fourth interval; the fraction of the other three is nothing here."""
    scarce = Inject("free-frames", {"frames": 40})
    done = run(workload([Think(for_ns=100)], files=(DATA,), inject=(*active(3, 4), scarce)), frames=1000, until_ns=24_000_000)
    assert all_done(done)
    walks = [record for record in done.records(ENTER) if record[2] == "vm_pageout_page_stats"]
    assert len(walks) == 1
    assert acts(done)[-2:] == [(3, 5, 9), (4, 5, 9)]
    assert judged(done).violations == []


# A walk that went astray -------------------------------------------------------------------------------------------------------------

DROPS = Inject("page-stats-drops-queues", {})
TEXT = {"assert": "vm_pageout_page_stats: page 0x2 isn't active", "silent": ""}


def astray(form, *moves):
    walk = Kernel(routine="pageout_page_stats", holds=(Hold("vm_pageout_page_stats.dropped", task=1, index=len(moves) - 1),))
    moves[-1].announced, moves[0].delay_ns, moves[0].cpu = True, 50_000, 1
    inject = (*active(1), *active(2, act=0), *active(3), DROPS)
    return walked(list(moves), inject=inject, steps=(SHORT, walk), forms={"C29": form})


@pytest.mark.parametrize("form", TEXT)
def test_a_page_moved_meanwhile_is_noticed_or_not(form):
    done = astray(form, Kernel(routine="page_try_to_cache", arguments=(0, 2)))
    assert [record[2] for record in done.records(PANIC)] == [TEXT[form]] * (form == "assert")
    if form == "silent":
        assert [record[1:] for record in done.records(PAGE_QUEUE)][-1] == (2, 4, INACTIVE), "a cached page was deactivated"


@pytest.mark.parametrize("form", TEXT)
def test_a_page_freed_meanwhile_has_no_object(form):
    done = astray(form, Kernel(routine="page_free", arguments=(0, 2)))
    (text,) = (record[2] for record in done.records(PANIC))
    assert text == TEXT[form] or (form == "silent" and "NULL object" in text)
