"""Faults at an instant as events: their numbers, and that they end when all faults do."""

from __future__ import annotations

from cluster.faults import instants
from cluster.faults.instants import Instant, numbered
from protocol.faults import Fault, When
from protocol.messages.free import Withhold
from protocol.messages.processor import Stall

NAP = Fault("nap", "stall", cpu=1, at_ns=500, duration_ns=70)
SHORT = Fault("short", "memory", frames=3, at_ns=900, duration_ns=100)
LOST = Fault("gone", "lose", When(nth=1))


def test_an_event_has_the_number_of_its_fault():
    found = numbered([LOST, NAP, LOST, SHORT], 10)
    assert [(number, fault.name) for number, fault, _ in found] == [(11, "nap"), (13, "short")]


def test_further_events_of_a_fault_come_after_all_first_ones(monkeypatch):
    def twice(fault):
        return (Instant(fault.at_ns, "cpu.1", Stall(1)), Instant(fault.at_ns + 9, "cpu.1", Stall(2)))

    monkeypatch.setitem(instants.INSTANTS, "stall", twice)
    assert [(found.number, found.instant.at_ns) for found in numbered([NAP, NAP, SHORT], 10)] == [
        (10, 500), (13, 509), (11, 500), (14, 509), (12, 900),
    ]  # fmt: skip


def healing(fault, heal_ns):
    return [found.instant.message for found in numbered([Fault(**(_fields(fault) | {"heal_ns": heal_ns}))], 1)]


def _fields(fault):
    return {name: getattr(fault, name) for name in fault.__struct_fields__}


def test_all_faults_end_at_the_heal():
    assert healing(NAP, 530) == [Stall(30)]
    assert healing(NAP, 570) == healing(NAP, 9_999) == healing(NAP, 0) == [Stall(70)]
    assert healing(SHORT, 950) == [Withhold(frames=3, until_ns=950, reply=False)]
    assert healing(NAP, 500) == healing(NAP, 20) == [], "what begins after it does not happen"
