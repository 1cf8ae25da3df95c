"""Each check about pages: silent on a correct stream, and the first to speak on its mutant."""

from __future__ import annotations

import pytest

from protocol import records as r
from protocol.checks import CHECKS
from protocol.pages import ACTIVE, CACHE, FAKE, FREE, HOLD, INACTIVE, NONE, PTE_MANAGED, UNMANAGED, WANTED
from tests.protocol.checks.stream import OBJECT, PMAP, QUIET_NS, RW, Stream, judge, plain_story, speaks_first, story, unmapped


def test_a_correct_story_breaks_nothing_and_exercises_every_check():
    found, evaluated = judge(story())
    assert not found
    assert list(evaluated) == list(CHECKS)
    assert [name for name, (count, _) in evaluated.items() if count == 0] == []


def test_an_empty_run_exercises_nothing():
    found, evaluated = judge(Stream())
    assert not found
    assert all(counts == (0, 0) for counts in evaluated.values())


# I-FREE-CLEAN, I-FREE-UNMAPPED --------------------------------------------------------------------------------------------------


def test_free_clean_hears_a_page_freed_while_mapped():
    s = Stream().fault(0, 1, 0).flush(0).free_page(0, 1, 0)
    assert speaks_first(s, "I-FREE-CLEAN").message == f"vm page 0x1: freed while mapped ({PMAP} va 0x64000)"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ((r.PAGE_WIRE, 1, 0, 1), "wired 1 times"),
        ((r.PAGE_BUSY, 1, 0), "busied by thread 0"),
        ((r.PAGE_COW, 1, 0, 2), "being sent (2 in flight)"),
        ((r.PAGE_HOLD, 1, 0, 1), "held 1 times"),
    ],
)
def test_free_clean_hears_a_page_freed_while_somebody_relies_on_it(record, words):
    s = unmapped().at("pq", (r.PAGE_QUEUE, 1, ACTIVE, NONE), record)
    s.queues[1] = NONE
    assert speaks_first(s.free_page(0, 1, 0), "I-FREE-CLEAN").message == f"vm page 0x1: freed while {words}"


def test_free_clean_allows_a_held_page_to_wait_on_hold():
    def freed(queue: int) -> Stream:
        s = unmapped().at("pq", (r.PAGE_QUEUE, 1, ACTIVE, NONE), (r.PAGE_HOLD, 1, 0, 1)).acquire(0, OBJECT, "pq")
        return s.at(OBJECT, (r.OBJECT_REMOVE, 0, 1)).at("pq", (r.PAGE_RELEASE, 1, OBJECT, 0, queue)).release(0, "pq", OBJECT)

    assert not judge(freed(HOLD))[0]
    assert speaks_first(freed(FREE), "I-FREE-CLEAN").message == "vm page 0x1: freed while held 1 times"


@pytest.mark.parametrize(
    ("actor", "record"),
    [
        ("pq", (r.PAGE_BUSY, 9, 0)),
        ("pq", (r.PAGE_WIRE, 9, 0, 1)),
        ("pq", (r.PAGE_HOLD, 9, 0, 1)),
        ("pq", (r.PAGE_DIRTY, 9, 0, 255)),
        ("pq", (r.PAGE_FLAGS, 9, 0, 0x10)),
        ("pq", (r.PV_ADD, 9, PMAP, 5)),
        (PMAP, (r.PTE_SET, 5, 9, RW & ~PTE_MANAGED, -1, 0)),
        ("cpu.0", (r.STORE, 0, PMAP, 5, 9)),
    ],
)
def test_free_clean_hears_any_use_of_a_free_frame(actor, record):
    s = story().at(actor, record)
    assert "vm page 0x9" in speaks_first(s, "I-FREE-CLEAN").message


def test_free_clean_hears_a_page_left_in_its_object_when_the_lock_is_next_taken():
    s = story().drop(r.OBJECT_REMOVE).acquire(2, OBJECT).release(2, OBJECT)
    found = speaks_first(s, "I-FREE-CLEAN")
    assert found.message == f"vm page 0x1: freed but still resident in {OBJECT} at 0"
    assert found.actor == "cpu.1", "the next owner of the object's lock"


def test_free_clean_allows_the_removal_to_arrive_late():
    s = Stream().fault(0, 1, 0).unmap(0, 1, 100).free_page(0, 1, 0)
    place, index = s.find(r.OBJECT_REMOVE)
    late = s.entries[place][2].pop(index)
    s.at(OBJECT, late).acquire(1, OBJECT).release(1, OBJECT)
    assert not judge(s)[0]
    assert judge(s)[1]["I-FREE-CLEAN"][0] > 0


@pytest.mark.parametrize("removal_first", [True, False])
def test_free_clean_hears_a_soft_busy_page_freed(removal_first):
    """The object's half and the page's go to two homes, and either may be there first."""

    def freed(soft: int) -> Stream:
        s = Stream().fault(0, 1, 0).unmap(0, 1, 100).at(OBJECT, (r.OBJECT_IO, 0, 1, 0, soft)).free_page(0, 1, 0)
        return s if removal_first else s.move_before(r.PAGE_RELEASE, r.OBJECT_REMOVE).move_before(r.PAGE_QUEUE, r.PAGE_RELEASE, old=ACTIVE)

    assert not judge(freed(0))[0]
    assert speaks_first(freed(1), "I-FREE-CLEAN").message == f"vm page 0x1: freed while soft-busy in {OBJECT} at 0"


def test_free_unmapped_hears_a_page_freed_before_its_shootdown():
    s = Stream().fault(0, 7, 0).fill(1, 7, 100)
    s.acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 7, RW)).at("pq", (r.PV_DEL, 7, PMAP, 100, True, False)).release(0, "pq")
    s.free_page(2, 7, 0).shoot(0, 100, 101, 1).release(0, PMAP)
    found = speaks_first(s, "I-FREE-UNMAPPED")
    assert found.actor == "fq"
    assert found.message == (
        f"vm page 0x7: on the free list but cpu.0's TLB still maps it ({PMAP} va 0x64000; no shootdown under way); "
        f"cpu.1's TLB still maps it ({PMAP} va 0x64000; no shootdown under way)"
    )


def test_free_unmapped_names_the_shootdown_that_is_under_way():
    s = Stream().fault(0, 7, 0).flush(0).fill(1, 7, 100).acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 7, RW))
    s.at("pq", (r.PV_DEL, 7, PMAP, 100, True, False)).release(0, "pq")
    s.acquire(0, "smp").on(0, (r.SHOOT_BEGIN, 0, PMAP, 100, 101, (1,)))
    s.free_page(2, 7, 0).flush(1, 100, 101).on(0, (r.SHOOT_DONE, 0, PMAP, 100, 101, (1,), 9)).release(0, "smp", PMAP)
    found = speaks_first(s, "I-FREE-UNMAPPED")
    assert found.message.endswith(f"cpu.1's TLB still maps it ({PMAP} va 0x64000; shootdown by thread 0 not acknowledged)")


def test_free_unmapped_hears_a_fill_with_a_free_frame():
    s = story().fill(2, 40, 400)
    assert "on the free list but enters cpu.2's TLB" in speaks_first(s, "I-FREE-UNMAPPED", ended="limit").message


def test_free_unmapped_knows_evictions_replacements_and_loads():
    s = Stream().fault(0, 7, 0, bits=RW)
    s.fill(1, 7, 100).on(1, (r.TLB_EVICT, PMAP, 100)).fill(2, 7, 100).flush(2, pmap="").fill(3, 7, 100).fill(3, 7, 100)
    s.unmap(0, 7, 100, 3).free_page(0, 7, 0)
    assert not judge(s)[0]


# I-UNIQUE, I-BUSY-XOR, I-WANT ---------------------------------------------------------------------------------------------------


def test_unique_hears_two_pages_at_one_offset():
    s = story().change(r.OBJECT_INSERT, nth=1, to=lambda record: (record[0], 0, record[2]))
    assert speaks_first(s, "I-UNIQUE").message == f"{OBJECT}: vm page 0x2 inserted at offset 0, where vm page 0x1 already is"


@pytest.mark.parametrize(
    ("mutate", "words"),
    [
        (lambda s: s.drop(r.PAGE_UNBUSY).at("pq", (r.PAGE_BUSY, 1, 5)), "busied by thread 5 while busied by thread 0"),
        (lambda s: s.change(r.PAGE_UNBUSY, to=lambda x: (x[0], x[1], 9)), "un-busied by thread 9, but it is thread 0 that made it busy"),
        (lambda s: s.at("pq", (r.PAGE_UNBUSY, 1, 0)), "page not busy, but un-busied by thread 0"),
    ],
)
def test_busy_xor_hears(mutate, words):
    s = mutate(Stream().fault(0, 1, 0))
    assert words in speaks_first(s, "I-BUSY-XOR").message


def test_want_hears_a_lost_wakeup():
    s = story().drop(r.WAKEUP)
    assert speaks_first(s, "I-WANT").message == "vm page 0x3: no longer busy, but thread 2 asleep on it and not woken"


def test_want_hears_a_sleep_without_a_reason():
    assert "although it is not busy" in speaks_first(Stream().fault(0, 1, 0).sleep_on(1, 1), "I-WANT").message
    assert "while it is on the free list" in speaks_first(Stream().sleep_on(1, 1).drop(r.PAGE_FLAGS), "I-WANT").message


def test_want_allows_a_soft_busy_page_whose_wakeup_is_under_way_and_judges_it_at_the_end():
    def soft(woken: bool) -> Stream:
        s = Stream().fault(0, 1, 0).at(OBJECT, (r.OBJECT_IO, 0, 1, 0, 1))
        s.acquire(1, "pq").at("pq", (r.PAGE_FLAGS, 1, 0, WANTED)).at(OBJECT, (r.OBJECT_IO, 0, 1, 1, 0))
        s.on(1, (r.LOCK_RELEASE, 1, "pq", s.fences, 10, 0), (r.SLEEP, 1, "page.1", "pq"))
        return s.acquire(0, "pq").at("pq", (r.WAKEUP, "page.1", (1,))).release(0, "pq") if woken else s

    assert not judge(soft(True))[0]
    assert not judge(soft(False), ended="limit")[0]
    assert "asleep on it since" in speaks_first(soft(False), "I-WANT", ended="stuck").message


def test_want_hears_a_page_freed_under_a_sleeper():
    s = Stream().fault(0, 1, 0).unmap(0, 1, 100).at(OBJECT, (r.OBJECT_IO, 0, 1, 0, 1)).sleep_on(2, 1)
    s.enter(0).acquire(0, OBJECT, "pq").at(OBJECT, (r.OBJECT_IO, 0, 1, 1, 0), (r.OBJECT_REMOVE, 0, 1))
    s.queue(1, NONE).at("pq", (r.PAGE_RELEASE, 1, OBJECT, 0, FREE)).release(0, "pq", OBJECT).leave(0)
    assert "thread 2 asleep on it and not woken" in speaks_first(s, "I-WANT").message


# I-PV-PTE, I-CACHE --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [(r.PV_ADD, "has a PTE but no pv entry"), (r.PTE_SET, "has a pv entry but no PTE"), (r.PV_DEL, "has a pv entry but no PTE")],
)
def test_pv_pte_hears_half_a_mapping_when_the_lock_changes_hands(number, words):
    s = story().drop(number)
    if number == r.PTE_SET:
        s.drop(r.PT_REFS)
    found = speaks_first(s, "I-PV-PTE")
    assert words in found.message
    assert found.actor.startswith("cpu."), "judged at the next lock.acquire of the page-queues lock"


def test_pv_pte_allows_half_a_mapping_under_the_lock_and_across_a_recursive_acquire():
    s = Stream().fault(0, 1, 0)
    s.acquire(0, "pq", PMAP).at(PMAP, (r.PTE_SET, 100, 1, RW, 1, RW)).acquire(0, "pq", depth=2)
    s.at("pq", (r.PV_DEL, 1, PMAP, 100, False, False)).at("pq", (r.PV_ADD, 1, PMAP, 100)).release(0, "pq", depth=1)
    s.release(0, "pq", PMAP).acquire(1, "pq").release(1, "pq")
    assert not judge(s)[0]


def test_pv_pte_knows_a_managed_page_whatever_its_entry_says():
    def mapped(flags: int, frame: int) -> Stream:
        s = Stream().take(0, 5).at("pq", (r.PAGE_BIND, 5, OBJECT, 0, 1, flags, 0, 0)).acquire(0, "pq", PMAP)
        return s.at(PMAP, (r.PTE_SET, 7, frame, RW & ~PTE_MANAGED, -1, 0)).release(0, PMAP, "pq").acquire(1, "pq").release(1, "pq")

    found, _ = judge(mapped(0, 5), "limit", ("I-PV-PTE",))
    assert [v.message for v in found] == [
        f"vm page 0x5: {PMAP} va 0x7000 has a PTE but no pv entry although the page-queues lock has changed hands"
    ]
    assert not judge(mapped(UNMANAGED, 5), "limit", ("I-PV-PTE",))[0]
    assert not judge(mapped(0, FAKE + 5), "limit", ("I-PV-PTE",))[0], "a device's memory"


def test_pv_pte_judges_half_a_mapping_at_the_end():
    s = Stream().fault(0, 1, 0).enter(0).acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW))
    assert not judge(s, names=("I-PV-PTE",))[0], "somebody is at work"
    s.flush(0).release(0, PMAP, "pq").leave(0)
    assert not judge(s, names=("I-PV-PTE",))[0], "what was posted may be on its way"
    since = s.entries[s.find(r.PTE_CLEAR)[0]][0][0]
    s.now += QUIET_NS
    s.flush(0)
    assert not judge(s, "limit", ("I-PV-PTE",))[0]
    found = speaks_first(s, "I-PV-PTE")
    assert found.message == f"vm page 0x1: {PMAP} va 0x64000 has a pv entry but no PTE since {since} ns, and nobody works on it"


def test_pv_pte_waits_for_the_page_queues_lock_and_no_other():
    s = Stream().fault(0, 1, 0).acquire(0, "pq", PMAP).at(PMAP, (r.PTE_SET, 300, 1, RW, -1, 0))
    s.acquire(1, OBJECT, "smp").release(1, "smp", OBJECT).at("pq", (r.PV_ADD, 1, PMAP, 300)).release(0, PMAP, "pq")
    assert not judge(s)[0]


def test_pv_pte_follows_a_replaced_mapping():
    s = Stream().fault(0, 1, 0).fault(0, 2, 1)
    s.acquire(0, "pq", PMAP).at(PMAP, (r.PTE_SET, 100, 2, RW, 1, RW))
    s.at("pq", (r.PV_DEL, 1, PMAP, 100, True, True)).at("pq", (r.PV_ADD, 2, PMAP, 100)).shoot(0, 100, 101).release(0, "pq", PMAP)
    s.free_page(0, 1, 0)
    assert not judge(s)[0]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([(r.PAGE_DIRTY, 3, 0, 255)], "on the cache queue but dirty"),
        ([(r.PAGE_WIRE, 3, 0, 1)], "on the cache queue but wired"),
        ([(r.PAGE_FLAGS, 3, 0, UNMANAGED)], "on the cache queue but unmanaged"),
        ([(r.PAGE_REBIND, 3, "", 0, OBJECT, 5)], "on the cache queue but in no object"),
        ([(r.PV_ADD, 3, PMAP, 7)], "on the cache queue but mapped"),
    ],
)
def test_cache_hears_a_page_that_may_not_be_there(records, words):
    s = plain_story().at("pq", *records)
    assert words in speaks_first(s, "I-CACHE").message
    early = plain_story()
    place, index = early.find(r.PAGE_QUEUE, new=CACHE)
    early.entries[place][2][index:index] = records
    assert words in next(v.message for v in judge(early)[0] if v.check == "I-CACHE")


def test_cache_hears_a_page_table_entry_for_a_cached_page():
    s = story().at(PMAP, (r.PTE_SET, 7, 3, RW & ~PTE_MANAGED, -1, 0))
    assert "on the cache queue but mapped" in speaks_first(s, "I-CACHE").message


def test_pages_on_other_queues_may_be_dirty_and_mapped():
    s = Stream().fault(0, 1, 0).at("pq", (r.PAGE_DIRTY, 1, 0, 255)).queue(1, INACTIVE).queue(1, ACTIVE)
    s.queue(1, NONE).at("pq", (r.PAGE_WIRE, 1, 0, 1))
    assert not judge(s)[0]
