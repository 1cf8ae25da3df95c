"""Checks about what belongs to what: a page to its object, a frame to one owner, a range to one entry of a map."""

from __future__ import annotations

import pytest

from protocol import records as r
from protocol.checks import Suite
from protocol.messages.objects import OBJ_DEAD
from protocol.pages import ACTIVE, BUSY, FREE, NONE, OBJT_DEAD, UNMANAGED
from tests.protocol.checks.stream import MACHINE, MAP, OBJECT, OTHER, PMAP, QUIET_NS, Stream, judge, speaks_first


def unmapped_page() -> Stream:
    """A page of an object, idle and unmapped."""
    return Stream().fault(0, 3, 5).unmap(0, 3, 105)


# I-REMOVE-OBJ -------------------------------------------------------------------------------------------------------------------


def freed_under(*locks: str) -> Stream:
    """A page is freed with these locks held; the page queues' home finds that it is not both that it asks for."""
    s = unmapped_page().acquire(0, *locks).at(OBJECT, (r.OBJECT_REMOVE, 5, 3))
    s.at(
        "pq",
        (r.UNGUARDED, "object", "pq", 0, "object and pq"),
        (r.PAGE_QUEUE, 3, ACTIVE, NONE),
        (r.PAGE_RELEASE, 3, OBJECT, 5, FREE),
    )
    return s.put(0, 3).release(0, *reversed(locks))


@pytest.mark.parametrize("locks", [("pq",), (), (OTHER, "pq")])
def test_remove_object_hears_a_page_freed_without_its_objects_lock(locks):
    found = [v.message for v in judge(freed_under(*locks))[0] if v.check == "I-REMOVE-OBJ"]
    assert found == [f"vm page 0x3: removed from {OBJECT} by thread 0: mutex vm object not owned"]


def test_remove_object_does_not_say_so_of_the_page_queues_lock():
    found, evaluated = judge(freed_under(OBJECT))
    assert [v.check for v in found] == ["I-LOCKSET"]
    assert evaluated["I-REMOVE-OBJ"] == (2, 0)


def test_remove_object_judges_a_rename_by_the_object_that_the_page_leaves():
    def renamed(lock: str) -> Stream:
        s = unmapped_page().acquire(0, lock, "pq").at(OTHER, (r.OBJECT_INSERT, 1, 3)).at(OBJECT, (r.OBJECT_REMOVE, 5, 3))
        s.at("pq", (r.UNGUARDED, "object", "pq", 0, "object and pq"), (r.PAGE_REBIND, 3, OTHER, 1, OBJECT, 5))
        return s.release(0, "pq", lock)

    assert "I-REMOVE-OBJ" not in {v.check for v in judge(renamed(OBJECT))[0]}
    assert [v.message for v in judge(renamed(OTHER))[0] if v.check == "I-REMOVE-OBJ"] == [
        f"vm page 0x3: removed from {OBJECT} by thread 0: mutex vm object not owned"
    ]


def test_remove_object_hears_the_objects_own_word():
    s = unmapped_page().acquire(0, "pq").at(OBJECT, (r.UNGUARDED, "memq", OBJECT, 0, OBJECT), (r.OBJECT_REMOVE, 5, 3))
    assert speaks_first(s, "I-LOCKSET")
    assert "I-REMOVE-OBJ" in {v.check for v in judge(s)[0]}


# I-SINGLE-OWNER -----------------------------------------------------------------------------------------------------------------


def spoken(s: Stream) -> list[str]:
    """What I-SINGLE-OWNER alone says of a stream."""
    return [v.message for v in judge(s, "limit", ("I-SINGLE-OWNER",))[0]]


def test_single_owner_hears_a_page_of_an_object_put_on_the_free_list():
    assert spoken(Stream().fault(0, 3, 5).put(1, 3)) == [f"vm page 0x3: put on the free list, but it belongs to {OBJECT} at 5"]


def test_single_owner_hears_a_page_of_an_object_taken_from_the_free_list():
    assert spoken(Stream().fault(0, 3, 5).take(1, 3)) == [f"vm page 0x3: taken from the free list, but it belongs to {OBJECT} at 5"]


def test_single_owner_hears_a_frame_taken_twice_before_it_is_a_page():
    words = "vm page 0x3: taken from the free list, but it belongs to another allocation that has taken it"
    assert spoken(Stream().take(0, 3).take(1, 3)) == [words]


def test_single_owner_allows_a_frame_that_was_only_zeroed_to_go_back():
    assert spoken(Stream().take(0, 3).put(0, 3).take(1, 3)) == []


@pytest.mark.parametrize(("obj", "excused"), [("object.pte1.cpu.0", True), (OBJECT, False)])
def test_single_owner_lets_a_page_table_have_the_pages_of_its_own_object_only(obj, excused):
    s = Stream().take(0, 4).at("pq", (r.PAGE_BIND, 4, obj, 0, 1, UNMANAGED, 0, 0)).at(PMAP, (r.PT_INSTALL, 1, 9, 4))

    def found(form: str) -> list[str]:
        suite = Suite(("I-SINGLE-OWNER",), MACHINE, {"C14": form})
        return [v.message for v in suite.step(s.entries)]

    words = [f"vm page 0x4: made a page-table page of {PMAP}, but it belongs to {obj} at 0"]
    assert found("no-object") == words
    assert found("pte-object") == ([] if excused else words)


# I-TREE -------------------------------------------------------------------------------------------------------------------------


def test_tree_says_once_that_a_half_is_missing_and_the_late_one_takes_it_back():
    s = unmapped_page().acquire(0, OBJECT).at(OBJECT, (r.OBJECT_REMOVE, 5, 3)).release(0, OBJECT).acquire(1, OBJECT).release(1, OBJECT)
    words = f"{OBJECT}: vm page 0x3 at 5 is not on its list, but names it as its owner"
    assert speaks_first(s, "I-TREE", "limit").message == words
    late = s.at("pq", (r.PAGE_QUEUE, 3, ACTIVE, NONE), (r.PAGE_RELEASE, 3, OBJECT, 5, FREE)).acquire(2, OBJECT).release(2, OBJECT)
    assert [v.message for v in judge(late, "limit", ("I-TREE",))[0]] == [words]
    again = late.at(OBJECT, (r.OBJECT_INSERT, 5, 3)).acquire(3, OBJECT).release(3, OBJECT)
    assert [v.message for v in judge(again, "limit", ("I-TREE",))[0]][1:] == [
        f"{OBJECT}: vm page 0x3 at 5 is on its list, but names another owner"
    ]


# I-REFLIFE ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("routine", "arguments"), [("vm_page_sleep_if_busy", (3, OTHER)), ("vm_page_grab", (OTHER, 5))])
def test_reflife_hears_an_object_that_goes_while_somebody_means_to_lock_it_again(routine, arguments):
    def freed(*back: object) -> Stream:
        s = Stream().on(0, (r.OBJECT_NEW, OTHER, 0, 8, 0, "", 0)).on(1, (r.ENTER, 1, routine, arguments, ()))
        if back:
            s.on(1, (r.LEAVE, 1, routine, *back, ()))
        return s.at(OTHER, (r.OBJECT_FLAGS, 0, OBJ_DEAD), (r.OBJECT_TYPE, 0, OBJT_DEAD))

    assert not judge(freed("slept"), "limit")[0]
    words = f"{OTHER}: freed while thread 1 slept for a page of it, and will lock it again"
    assert speaks_first(freed(), "I-REFLIFE", "limit").message == words


# I-REFCOUNT ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "own"),
    [("object.1", " and the file itself does"), ("object.kernel", " and the kernel does"), ("object.uma", " and the kernel does")],
)
def test_refcount_says_whose_reference_is_an_objects_own(name, own):
    s = Stream().at(name, (r.OBJECT_REFS, 1, 3))
    s.now += QUIET_NS
    words = f"{name}: reference count 3, but 0 map entries and 0 shadows refer to it{own}"
    assert [v.message for v in judge(s.flush(0), names=("I-REFCOUNT",))[0]] == [words]


# I-BUSY-VISIBLE -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [True, False])
def test_busy_visible_judges_a_page_that_goes_into_an_object_in_transition(busy):
    s = Stream().take(0, 4).at("pq", (r.PAGE_BIND, 4, "", 0, 0, BUSY if busy else 0, 0, 0)).on(0, (r.TRANSITION, 0, 4, OBJECT, 0, True))
    s.at("pq", (r.PAGE_REBIND, 4, OBJECT, 0, "", 0))
    words = f"vm page 0x4: put into {OBJECT}, still in transition and not busy"
    assert [v.message for v in judge(s, "limit", ("I-BUSY-VISIBLE",))[0]] == ([] if busy else [words])


# I-PIP --------------------------------------------------------------------------------------------------------------------------


def test_pip_excuses_a_completion_that_is_half_way_when_the_run_ends():
    def completing(done: bool) -> Stream:
        s = unmapped_page().at(OBJECT, (r.OBJECT_PIP, 0, 1)).on(0, (r.TRANSITION, 0, 3, OBJECT, 5, True))
        s.enter(2, "swp_pager_async_iodone").on(2, (r.TRANSITION, 2, 3, OBJECT, 5, False))
        if done:
            s.leave(2, "swp_pager_async_iodone")
        s.now += QUIET_NS
        return s.flush(0, pmap="")

    assert not judge(completing(False), names=("I-PIP",))[0]
    assert [v.message for v in judge(completing(True), names=("I-PIP",))[0]] == [
        f"{OBJECT}: paging_in_progress is 1, but nothing is under way"
    ]


# I-MAP --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(100, 150, f"the entry there is 0x64 to 0xc8 of {OTHER} from 0"), (500, 600, "no entry begins at 0x1f4")],
)
def test_map_hears_what_is_no_entry_wired(start, end, found):
    s = Stream().at(MAP, (r.MAP_ADD, 100, 200, OTHER, 0, 3, 0), (r.MAP_WIRE, 100, 200, True))
    assert not judge(s, "limit")[0]
    s.at(MAP, (r.MAP_WIRE, start, end, False))
    assert speaks_first(s, "I-MAP", "limit").message == f"{MAP}: {start:#x} to {end:#x} no longer wired, but {found}"
