"""When a part breaks: its occasions are counted at each actor, and what it did is counted and on record."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cluster.faults.parts import PartTrigger
from cluster.faults.predicate import can_concern
from cluster.faults.watch import Turn
from protocol.faults import Fault, When
from protocol.messages import Reply
from protocol.messages.processor import INVLPG, Ipi
from protocol.records import FAULT_FIRED


def trigger(when, **of):
    """A trigger, the turn it counts by, and a function that makes an occasion in the handling of a message."""
    records, total, turn = [], Turn(), Turn()
    engine = SimpleNamespace(clock=SimpleNamespace(event=None), record=records.append)
    made = PartTrigger(Fault("x", "tlb-stale-entry", when, **of), engine, turn, total)

    def occasion(at_ns=5, message=Reply(1), sender="pq"):  # noqa: B008 - a message is a value
        engine.clock.event = (at_ns, 1, 0, "cpu.1", sender, 1, "boot", 0, message)
        return made.turn()

    return made, total, records, occasion


def test_the_nth_occasion_is_its_turn_and_all_are_counted():
    _, total, _, occasion = trigger(When(nth=3))
    assert [occasion() for _ in range(4)] == [False, False, True, False]
    assert total == Turn(4, 0)


def test_the_message_in_whose_handling_it_comes_is_looked_at():
    _, total, _, occasion = trigger(When(kind="ipi", sender="cpu.*", from_ns=10, until_ns=20))
    ipi = Ipi(INVLPG, "pmap.0", 1, 2)
    assert not occasion(15)
    assert not occasion(15, ipi, "pq")
    assert not occasion(9, ipi, "cpu.0")
    assert not occasion(20, ipi, "cpu.0")
    assert total.matched == 0
    assert occasion(15, ipi, "cpu.0")


def test_how_long_it_lasts_is_not_when_it_may_begin_but_the_heal_is():
    _, _, _, occasion = trigger(When(), duration_ns=7, heal_ns=500)
    assert [occasion(at_ns) for at_ns in (3, 400, 500)] == [True, True, False]


def test_what_it_did_is_counted_and_on_record():
    made, total, records, _ = trigger(When())
    made.fired("left the entry")
    assert (total.fired, records) == (1, [(FAULT_FIRED, "x", "left the entry")])


@pytest.mark.parametrize(
    ("kind", "message", "can"),
    [
        ("pager-error", "pager.read", True),
        ("pager-error", "pager.done", False),
        ("pager-never", "pager.has", False),
        ("pager-torn-write", "pager.read", False),
        ("lose", "pager.done", True),
    ],
)
def test_a_kind_concerns_only_messages_it_can_do_something_to(kind, message, can):
    """A pattern of words may match more: ``pager.*`` the end of a write, which cannot be made to fail."""
    assert can_concern(kind, message) is can
