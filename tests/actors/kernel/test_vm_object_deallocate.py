"""A reference given up: what goes with it, the shadow that takes over, and who is waited for (vm-facts 2.4)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from actors.kernel.pageout_scan import Scan, scan_inactive
from actors.kernel.vm_object import vm_object_reference, vm_object_share
from actors.kernel.vm_object_deallocate import vm_object_deallocate
from actors.kernel.vm_page import vm_page_free
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import CHAN_PIP, OBJ_DEAD, OBJ_ONEMAPPING, Describe, Enter, Header, Resident, SetFlag, SetType
from protocol.messages.pages import Deactivate, SetDirty
from protocol.pages import INACTIVE, OBJT_DEAD, OBJT_VNODE, VALID_ALL
from protocol.records import LOCK_FAIL, NOTE, OBJECT_COLLAPSE, PAGER_START, SLEEP
from protocol.workload import Access, Exit, Fork, Mmap, Munmap, Think
from tests.actors.kernel.object_kit import BOTTOM, FRONT, MIDDLE, chain, collapsed, locked, pages, queued, resident, scripted, shadow_of
from tests.actors.machine_audit import ends_well, objects, queues
from tests.actors.machine_kit import all_done, judged, outcomes, run, workload


async def header_of(k, obj):
    return Header(*await locked(k, obj, Describe()))


async def shared_chain(k, middle_refs=1):
    """A chain whose middle has one reference more, which is to be given up."""
    await chain(k)
    for _ in range(middle_refs):
        await vm_object_reference(k, MIDDLE)


def test_the_last_but_one_reference_leaves_the_object_to_its_only_shadow(monkeypatch):
    async def routine(k):
        await shared_chain(k)
        await pages(k, MIDDLE, 0, 1)
        await pages(k, FRONT, 1)
        await vm_object_deallocate(k, MIDDLE)

    done = scripted(monkeypatch, routine)
    assert all_done(done)
    assert collapsed(done) == [(FRONT, MIDDLE, "collapse", 1, 1), (FRONT, BOTTOM, "collapse", 0, 0)]
    assert (objects(done)[FRONT].refs, resident(done, FRONT)) == (1, [0, 1])
    assert objects(done)[MIDDLE].type == OBJT_DEAD


def test_while_others_refer_to_it_nothing_happens(monkeypatch):
    async def routine(k):
        await shared_chain(k, middle_refs=2)
        await vm_object_deallocate(k, MIDDLE)

    done = scripted(monkeypatch, routine)
    assert (collapsed(done), objects(done)[MIDDLE].refs) == ([], 2)


def test_while_two_objects_shadow_it_nothing_happens_and_then_it_goes_to_the_one_that_is_left(monkeypatch):
    async def routine(k):
        await shared_chain(k, middle_refs=2)
        second = await shadow_of(k, MIDDLE)
        await vm_object_deallocate(k, MIDDLE)
        await k.note(NOTE, "two")
        await vm_object_deallocate(k, second)

    done = scripted(monkeypatch, routine)
    told = [record[0] for _, _, records in done.entries for record in records if record[0] in (NOTE, OBJECT_COLLAPSE)]
    assert told == [NOTE, OBJECT_COLLAPSE, OBJECT_COLLAPSE]
    assert [row[:2] for row in collapsed(done)] == [(FRONT, MIDDLE), (FRONT, BOTTOM)]


def test_the_last_reference_ends_the_whole_chain_the_links_first(monkeypatch):
    async def routine(k):
        await chain(k)
        for obj in (FRONT, MIDDLE, BOTTOM):
            await pages(k, obj, 0)
        await vm_object_deallocate(k, FRONT)

    done = scripted(monkeypatch, routine)
    assert (collapsed(done), len(queues(done).pages)) == ([], 0)
    for obj in (FRONT, MIDDLE, BOTTOM):
        husk = objects(done)[obj]
        assert (husk.type, husk.refs, husk.shadow_count, husk.backing) == (OBJT_DEAD, 0, 0, "")
    assert judged(done).violations == []


def test_the_last_mapping_but_one_leaves_one_mapping(monkeypatch):
    async def routine(k):
        await chain(k)
        await vm_object_reference(k, FRONT)
        assert not (await header_of(k, FRONT)).flags & OBJ_ONEMAPPING
        await vm_object_deallocate(k, FRONT)

    done = scripted(monkeypatch, routine)
    assert objects(done)[FRONT].flags & OBJ_ONEMAPPING


@pytest.mark.parametrize("op", [SetFlag(OBJ_DEAD, 0), SetType(OBJT_VNODE)], ids=["dead", "of-a-file"])
def test_a_shadow_that_is_dying_or_no_anonymous_memory_takes_nothing_over(monkeypatch, op):
    async def routine(k):
        await shared_chain(k)
        await locked(k, FRONT, op)
        await vm_object_deallocate(k, MIDDLE)

    done = scripted(monkeypatch, routine)
    assert (collapsed(done), objects(done)[MIDDLE].refs, objects(done)[FRONT].refs) == ([], 1, 1)


def test_the_shadow_is_in_front_so_its_lock_is_only_tried_and_in_vain_the_thread_naps_for_a_tick(monkeypatch):
    """The holder of the front one wants the one behind it, as a fault does: with a lock that waits this would be a deadlock."""

    async def holder(k):
        await shared_chain(k)
        await k.acquire(FRONT)
        await k.compute("hold", 10_000)
        await k.acquire(MIDDLE)
        await k.release(MIDDLE)
        await k.release(FRONT)

    async def giver(k):
        await k.pause(6_000)
        await vm_object_deallocate(k, MIDDLE)

    done = scripted(monkeypatch, holder, giver, tick_ns=3_000)
    assert all_done(done)
    tries = [head[0] for head, _, records in done.entries for record in records if record[0] == LOCK_FAIL and record[2] == FRONT]
    assert len(tries) >= 2 and all(3_000 <= later - earlier < 4_000 for earlier, later in pairwise(tries))
    assert [row[2] for row in collapsed(done)] == ["collapse", "collapse"]
    assert objects(done)[FRONT].refs == 1


@pytest.mark.parametrize("paging", [FRONT, MIDDLE])
def test_paging_in_either_is_waited_for(monkeypatch, paging):
    async def giver(k):
        await shared_chain(k)
        await locked(k, paging, Enter(0, 1))
        await vm_object_deallocate(k, MIDDLE)

    async def pager(k):
        await k.pause(100_000)
        await k.note(NOTE, "paged")
        await locked(k, paging, Enter(0, -1))

    done = scripted(monkeypatch, giver, pager)
    assert all_done(done)
    assert [str(record[2]) for record in done.records(SLEEP) if record[3] != "pq"] == [CHAN_PIP]
    told = [record[0] for _, _, records in done.entries for record in records if record[0] in (NOTE, OBJECT_COLLAPSE)]
    assert told == [NOTE, OBJECT_COLLAPSE, OBJECT_COLLAPSE]
    assert judged(done).violations == []


def test_a_shadow_that_loses_its_own_last_reference_meanwhile_is_terminated(monkeypatch):
    async def giver(k):
        await shared_chain(k)
        await pages(k, FRONT, 1)
        await locked(k, FRONT, Enter(0, 1))
        await vm_object_deallocate(k, MIDDLE)

    async def other(k):
        await k.pause(100_000)
        await vm_object_deallocate(k, FRONT)
        await locked(k, FRONT, Enter(0, -1))

    done = scripted(monkeypatch, giver, other)
    assert all_done(done)
    assert collapsed(done) == []
    assert {objects(done)[obj].type for obj in (FRONT, MIDDLE, BOTTOM)} == {OBJT_DEAD}
    assert (judged(done).violations, len(queues(done).pages)) == ([], 0)


def freed_while_dying(monkeypatch):
    """An object's termination meets paging in progress; meanwhile an allocation takes a page of it, as from the cache queue."""

    async def giver(k):
        await chain(k)
        await pages(k, FRONT, 0, 1)
        await locked(k, FRONT, Enter(0, 1))
        await vm_object_deallocate(k, FRONT)

    async def other(k):
        await k.pause(100_000)
        await k.acquire(FRONT)
        rows = await k.call(FRONT, Resident(0, 1))
        if rows:
            await k.acquire(PAGE_QUEUES)
            await vm_page_free(k, rows[0][1], FRONT, 0)
            await k.release(PAGE_QUEUES)
        await k.release(FRONT)
        await k.compute("write", 1_000)
        await locked(k, FRONT, Enter(0, -1))

    return scripted(monkeypatch, giver, other)


def test_who_takes_a_page_of_a_dying_object_does_not_empty_it(monkeypatch):
    done = freed_while_dying(monkeypatch)
    assert (all_done(done), len(queues(done).pages)) == (True, 0)
    verdict = judged(done)
    assert verdict.violations == [] and verdict.counts["I-PIP"][0] > 0


def test_a_termination_that_does_not_wait_for_paging_is_told(monkeypatch):
    async def at_once(k, obj):
        pass

    monkeypatch.setattr("actors.kernel.vm_object_deallocate.vm_object_pip_wait", at_once)
    assert "I-PIP" in judged(freed_while_dying(monkeypatch)).names


@pytest.mark.parametrize("dead", [False, True])
def test_the_page_daemon_writes_nothing_of_a_dead_object(monkeypatch, dead):
    async def routine(k):
        await chain(k)
        (frame,) = await pages(k, FRONT, 0)
        await queued(k, Deactivate(frame), SetDirty(frame, VALID_ALL))
        if dead:
            await locked(k, FRONT, SetFlag(OBJ_DEAD, 0))
        await k.acquire(PAGE_QUEUES)
        await scan_inactive(k, Scan(passes=2, left=1, shortage=1, launder=1, after=0, extra=0))
        await k.release(PAGE_QUEUES)

    done = scripted(monkeypatch, routine)
    assert len(done.records(PAGER_START)) == (not dead)
    if dead:
        assert [page.queue for page in queues(done).pages.values()] == [INACTIVE]


# Where the kernel calls it ------------------------------------------------------------------------------------------------------


def generations(preset="repaired", **of):
    """A parent writes, forks, writes; the child writes and goes; and again. Then the parent writes once more."""
    parent, tasks, parents = [Mmap(1000, 1008), *[Access(1000 + i, write=True) for i in range(6)]], [], [-1]
    for child in range(1, 4):
        parent += [Fork(child, "fork"), *[Access(1000 + child + i, write=True) for i in range(2)], Think(200_000)]
        tasks.append([Access(1000 + child, write=True, cpu=1), Access(1005, cpu=1), Exit(cpu=1)])
        parents.append(0)
    parent += [Think(100_000), *[Access(1000 + i, write=True) for i in range(6)], Think(2_000_000)]
    return run(workload(parent, *tasks, parents=tuple(parents)), preset, until_ns=2_000_000, **of)


@pytest.mark.parametrize("preset", ["repaired", "freebsd-2006", "freebsd-2004"])
def test_children_that_come_and_go_leave_the_parent_with_one_object_and_its_own_pages(preset):
    done = generations(preset)
    assert [row[2] for row in collapsed(done)] == ["collapse"] * 3
    living = [obj for obj in objects(done).values() if obj.type != OBJT_DEAD and obj.name.startswith("object.") and obj.pages]
    assert [(obj.backing, obj.refs, len(obj.pages)) for obj in living] == [("", 1, 6)]
    assert outcomes(done)[-3:] == ["soft"] * 3, "what came up is only made writable again"


def test_a_part_that_is_unmapped_goes_with_what_is_behind_it():
    """The child's object shadows the parent's; the parent is gone. The pages of the part are found up here, and freed at once."""
    parent = [Mmap(1000, 1008), *[Access(1000 + i, write=True) for i in range(8)], Fork(1, "fork"), Exit()]
    child = [Access(1000, write=True, cpu=1), Think(300_000, cpu=1), Munmap(1004, 1008, cpu=1), Think(2_000_000, cpu=1)]
    done = run(workload(parent, child, parents=(-1, 0)), until_ns=1_500_000)
    living = [obj for obj in objects(done).values() if obj.type != OBJT_DEAD and obj.pages]
    assert [sorted(obj.pages) for obj in living] == [[0, 1, 2, 3]]


def test_half_of_a_split_mapping_takes_its_pages_with_it():
    steps = [Mmap(1000, 1009), *[Access(1000 + i, write=True) for i in range(9)], Munmap(1003, 1006), Munmap(1000, 1003), Think(2_000_000)]
    done = run(workload(steps), until_ns=1_500_000)
    living = [obj for obj in objects(done).values() if obj.type != OBJT_DEAD and obj.pages]
    assert [sorted(obj.pages) for obj in living] == [[6, 7, 8]]


def test_before_a_fork_shares_an_object_what_is_behind_it_is_collapsed(monkeypatch):
    async def routine(k):
        await chain(k)
        await pages(k, MIDDLE, 3)
        await vm_object_share(k, FRONT)

    done = scripted(monkeypatch, routine)
    assert [row[2:] for row in collapsed(done)] == [("collapse", 1, 0), ("collapse", 0, 0)]
    front = objects(done)[FRONT]
    assert (front.refs, front.backing, sorted(front.pages), front.flags & OBJ_ONEMAPPING) == (2, "", [3], 0)


def test_a_fork_goes_round_what_a_child_has_left(monkeypatch):
    """The parent has written all that the object behind has; a child still reads through that one while the parent forks again."""
    parent = [Mmap(1000, 1004), *[Access(1000 + i, write=True) for i in range(4)], Fork(1, "fork")]
    parent += [*[Access(1000 + i, write=True) for i in range(4)], Fork(2, "fork"), Think(500_000), Exit()]
    reader = [Access(1001, cpu=1), Think(400_000, cpu=1), Access(1002, cpu=1), Exit(cpu=1)]
    done = ends_well(run(workload(parent, reader, [Exit(cpu=1)], parents=(-1, 0, 0)), until_ns=20_000_000))
    assert [row[2:] for row in collapsed(done)][:1] == [("bypass", 0, 0)]
