"""The lock, the channels and the proofs that every home has."""

from __future__ import annotations

from typing import ClassVar

import pytest

from actors.home import Home, OpTable, locked, shared, unlocked
from protocol.messages import Op, Reply, Value
from protocol.messages.locks import (
    EXCLUSIVE,
    SHARED,
    SPIN,
    TRY,
    TRY_SHARED,
    UPGRADE,
    LockFail,
    LockGrant,
    LockRequest,
    LockWait,
    Sleep,
    Unlock,
    Unsleep,
    Wakeup,
    Woken,
)
from protocol.messages.pages import Wire
from protocol.messages.space import Find, Walk
from protocol.records import UNGUARDED, WAKEUP
from tests.actors.fake_port import Bench, restored


def bench(name: str = "lock.0", draws: list[int] | None = None) -> Bench:
    return Bench(Home(name=name, service_ns=5), draws)


def test_free_lock_is_granted_at_once_after_the_service_time():
    b = bench()
    b.give(LockRequest(7, EXCLUSIVE), "cpu.1")
    assert b.take_sent() == [("cpu.1", LockGrant(7, 1), 5)]
    assert b.home.owner == 7


def test_taken_lock_makes_a_sleeper_wait_and_goes_to_the_head_of_the_queue():
    b = bench()
    fence = b.lock(1)
    b.give(LockRequest(2, EXCLUSIVE), "cpu.1")
    b.give(LockRequest(3, EXCLUSIVE), "cpu.2")
    assert b.take_sent() == [("cpu.1", LockWait(2, 1), 5), ("cpu.2", LockWait(3, 1), 5)]
    b.give(Unlock(1, fence))
    assert b.take_sent() == [("cpu.1", LockGrant(2, 2), 5)]
    b.give(Unlock(2, 2))
    assert b.take_sent() == [("cpu.2", LockGrant(3, 3), 5)]


def test_spin_lock_goes_to_a_drawn_waiter():
    b = bench("fq", draws=[2, 1])
    b.lock(1, SPIN)
    for thread in (2, 3, 4):
        b.give(LockRequest(thread, SPIN), f"cpu.{thread}")
    b.take_sent()
    b.unlock(1)
    assert b.take_sent() == [("cpu.4", LockGrant(4, 2), 5)]
    b.unlock(4)
    assert b.take_sent() == [("cpu.3", LockGrant(3, 3), 5)]
    b.unlock(3)
    assert b.take_sent() == [("cpu.2", LockGrant(2, 4), 5)]
    assert b.port.streams.bounds == [3, 2], "a single waiter costs no draw"


@pytest.mark.parametrize("mode", [TRY, TRY_SHARED])
def test_try_lock_fails_without_queueing(mode):
    b = bench()
    b.lock(1)
    b.give(LockRequest(2, mode))
    assert b.take_sent() == [("cpu.0", LockFail(2, 1), 5)]
    assert b.home.waiters == []


def test_readers_share_and_a_waiting_writer_stops_new_ones():
    b = bench("map.1.cpu.0")
    b.lock(1, SHARED)
    b.lock(2, SHARED)
    b.give(LockRequest(3, EXCLUSIVE), "cpu.3")
    b.give(LockRequest(4, SHARED), "cpu.4")
    b.give(LockRequest(5, SHARED), "cpu.5")
    b.give(LockRequest(6, TRY_SHARED), "cpu.6")
    assert [m for _, m, _ in b.take_sent()] == [LockWait(3, -1), LockWait(4, -1), LockWait(5, -1), LockFail(6, -1)]
    b.give(Unlock(1, 1))
    assert b.take_sent() == []
    b.give(Unlock(2, 2))
    assert b.take_sent() == [("cpu.3", LockGrant(3, 3), 5)]
    b.give(Unlock(3, 3))
    assert [m for _, m, _ in b.take_sent()] == [LockGrant(4, 4), LockGrant(5, 5)]


def test_upgrade_succeeds_for_the_sole_reader_only():
    b = bench("map.1.cpu.0")
    b.lock(1, SHARED)
    b.lock(2, SHARED)
    b.give(LockRequest(1, UPGRADE))
    assert b.take_sent() == [("cpu.0", LockFail(1, -1), 5)]
    assert b.home.readers == {1: 1, 2: 2}
    b.give(Unlock(2, 2))
    b.give(LockRequest(1, UPGRADE))
    assert b.take_sent() == [("cpu.0", LockGrant(1, 3), 5)]
    assert b.home.owner == 1 and b.home.readers == {}


@pytest.mark.parametrize("unlock", [Unlock(2, 1), Unlock(1, 7)])
def test_release_by_another_or_with_a_stale_grant_is_recorded_and_changes_nothing(unlock):
    b = bench()
    b.lock(1)
    b.give(unlock)
    assert b.take_records() == [(UNGUARDED, "lock", "lock.0", unlock.thread, "release by its owner")]
    assert b.home.owner == 1


def test_sleep_enqueues_and_releases_in_one_step():
    b = bench()
    fence = b.lock(1)
    b.give(LockRequest(2, EXCLUSIVE), "cpu.1")
    b.take_sent()
    b.give(Sleep(1, "page.4", fence))
    assert b.home.sleepers == {"page.4": [("cpu.0", 1)]}
    assert b.take_sent() == [("cpu.1", LockGrant(2, 2), 5)]


def test_wakeup_wakes_all_in_the_order_of_going_to_sleep_and_says_how_many():
    b = bench()
    for thread in (3, 1, 2):
        b.give(Sleep(thread, "c", b.lock(thread, cpu=f"cpu.{thread}")), f"cpu.{thread}")
    b.take_sent()
    assert b.ask(Wakeup("c"), thread=9) == 3
    assert b.take_sent() == [(f"cpu.{t}", Woken(t, "c"), 5) for t in (3, 1, 2)]
    assert b.take_records() == [(WAKEUP, "c", (3, 1, 2))]
    assert b.ask(Wakeup("c"), thread=9) == 0
    assert b.take_records() == [], "waking nobody is no event"


def test_timed_sleep_ends_once():
    b = bench()
    b.give(Sleep(1, "c", b.lock(1)))
    b.give(Unsleep(1, "c"))
    assert b.take_sent() == [("cpu.0", Woken(1, "c"), 5)]
    b.give(Unsleep(1, "c"))
    assert b.take_sent() == []
    assert b.home.sleepers == {}


def test_posted_operation_is_not_answered():
    b = bench()
    b.give(Wakeup("c", reply=False, thread=1))
    assert b.take_sent() == []
    b.give(Wakeup("c", thread=1))
    assert b.take_sent() == [("cpu.0", Reply(1, 0), 5)]


class Guarded(Home, kw_only=True):
    """A home with a field that is written and read under its lock, and one that is not."""

    ops: ClassVar[OpTable] = {Wire: locked("touch", "f"), Find: shared("touch", "g"), Walk: unlocked("touch")}

    def touch(self, op: Op) -> Value:
        return "done"


def unguarded_fields(b: Bench, *ops: Op) -> list[str]:
    for op in ops:
        b.give(op)
    assert b.take_sent() == [("cpu.0", Reply(op.thread, "done"), 0) for op in ops], "performed all the same"
    records = b.take_records()
    assert all((r[0], *r[2:]) == (UNGUARDED, b.home.name, ops[0].thread, b.home.name) for r in records)
    return [str(r[1]) for r in records]


def test_guard_needs_the_lock_and_its_present_grant():
    b = Bench(Guarded(name="lock.0"))
    b.lock(1)
    mine = (("lock.7", 4), ("lock.0", 1))
    assert unguarded_fields(b, Wire(1, thread=1, held=mine), Find(1, thread=1, held=mine), Walk(1, thread=1)) == []
    for thread, held in ((1, ()), (1, (("lock.0", 0),)), (2, (("lock.0", 1),)), (1, (("lock.1", 1),))):
        assert unguarded_fields(b, Wire(1, thread=thread, held=held), Find(1, thread=thread, held=held)) == ["f", "g"]
        assert unguarded_fields(b, Walk(1, thread=thread, held=held)) == []


def test_shared_lock_guards_reads_only():
    b = Bench(Guarded(name="map.1.cpu.0"))
    b.lock(1, SHARED)
    held = (("map.1.cpu.0", 1),)
    assert unguarded_fields(b, Wire(1, thread=1, held=held), Find(1, thread=1, held=held)) == ["f"]
    assert unguarded_fields(b, Find(1, thread=1, held=())) == ["g"]
    assert unguarded_fields(b, Find(1, thread=2, held=held)) == ["g"]
    b.give(Unlock(1, 1))
    assert unguarded_fields(b, Find(1, thread=1, held=held)) == ["g"]


def test_state_survives_a_snapshot():
    b = bench("map.1.cpu.0")
    b.lock(1, SHARED)
    b.give(LockRequest(2, EXCLUSIVE))
    b.give(Sleep(1, "c", 1))
    assert restored(b.home) == b.home
