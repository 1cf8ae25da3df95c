"""Wake-ups that are lost, and sleepers that return for nothing."""

from __future__ import annotations

import pytest

from actors.homes.objects import VmObject
from protocol.faults import Fault
from protocol.messages.faults import Rouse
from protocol.messages.locks import EXCLUSIVE, LockGrant, LockRequest, Sleep, Unlock, Wakeup, Woken
from protocol.records import WAKEUP
from tests.actors.faults.kit import Afflicted

LOST = Fault("x", "wakeup-lost", channel="page.*")
HANDED = Fault("x", "wakeup-lost", lock="object")
NOTHING = Fault("x", "wakeup-spurious", channel="page.*", delay_ns=700)


def afflicted(fault, *turns):
    return Afflicted(VmObject(name="object.1", service_ns=5, size=8), fault, *turns)


def asleep(bench, chan, thread=1):
    bench.give(Sleep(thread, chan, bench.lock(thread)), f"cpu.{thread}")
    bench.take_sent()


def woken(bench):
    return [(to, message.thread) for to, message, _ in bench.take_sent() if isinstance(message, Woken)]


def test_a_lost_wakeup_leaves_the_sleepers_and_the_next_one_finds_them():
    bench = afflicted(LOST)
    asleep(bench, "page.3", 1)
    asleep(bench, "page.3", 2)
    assert bench.ask(Wakeup("page.3"), thread=9) == 0
    assert (woken(bench), len(bench.home.sleepers["page.3"]), bench.take_records()) == ([], 2, [])
    assert bench.trigger.said == ["wakeup(page.3) does not wake thread 1, thread 2"]
    assert bench.ask(Wakeup("page.3"), thread=9) == 2
    assert woken(bench) == [("cpu.1", 1), ("cpu.2", 2)]


def test_a_wakeup_of_nobody_or_of_another_channel_is_no_occasion():
    bench = afflicted(LOST)
    asleep(bench, "pip", 1)
    assert bench.ask(Wakeup("page.3"), thread=9) == 0
    assert bench.ask(Wakeup("pip"), thread=9) == 1
    assert bench.trigger.occasions == 0


def test_a_release_that_hands_over_to_nobody_leaves_the_lock_free_and_the_waiters_waiting():
    bench = afflicted(HANDED)
    fence = bench.lock(thread=1)
    bench.give(LockRequest(2, EXCLUSIVE), "cpu.2")
    bench.give(Unlock(1, fence))
    assert (bench.home.owner, bench.home.waiters) == (-1, [("cpu.2", 2, EXCLUSIVE)])
    assert bench.trigger.said == ["released, and not handed over to thread 2"]
    bench.take_sent()
    bench.give(LockRequest(3, EXCLUSIVE), "cpu.3")
    to, grant, _ = bench.take_sent()[-1]
    assert (to, grant.thread) == ("cpu.3", 3), "it overtakes"
    bench.give(Unlock(3, grant.fence))
    assert [(to, message.thread) for to, message, _ in bench.take_sent() if isinstance(message, LockGrant)] == [("cpu.2", 2)]


def test_another_lock_and_a_release_without_waiters_are_no_occasion():
    bench = afflicted(HANDED)
    bench.give(Unlock(1, bench.lock(thread=1)))
    assert bench.trigger.occasions == 0


def test_a_sleeper_returns_although_nobody_woke_it():
    bench = afflicted(NOTHING)
    asleep(bench, "page.3")
    rouse = Rouse("x", "cpu.1", 1, "page.3")
    assert bench.port.timers == [(rouse, 700)]
    assert (woken(bench), bench.trigger.said) == ([], [])
    bench.give(rouse, "object.1")
    assert woken(bench) == [("cpu.1", 1)]
    assert bench.take_records()[-1] == (WAKEUP, "page.3", (1,))
    assert bench.trigger.said == ["thread 1 returns from page.3, and nobody woke it"]
    assert bench.home.sleepers == {}


def test_who_was_woken_before_does_not_return_twice():
    bench = afflicted(NOTHING)
    asleep(bench, "page.3")
    bench.ask(Wakeup("page.3"), thread=9)
    assert woken(bench) == [("cpu.1", 1)]
    bench.give(Rouse("x", "cpu.1", 1, "page.3"), "object.1")
    assert (woken(bench), bench.trigger.said) == ([], [])


def test_others_on_the_channel_sleep_on():
    bench = afflicted(NOTHING)
    asleep(bench, "page.3", 1)
    asleep(bench, "page.3", 2)
    bench.give(Rouse("x", "cpu.1", 1, "page.3"), "object.1")
    assert bench.home.sleepers == {"page.3": [("cpu.2", 2)]}


@pytest.mark.parametrize("chan", ["pip", "v_free_count"])
def test_a_sleep_elsewhere_is_no_occasion(chan):
    bench = afflicted(NOTHING)
    asleep(bench, chan)
    assert (bench.trigger.occasions, bench.port.timers) == (0, [])
