"""Checks about threads and locks: order, sleeping, spinning, recursion, deadlock."""

from __future__ import annotations

import pytest

from protocol import records as r
from protocol.checks.sleeping import SPIN_LIMIT_NS
from protocol.messages.locks import SHARED, TRY, UPGRADE
from tests.protocol.checks.stream import MAP, OBJECT, PMAP, Stream, judge, speaks_first, story

OTHER = "object.2.cpu.0"


# I-ORDER ------------------------------------------------------------------------------------------------------------------------


def test_order_proves_a_reversal_from_two_chains_that_never_met():
    s = Stream().acquire(0, OBJECT, "pq").release(0, "pq", OBJECT).acquire(1, "pq", OBJECT).release(1, OBJECT, "pq")
    found = speaks_first(s, "I-ORDER")
    assert found.message.startswith(f"lock order reversal: 1st pq (vm page queue mutex), 2nd {OBJECT} (vm object): ")
    assert f"vm object -> vm page queue mutex was learnt before, when thread 0 acquired pq with {OBJECT} held" in found.message
    assert found.message.endswith("; by thread 1")


def test_order_follows_the_graph_through_a_third_type():
    s = Stream().acquire(0, OBJECT, "pq").release(0, "pq", OBJECT).acquire(0, "pq", PMAP).release(0, PMAP, "pq")
    s.acquire(1, PMAP, OBJECT).release(1, OBJECT, PMAP)
    assert "vm object -> vm page queue mutex -> pmap was learnt before" in speaks_first(s, "I-ORDER").message


def test_order_speaks_when_the_thread_begins_to_wait_and_once_per_pair():
    s = Stream().acquire(0, OBJECT, "pq").release(0, "pq").acquire(1, "pq").wait(1, OBJECT, 0).release(0, OBJECT)
    s.acquire(1, OBJECT, wait_ns=30).release(1, OBJECT, "pq").acquire(2, "pq", OBJECT).release(2, OBJECT, "pq")
    found, evaluated = judge(s)
    assert [(v.check, s.entries[s.find(r.LOCK_WAIT)[0]][0][0]) for v in found] == [("I-ORDER", found[0].time_ns)]
    assert evaluated["I-ORDER"] == (3, 1)


def test_order_ignores_try_locks_and_recursion():
    s = Stream().acquire(0, OBJECT, "pq").release(0, "pq", OBJECT)
    s.acquire(1, "pq").acquire(1, OBJECT, mode=TRY).acquire(1, PMAP).acquire(1, "pq", depth=2).release(1, "pq", depth=1)
    s.release(1, PMAP, OBJECT, "pq").acquire(0, "pq", PMAP).release(0, PMAP, "pq")
    assert not judge(s)[0]


def test_order_sees_through_a_try_lock():
    """What waits for the third lock holds both the first and the one it got by trying."""
    s = Stream().acquire(0, "pq").acquire(0, OBJECT, mode=TRY).acquire(0, PMAP).release(0, PMAP, OBJECT, "pq")
    s.acquire(1, PMAP, OBJECT).release(1, OBJECT, PMAP)
    assert "vm object -> pmap was learnt before" in speaks_first(s, "I-ORDER").message


@pytest.mark.parametrize(
    ("locks", "words"),
    [
        (("pq", MAP), "(sleepable after non-sleepable)"),
        (("smp", "fq"), "against the static order of spin locks"),
        (("pq", "pq.1"), 'acquiring duplicate lock of same type: "vm page queue mutex"'),
    ],
)
def test_order_knows_the_rules_that_need_no_learning(locks, words):
    s = Stream().acquire(0, *locks).release(0, *reversed(locks))
    assert words in speaks_first(s, "I-ORDER").message


def test_order_knows_from_the_start_that_page_queues_come_before_an_interlock():
    s = Stream().acquire(0, "vnode.1", "pq").release(0, "pq", "vnode.1")
    found = speaks_first(s, "I-ORDER").message
    assert "1st vnode.1 (vnode interlock), 2nd pq (vm page queue mutex): against vm page queue mutex -> vnode interlock, of which" in found
    s = Stream().acquire(0, OBJECT, "pq").release(0, "pq", OBJECT).acquire(1, "vnode.1", OBJECT).release(1, OBJECT, "vnode.1")
    assert "vm object -> vm page queue mutex -> vnode interlock was learnt before" in speaks_first(s, "I-ORDER").message
    s = Stream().acquire(0, "pq", "vnode.1").release(0, "vnode.1", "pq").acquire(1, "vnode.1").release(1, "vnode.1")
    assert not judge(s)[0]


def test_order_allows_several_locks_of_a_type_that_says_so():
    s = Stream().acquire(0, OBJECT, OTHER, "pq", PMAP, "pmap.2.cpu.1").release(0, "pmap.2.cpu.1", PMAP, "pq", OTHER, OBJECT)
    found, evaluated = judge(s)
    assert not found
    assert evaluated["I-ORDER"] == (4, 0)


# I-NOSLEEP, I-SPIN --------------------------------------------------------------------------------------------------------------


def test_nosleep_hears_a_mutex_held_in_a_sleep():
    s = story()
    place, _ = s.find(r.LOCK_ACQUIRE, thread=2, lock="pq")
    s.entries[place][2].insert(0, (r.LOCK_ACQUIRE, 2, OTHER, 0, 99, 0, 1))
    found = speaks_first(s, "I-NOSLEEP")
    assert found.message == f'thread 2: Sleeping on "page.3" with the following non-sleepable locks held: {OTHER}'


def test_nosleep_allows_the_interlock_and_sleepable_locks():
    s = (
        Stream()
        .acquire(0, MAP, mode=SHARED)
        .acquire(0, "pq")
        .on(0, (r.SLEEP, 0, "v_free_count", "pq"))
        .acquire(0, "pq")
        .release(0, "pq", MAP)
    )
    found, evaluated = judge(s)
    assert not found, "the sleep itself gives the interlock back"
    assert evaluated["I-NOSLEEP"] == (1, 0)


def test_nosleep_hears_a_wait_for_a_sleepable_lock():
    s = Stream().acquire(1, MAP).acquire(0, OBJECT).wait(0, MAP, 1)
    found, _ = judge(s)
    assert {v.check for v in found} == {"I-NOSLEEP", "I-ORDER"}
    assert len({(v.key, v.index) for v in found}) == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.acquire(0, "pq"), "blockable sleep lock (vm page queue mutex) pq with fq held"),
        (lambda s: s.wait(0, "pq", 1), "blockable sleep lock (vm page queue mutex) pq with fq held"),
        (lambda s: s.on(0, (r.SWITCH, 0, 1, "")), "is switched away with fq held"),
        (lambda s: s.on(0, (r.SLEEP, 0, "somewhere", "")), 'sleeps on "somewhere" with fq held'),
    ],
)
def test_spin_hears_blocking_with_a_spin_lock_held(spoil, words):
    s = spoil(Stream().acquire(0, "fq"))
    found, _ = judge(s)
    assert words in next(v.message for v in found if v.check == "I-SPIN")
    assert found[0].key == next(v for v in found if v.check == "I-SPIN").key, "nobody speaks before it"


def test_spin_allows_another_spin_lock_and_waiting_for_one():
    s = (
        Stream()
        .acquire(1, "smp")
        .acquire(0, "fq")
        .wait(0, "smp", 1)
        .release(1, "smp")
        .acquire(0, "smp", wait_ns=30)
        .release(0, "smp", "fq")
    )
    found, evaluated = judge(s)
    assert not found
    assert evaluated["I-SPIN"][0] >= 3


def test_spin_hears_a_lock_held_or_waited_for_too_long():
    s = Stream().acquire(0, "fq").on(0, (r.LOCK_RELEASE, 0, "fq", 1, SPIN_LIMIT_NS + 1, 0))
    assert speaks_first(s, "I-SPIN").message == "thread 0: spin lock held too long: fq (5000000001 ns, limit 5000000000 ns)"
    s = Stream().acquire(0, "fq", wait_ns=SPIN_LIMIT_NS + 1)
    assert speaks_first(s, "I-SPIN").message == "thread 0: spin lock held too long: fq (spun 5000000001 ns for it, limit 5000000000 ns)"


def test_spin_hears_a_lock_that_is_held_already_acquired_again():
    s = Stream().acquire(0, "pq").acquire(0, "fq").acquire(0, "pq", depth=2)
    assert "blockable sleep lock (vm page queue mutex) pq with fq held" in speaks_first(s, "I-SPIN").message
    s = Stream().acquire(0, "pq").acquire(0, "fq").acquire(0, "pq", mode=TRY, depth=2)
    assert not judge(s)[0]


# I-RECURSE ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (lambda: Stream().acquire(0, OBJECT).acquire(0, OBJECT, depth=2), "recursed on non-recursive mutex vm object"),
        (lambda: Stream().acquire(0, "pq").acquire(0, "pq", depth=3), "acquired to depth 3, but it was held at depth 1"),
        (lambda: Stream().acquire(0, "pq", depth=2), "acquired to depth 2, but it was not held"),
        (lambda: Stream().release(0, "pq"), "given back, but it was not held"),
        (lambda: Stream().acquire(0, "pq").release(1, "pq"), "thread 1: pq given back, but it was not held"),
        (lambda: Stream().acquire(0, "pq").acquire(0, "pq", depth=2).release(0, "pq"), "given back to depth 0, but it was held at depth 2"),
    ],
)
def test_recurse_hears(stream, words):
    assert words in speaks_first(stream(), "I-RECURSE").message


def test_recurse_hears_a_thread_that_waits_for_its_own_lock():
    s = Stream().acquire(0, OBJECT).wait(0, OBJECT, 0)
    found, _ = judge(s)
    assert sorted(v.check for v in found) == ["I-DEADLOCK", "I-RECURSE"]


def test_recurse_allows_recursion_where_the_kind_does_and_an_upgrade():
    s = Stream().acquire(0, "pq").acquire(0, "pq", depth=2).release(0, "pq", depth=1).release(0, "pq")
    s.acquire(0, MAP, mode=SHARED).acquire(0, MAP, mode=UPGRADE).release(0, MAP)
    found, evaluated = judge(s)
    assert not found
    assert evaluated["I-RECURSE"] == (4, 0)


# I-DEADLOCK ---------------------------------------------------------------------------------------------------------------------


def test_deadlock_hears_two_threads_that_wait_for_each_other():
    s = Stream().acquire(0, OBJECT).acquire(1, OTHER).wait(0, OTHER, 1).wait(1, OBJECT, 0)
    found = speaks_first(s, "I-DEADLOCK")
    assert found.message == f"deadlock: thread 1 waits for {OBJECT} of thread 0, thread 0 waits for {OTHER} of thread 1"


def test_deadlock_goes_through_hand_overs_and_busy_pages():
    s = Stream().acquire(3, OBJECT).wait(0, OBJECT, 3).wait(1, OBJECT, 3).release(3, OBJECT).acquire(0, OBJECT, wait_ns=9)
    s.alloc(1, 5, 0).sleep_on(0, 5)
    found = [v for v in judge(s)[0] if v.check == "I-DEADLOCK"]
    assert found[0].message == f"deadlock: thread 0 waits for page.5 of thread 1, thread 1 waits for {OBJECT} of thread 0"


def test_deadlock_is_not_fooled_by_an_owner_who_has_given_the_lock_back():
    """The answer names an owner of a while ago; by the time it arrives that thread may wait for the asker."""
    s = Stream().acquire(0, OBJECT).acquire(1, OTHER).release(0, OBJECT).wait(1, OBJECT, 0).wait(0, OTHER, 1)
    s.acquire(1, OBJECT, wait_ns=30).release(1, OBJECT, OTHER).acquire(0, OTHER, wait_ns=30).release(0, OTHER)
    found, evaluated = judge(s)
    assert not found
    assert evaluated["I-DEADLOCK"] == (2, 0)


def test_deadlock_waits_for_all_readers():
    s = Stream().acquire(0, MAP, mode=SHARED).acquire(1, MAP, mode=SHARED).acquire(2, OTHER)
    s.wait(2, MAP, -1).wait(1, OTHER, 2)
    assert "thread 1 waits for object.2.cpu.0 of thread 2, thread 2 waits for map.1.cpu.0 of thread 1" in next(
        v.message for v in judge(s)[0] if v.check == "I-DEADLOCK"
    )


def test_a_wait_that_ends_leaves_nothing_behind():
    s = Stream().acquire(0, OBJECT).wait(1, OBJECT, 0).release(0, OBJECT).acquire(1, OBJECT, wait_ns=5)
    s.wait(0, OBJECT, 1).release(1, OBJECT).acquire(0, OBJECT, wait_ns=5).release(0, OBJECT)
    assert not judge(s)[0]
