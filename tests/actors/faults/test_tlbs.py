"""Early acknowledgements, entries that are left, flushes beside the range."""

from __future__ import annotations

import pytest

from protocol.faults import Fault
from protocol.messages.faults import FlushLate
from protocol.messages.processor import INVLPG, INVLRNG, INVLTLB, LAZYPMAP, Ipi, IpiAck
from protocol.records import IPI_DELIVER, TLB_FLUSH
from tests.actors.faults.kit import Lone

TOP = 1 << 52


def filled(fault, *vpns, turns=(1,)):
    lone = Lone(fault, turns=turns)
    for vpn in vpns:
        lone.cpu.tlb.fill(vpn, vpn + 100, 7)
    return lone


EARLY = Fault("x", "ipi-acked-early", delay_ns=5000)


def test_the_acknowledgement_leaves_first_and_the_flush_comes_later():
    lone = filled(EARLY, 5)
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert lone.port.sent == [("smp", IpiAck(), 0)]
    assert (list(lone.cpu.tlb.entries), lone.kinds) == ([5], [IPI_DELIVER])
    assert lone.port.timers == [(FlushLate("pmap.0", 5, 6, 40), 5000)]
    assert lone.triggers[0].said == ["acknowledged to cpu.1, flushed 5000 ns later"]
    lone.give(lone.port.timers[0][0], "cpu.0")
    assert (list(lone.cpu.tlb.entries), lone.port.records[-1]) == ([], (TLB_FLUSH, "pmap.0", 5, 6, "ipi"))
    assert len(lone.port.sent) == 1, "it has acknowledged already"


@pytest.mark.parametrize(
    "message", [Ipi(LAZYPMAP, "pmap.0", 0, 0), Ipi(INVLPG, "pmap.0", 6, 7), Ipi(INVLPG, "pmap.1", 5, 6)], ids=["lazy", "range", "space"]
)
def test_an_interrupt_that_would_flush_nothing_is_no_occasion(message):
    lone = filled(EARLY, 5)
    lone.give(message)
    assert (lone.triggers[0].occasions, lone.port.timers) == (0, [])
    assert len(lone.port.sent) >= 1


def test_one_that_waits_for_a_spin_lock_is_acknowledged_early_when_it_is_taken():
    lone = filled(EARLY, 5)
    lone.thread.spins = 1
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert lone.triggers[0].occasions == 0
    lone.thread.spins = 0
    lone.cpu.take_pending()
    assert (lone.triggers[0].occasions, list(lone.cpu.tlb.entries)) == (1, [5])


STALE = Fault("x", "tlb-stale-entry")


def test_one_entry_of_a_range_is_left_and_the_records_say_what_was_dropped():
    lone = filled(STALE, 5, 6, 7, 9)
    lone.give(Ipi(INVLRNG, "pmap.0", 6, 8))
    assert sorted(lone.cpu.tlb.entries) == [5, 6, 9]
    assert [record for record in lone.port.records if record[0] == TLB_FLUSH] == [(TLB_FLUSH, "pmap.0", 7, 8, "ipi")]
    assert lone.port.sent == [("smp", IpiAck(), 250 + 80)]
    assert lone.triggers[0].said == ["pmap.0 va 0x6000 is not flushed"]


def test_of_one_page_nothing_is_dropped_but_a_walk_under_way_may_not_enter():
    lone = filled(STALE, 5)
    before = lone.cpu.tlb.generation
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert (sorted(lone.cpu.tlb.entries), TLB_FLUSH in lone.kinds) == ([5], False)
    assert lone.cpu.tlb.generation > before


def test_of_everything_the_first_entry_is_left():
    lone = filled(STALE, 9, 5, 7)
    lone.cpu.tlb.windows["window.2"] = 3
    lone.give(Ipi(INVLTLB, "pmap.0", 0, 0))
    assert (sorted(lone.cpu.tlb.entries), lone.cpu.tlb.windows) == ([5], {})
    flushes = [record[2:4] for record in lone.port.records if record[0] == TLB_FLUSH]
    assert flushes == [(0, 5), (6, TOP)]


def test_only_its_turn_fails():
    lone = filled(STALE, 5, 6, turns=(2,))
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    lone.give(Ipi(INVLPG, "pmap.0", 6, 7))
    assert sorted(lone.cpu.tlb.entries) == [6]


def test_a_flush_beside_the_range_drops_what_is_above():
    lone = filled(Fault("x", "tlb-wrong-range", pages=1), 5, 6, 7)
    lone.give(Ipi(INVLRNG, "pmap.0", 5, 7))
    assert sorted(lone.cpu.tlb.entries) == [5]
    assert lone.port.records[-1] == (TLB_FLUSH, "pmap.0", 6, 8, "ipi")
    assert lone.triggers[0].said == ["pmap.0 va 0x5000 to 0x7000: flushed 1 pages too high"]


@pytest.mark.parametrize(("vector", "start", "end"), [(INVLTLB, 0, 0), (INVLRNG, 4, 6)], ids=["everything", "nothing missed"])
def test_a_flush_that_misses_nothing_is_no_occasion(vector, start, end):
    lone = filled(Fault("x", "tlb-wrong-range", pages=1), 5)
    lone.give(Ipi(vector, "pmap.0", start, end))
    assert (lone.triggers[0].occasions, sorted(lone.cpu.tlb.entries)) == (0, [])


def test_the_initiator_s_own_flush_can_fail_too():
    lone = filled(STALE, 5)
    lone.cpu.flush("pmap.0", 5, 6, "local")
    assert sorted(lone.cpu.tlb.entries) == [5]
