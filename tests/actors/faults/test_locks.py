"""Locks that are taken from their holder, and locks with two owners."""

from __future__ import annotations

import pytest

from actors.homes.objects import VmObject
from protocol.faults import Fault
from protocol.messages.locks import EXCLUSIVE, SHARED, SPIN, TRY, LockGrant, LockRequest, LockWait, Sleep, Unlock
from protocol.messages.objects import SetValid
from protocol.records import UNGUARDED
from tests.actors.fake_port import restored
from tests.actors.faults.kit import Afflicted

EARLY = Fault("x", "lock-released-early", lock="object")
TWICE = Fault("x", "lock-granted-twice", lock="object.1")


def afflicted(fault, *turns):
    bench = Afflicted(VmObject(name="object.1", service_ns=5, size=8), fault, *turns)
    bench.first = bench.lock(thread=1)
    return bench


def request(bench, thread, mode=EXCLUSIVE):
    bench.give(LockRequest(thread, mode), f"cpu.{thread}")
    return bench.take_sent()[-1][:2]


def write(bench, thread, fence):
    op = SetValid(3, 255)
    op.thread, op.held, op.reply = thread, (("object.1", fence),), False
    bench.give(op, f"cpu.{thread}")
    return [record for record in bench.take_records() if record[0] == UNGUARDED]


def test_the_lock_is_given_away_and_what_its_holder_still_does_is_unguarded():
    bench = afflicted(EARLY)
    to, grant = request(bench, 2)
    assert (to, type(grant), bench.home.owner) == ("cpu.2", LockGrant, 2)
    assert bench.trigger.said == ["taken from thread 1, who holds it, for thread 2"]
    assert write(bench, 1, bench.first)
    assert not write(bench, 2, grant.fence)
    bench.give(Unlock(1, bench.first))
    assert bench.take_records() == [(UNGUARDED, "lock", "object.1", 1, "release by its owner")]
    assert bench.home.owner == 2


@pytest.mark.parametrize(("thread", "mode"), [(2, TRY), (2, SHARED), (1, EXCLUSIVE)], ids=["try", "shared", "own"])
@pytest.mark.parametrize("fault", [EARLY, TWICE], ids=["early", "twice"])
def test_a_request_with_nothing_to_take_is_no_occasion(fault, thread, mode):
    bench = afflicted(fault)
    request(bench, thread, mode)
    assert (bench.trigger.occasions, bench.home.owner, bench.home.seconds) == (0, 1, ())


def test_a_lock_that_is_free_or_held_by_readers_is_no_occasion():
    bench = afflicted(EARLY)
    bench.unlock()
    assert isinstance(request(bench, 2, SHARED)[1], LockGrant)
    assert isinstance(request(bench, 3)[1], LockWait)
    assert bench.trigger.occasions == 0


def test_two_threads_own_the_lock_by_one_grant():
    bench = afflicted(TWICE)
    to, grant = request(bench, 2)
    assert (to, grant) == ("cpu.2", LockGrant(2, bench.first))
    assert not write(bench, 1, bench.first)
    assert not write(bench, 2, grant.fence)
    assert bench.trigger.said == ["granted to thread 2, while thread 1 holds it"]


def test_each_gives_back_what_it_got():
    bench = afflicted(TWICE)
    request(bench, 2)
    bench.give(Unlock(2, bench.first))
    assert (bench.home.owner, bench.home.seconds) == (1, ())
    assert write(bench, 2, bench.first), "it owns nothing any more"
    bench.give(Unlock(1, bench.first))
    assert bench.home.owner == -1
    assert not bench.take_records()


def test_the_first_owner_may_go_first_and_the_second_sleep():
    bench = afflicted(TWICE)
    request(bench, 2)
    bench.give(Unlock(1, bench.first))
    assert bench.home.owner == -1
    bench.give(Sleep(2, "chan", bench.first), "cpu.2")
    assert (bench.home.seconds, bench.home.sleepers) == ((), {"chan": [("cpu.2", 2)]})


def test_who_is_no_owner_is_found_out_still():
    bench = afflicted(TWICE)
    request(bench, 2)
    assert write(bench, 3, bench.first)


def test_a_second_owner_is_state():
    bench = afflicted(TWICE)
    request(bench, 2)
    assert restored(bench.home).seconds == ((2, bench.first),)


def test_a_spin_lock_is_given_away_too():
    bench = afflicted(EARLY)
    assert isinstance(request(bench, 2, SPIN)[1], LockGrant)
