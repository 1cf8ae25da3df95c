"""Collapse and bypass: what moves, what goes, in which order of locks, and what stops them (vm-facts 2.4)."""

from __future__ import annotations

import pytest

from actors.homes.indexes import Indexes
from actors.homes.pagers import Pager
from actors.kernel.vm_object import vm_object_reference
from protocol.identity import SWAP_PAGER
from protocol.messages.device import PagerHas
from protocol.messages.objects import OBJ_DEAD, Enter, Lookup, SetFlag, SetType, SetValid
from protocol.messages.pages import Hold, SetBusy, Unbusy, Wire
from protocol.pages import OBJT_DEAD, OBJT_SWAP, OBJT_VNODE, VALID_ALL
from protocol.records import ENTER, LEAVE, LOCK_ACQUIRE, LOCK_RELEASE, NOTE, PANIC, SLEEP
from tests.actors.kernel.object_kit import (
    BOTTOM,
    FRONT,
    MIDDLE,
    SIZE,
    chain,
    collapse,
    collapsed,
    locked,
    pages,
    queued,
    resident,
    scripted,
)
from tests.actors.kernel.test_steps import DROP
from tests.actors.machine_audit import objects, queues
from tests.actors.machine_kit import judged, words


def indexes(*members):
    made = Indexes()
    for member in members:
        made.add(member)
    return made


# What moves, and where it goes -------------------------------------------------------------------------------------------------


def test_pages_behind_move_up_unless_the_object_in_front_has_its_own_or_ends_before_them(monkeypatch):
    async def routine(k):
        await chain(k, offset=2)
        await pages(k, FRONT, 0)
        await pages(k, MIDDLE, 1, 2, 3)
        await pages(k, BOTTOM, 0, 5, 6, 7)
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == [(FRONT, MIDDLE, "collapse", 1, 2), (FRONT, BOTTOM, "collapse", 2, 2)]
    assert resident(done, FRONT) == [0, 1, 2, 3]
    front = objects(done)[FRONT]
    assert (front.backing, front.refs, front.shadow_count) == ("", 1, 0)
    for gone in (MIDDLE, BOTTOM):
        husk = objects(done)[gone]
        assert (husk.type, husk.refs, husk.shadow_count, husk.shadow_head, husk.pages) == (OBJT_DEAD, 0, 0, [], {})
    records = {page.pindex: page for page in queues(done).pages.values()}
    assert sorted(records) == [0, 1, 2, 3] and {page.object for page in records.values()} == {FRONT}
    assert [bool(records[pindex].dirty) for pindex in range(4)] == [False, True, True, True], "what was renamed is dirty"


def test_the_object_in_front_takes_the_place_of_the_one_behind(monkeypatch):
    async def routine(k):
        await chain(k, offset=1)
        await vm_object_reference(k, BOTTOM)
        await pages(k, BOTTOM, 7)
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == [(FRONT, MIDDLE, "collapse", 0, 0)]
    front, bottom = objects(done)[FRONT], objects(done)[BOTTOM]
    assert (front.backing, front.backing_offset) == (BOTTOM, 2)
    assert (bottom.refs, bottom.shadow_count, bottom.shadow_head) == (2, 1, [FRONT])
    assert judged(done).violations == []


def test_collapse_in_steps(monkeypatch):
    async def routine(k):
        await chain(k)
        await vm_object_reference(k, BOTTOM)
        await pages(k, BOTTOM, 7)
        await pages(k, MIDDLE, 0, 1)
        await pages(k, FRONT, 1)
        await collapse(k)

    done = scripted(monkeypatch, routine)
    of_thread = [(head[3], record) for head, _, records in done.entries for record in records]
    first = next(place for place, (_, record) in enumerate(of_thread) if record[0] == ENTER and record[2] == "vm_object_collapse")
    last = next(place for place, (_, record) in enumerate(of_thread) if record[0] == LEAVE and record[2] == "vm_object_collapse")
    found = words(of_thread[first : last + 1], drop=DROP)
    look = ["+pq", "-pq"]
    assert found == [
        "enter", "+obj",
        *look, "+pq", "object.remove", "object.insert", "object.valid", "page.rebind", "page.dirty", "-pq",
        *look, "+pq", "object.remove", "page.queue", "page.release", "+fq", "-fq", "-pq", "free.put",
        "object.shadow-count", "+obj", "-obj", "object.backing", "object.collapse", "-obj", "object.backing", "object.type",
        "+obj", "-obj", "leave",
    ]  # fmt: skip


def test_objects_are_locked_from_front_to_back(monkeypatch):
    async def routine(k):
        await chain(k)
        await vm_object_reference(k, BOTTOM)
        await pages(k, BOTTOM, 7)
        await k.note(NOTE, "begin")
        await collapse(k)

    done = scripted(monkeypatch, routine)
    wanted = [
        ("acquire", FRONT), ("acquire", MIDDLE), ("acquire", BOTTOM), ("release", BOTTOM), ("release", MIDDLE),
        ("acquire", BOTTOM), ("release", BOTTOM), ("release", FRONT),
    ]  # fmt: skip
    names = {LOCK_ACQUIRE: "acquire", LOCK_RELEASE: "release"}
    records = [record for _, _, records in done.entries for record in records]
    begun = records.index(next(record for record in records if record[0] == NOTE))
    found = [(names[record[0]], record[2]) for record in records[begun:] if record[0] in names and str(record[2]).startswith("object")]
    assert found == wanted


def test_blocks_of_swap_move_where_the_object_in_front_has_none_of_its_own(monkeypatch):
    """Of the pages that are resident the blocks go: they are dirty where they come to."""

    async def routine(k):
        await chain(k, offset=1)
        for obj in (FRONT, MIDDLE):
            await locked(k, obj, SetType(OBJT_SWAP))
        await pages(k, MIDDLE, 1)
        await collapse(k)
        for pindex in range(SIZE):
            if await k.call(SWAP_PAGER, PagerHas(FRONT, pindex)):
                await k.note(NOTE, str(pindex))

    bind = Pager.bind

    def with_blocks(self, port):
        if self.swap:
            self.blocks = {MIDDLE: indexes(0, 1, 2, 3, 7), FRONT: indexes(2)}
        return bind(self, port)

    monkeypatch.setattr(Pager, "bind", with_blocks)
    done = scripted(monkeypatch, routine)
    assert [int(record[1]) for record in done.records(NOTE)] == [1, 2, 6]
    assert resident(done, FRONT) == [0]
    assert MIDDLE not in done.actors[SWAP_PAGER].blocks


# Bypass ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("middle", [(), (0, 3)], ids=["nothing", "some"])
def test_an_object_goes_round_one_that_others_refer_to_if_it_has_all_that_that_one_has(monkeypatch, middle):
    async def routine(k):
        await chain(k, offset=1)
        await vm_object_reference(k, MIDDLE)
        await vm_object_reference(k, BOTTOM)
        await pages(k, BOTTOM, 5)
        await pages(k, MIDDLE, *middle)
        await pages(k, FRONT, *[pindex - 1 for pindex in middle if pindex])
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == [(FRONT, MIDDLE, "bypass", 0, 0)]
    front, behind, bottom = (objects(done)[name] for name in (FRONT, MIDDLE, BOTTOM))
    assert (behind.refs, behind.shadow_count, resident(done, MIDDLE)) == (1, 0, list(middle))
    assert (front.backing, front.backing_offset) == (BOTTOM, 2)
    assert (bottom.refs, bottom.shadow_count, bottom.shadow_head) == (3, 2, [FRONT, MIDDLE])
    assert judged(done).violations == []


def test_one_with_a_page_everywhere_asks_for_no_pages_and_shadows_nothing_in_the_end(monkeypatch):
    async def routine(k):
        await chain(k)
        for obj in (MIDDLE, BOTTOM):
            await vm_object_reference(k, obj)
            await locked(k, obj, SetType(OBJT_SWAP))
        await pages(k, FRONT, *range(SIZE))
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == [(FRONT, MIDDLE, "bypass", 0, 0), (FRONT, BOTTOM, "bypass", 0, 0)]
    assert (objects(done)[FRONT].backing, objects(done)[BOTTOM].refs) == ("", 2)


@pytest.mark.parametrize("lacks", ["a page", "a valid page", "nothing, but the one behind has a pager"])
def test_it_does_not_go_round_if_something_may_be_found_there_only(monkeypatch, lacks):
    async def routine(k):
        await chain(k)
        await vm_object_reference(k, MIDDLE)
        await pages(k, MIDDLE, 0, 3)
        await pages(k, FRONT, 0)
        if lacks != "a page":
            await pages(k, FRONT, 3)
        if lacks == "a valid page":
            await locked(k, FRONT, SetValid(3, 0))
        elif "pager" in lacks:
            await locked(k, MIDDLE, SetType(OBJT_SWAP))
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == []
    assert (objects(done)[FRONT].backing, objects(done)[MIDDLE].refs) == (MIDDLE, 2)


# What stops it -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paging", [FRONT, MIDDLE])
def test_paging_in_progress_leaves_the_object_and_only_idle_pages_move_up(monkeypatch, paging):
    async def routine(k):
        await chain(k)
        _, busy, wired, held, _ = await pages(k, MIDDLE, 0, 1, 2, 3, 4)
        await locked(k, MIDDLE, SetValid(4, 0))
        await queued(k, SetBusy(busy), Wire(wired), Hold(held, 1))
        await locked(k, paging, Enter(0, 1))
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert collapsed(done) == [(FRONT, MIDDLE, "pages", 1, 0)]
    assert (resident(done, FRONT), resident(done, MIDDLE)) == ([0], [1, 2, 3, 4])
    assert (objects(done)[FRONT].backing, objects(done)[MIDDLE].refs, objects(done)[MIDDLE].flags & OBJ_DEAD) == (MIDDLE, 1, 0)


def test_paging_in_progress_where_others_refer_to_it_moves_nothing(monkeypatch):
    async def routine(k):
        await chain(k)
        await vm_object_reference(k, MIDDLE)
        await pages(k, MIDDLE, 0)
        await pages(k, FRONT, 0)
        await locked(k, FRONT, Enter(0, 1))
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert (collapsed(done), objects(done)[FRONT].backing, resident(done, MIDDLE)) == ([], MIDDLE, [0])


@pytest.mark.parametrize("obj", [FRONT, MIDDLE])
@pytest.mark.parametrize("op", [SetFlag(OBJ_DEAD, 0), SetType(OBJT_VNODE)], ids=["dead", "of-a-file"])
def test_a_dead_object_and_a_file_are_left_alone(monkeypatch, obj, op):
    async def routine(k):
        await chain(k)
        await locked(k, obj, op)
        await collapse(k)

    done = scripted(monkeypatch, routine)
    assert (collapsed(done), objects(done)[FRONT].backing) == ([], MIDDLE)


def test_a_busy_page_is_waited_for_with_both_objects_unlocked_and_the_one_behind_dead(monkeypatch):
    async def first(k):
        await chain(k)
        (frame,) = await pages(k, MIDDLE, 0)
        await queued(k, SetBusy(frame))
        await collapse(k)

    async def second(k):
        await k.pause(100_000)
        await k.acquire(FRONT)
        await k.acquire(MIDDLE)
        seen = [(await k.call(MIDDLE, Lookup(0, alive)))[:2] for alive in (True, False)]
        await k.note(NOTE, f"{seen[0] == (-1, OBJT_DEAD)} {seen[1][1] == VALID_ALL}")
        await queued(k, Unbusy(seen[1][0]))
        await k.release(MIDDLE)
        await k.release(FRONT)

    done = scripted(monkeypatch, first, second)
    assert [str(record[1]) for record in done.records(NOTE)] == ["True True"]
    assert [str(record[2]).partition(".")[0] for record in done.records(SLEEP)][-1:] == ["page"]
    assert collapsed(done) == [(FRONT, MIDDLE, "collapse", 1, 0), (FRONT, BOTTOM, "collapse", 0, 0)]
    assert resident(done, FRONT) == [0]


def test_who_gets_a_reference_on_an_object_that_is_being_collapsed_makes_the_kernel_panic(monkeypatch):
    async def first(k):
        await chain(k)
        (frame,) = await pages(k, MIDDLE, 0)
        await queued(k, SetBusy(frame))
        await k.note(NOTE, str(frame))
        await collapse(k)

    async def second(k):
        await k.pause(100_000)
        await vm_object_reference(k, MIDDLE)
        await k.acquire(MIDDLE)
        await queued(k, Unbusy((await k.call(MIDDLE, Lookup(0)))[0]))
        await k.release(MIDDLE)

    done = scripted(monkeypatch, first, second)
    assert [str(record[2]) for record in done.records(PANIC)] == [f"backing_object {MIDDLE} was somehow re-referenced during collapse!"]
