"""The rendezvous: acknowledgements in any order of arrival release the spinner once."""

from __future__ import annotations

import pytest

from actors.homes.rendezvous import Rendezvous
from protocol.messages.locks import SPIN
from protocol.messages.processor import Arm, IpiAck, IpiDone
from protocol.records import SHOOT_ACK, SHOOT_ARM, UNGUARDED
from tests.actors.fake_port import Bench, restored


def bench() -> Bench:
    b = Bench(Rendezvous(name="smp", service_ns=5))
    b.lock(1, SPIN)
    return b


def arm(b: Bench, targets: int, thread: int = 1, cpu: str = "cpu.0") -> None:
    b.give(Arm(targets, thread=thread, held=(("smp", b.home.fence),), reply=False), cpu)


@pytest.mark.parametrize("early", [0, 1, 2, 3])
def test_acknowledgements_count_before_and_after_the_arm(early):
    b = bench()
    for cpu in range(1, 1 + early):
        b.give(IpiAck(), f"cpu.{cpu}")
    assert b.take_sent() == []
    arm(b, 3)
    for cpu in range(1 + early, 4):
        assert b.take_sent() == []
        b.give(IpiAck(), f"cpu.{cpu}")
    assert b.take_sent() == [("cpu.0", IpiDone(1), 5)]
    records = b.take_records()
    assert sorted(r[1] for r in records if r[0] == SHOOT_ACK) == [1, 2, 3]
    assert records.count((SHOOT_ARM, 3)) == 1
    if early < 3:
        assert records[-1] == (SHOOT_ACK, 3, 0)
    assert b.home == Rendezvous(name="smp", service_ns=5, fence=1, owner=1), "ready for the next"


def test_a_lost_acknowledgement_keeps_the_initiator_spinning():
    b = bench()
    arm(b, 2)
    b.give(IpiAck(), "cpu.5")
    assert b.take_sent() == []
    assert (b.home.initiator, b.home.remaining) == ("cpu.0", 1)
    assert restored(b.home) == b.home


def test_one_shootdown_after_another():
    b = bench()
    for round_ in range(1, 4):
        arm(b, round_, thread=round_, cpu=f"cpu.{round_}")
        for cpu in range(round_):
            b.give(IpiAck(), f"cpu.{10 + cpu}")
        assert b.take_sent() == [(f"cpu.{round_}", IpiDone(round_), 5)]


def test_arming_without_the_lock_is_recorded():
    b = bench()
    b.give(Arm(1, thread=2, held=(), reply=False), "cpu.1")
    assert b.take_records() == [(UNGUARDED, "wait_count", "smp", 2, "smp"), (SHOOT_ARM, 1)]


def test_an_arm_may_be_awaited():
    b = bench()
    assert b.ask(Arm(1)) is None
