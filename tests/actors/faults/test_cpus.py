"""CPUs that are slow, away, stormed, preempted with a lock held, or by a wrong clock."""

from __future__ import annotations

import msgspec
import pytest

from actors.kernel.requests import Compute
from actors.processor.cpu import Cpu
from actors.processor.thread import READY, Thread
from protocol.faults import Fault
from protocol.messages.faults import Begins, DeviceInterrupt, Online
from protocol.messages.locks import EXCLUSIVE, LockGrant
from protocol.messages.processor import COMPUTE, INVLPG, RESUME, START, TIMEOUT, Ipi, IpiAck, Stall, Timer
from protocol.records import COMPUTE as COMPUTE_RECORD
from protocol.records import IPI_DELIVER, LOCK_ACQUIRE, STALLED, SWITCH
from tests.actors.faults.kit import Lone

SLOW = Fault("x", "cpu-slow", cpu=0, percent=300, at_ns=1000, duration_ns=500)
AWAY = Fault("x", "cpu-offline", cpu=0, at_ns=0, duration_ns=5000)


@pytest.mark.parametrize(("now_ns", "takes_ns"), [(999, 100), (1000, 300), (1499, 300), (1500, 100)])
def test_a_slow_cpu_computes_longer_while_the_fault_lasts(now_ns, takes_ns):
    lone = Lone(SLOW)
    lone.at(now_ns)
    lone.cpu.performers[Compute](lone.thread, Compute("zero page", 100))
    assert lone.port.timers == [(Timer(COMPUTE, 7, 1), takes_ns)]
    assert lone.port.records == [(COMPUTE_RECORD, 7, "zero page", takes_ns)]


def test_its_handlers_and_context_switches_are_slow_too_but_not_what_a_fault_takes():
    lone = Lone(SLOW)
    lone.at(1000)
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert lone.cpu.until_ns == 1000 + 3 * (250 + 40)
    lone.cpu.until_ns = 0
    lone.cpu._arm_switch(600)
    assert lone.port.timers[-1][1] == 1800
    lone.give(Stall(1000))
    assert lone.cpu.until_ns == 2000


def test_two_slow_spells_lie_over_each_other():
    lone = Lone(SLOW, msgspec.structs.replace(SLOW, name="y", percent=200))
    lone.at(1000)
    lone.cpu.do_compute(lone.thread, Compute("x", 100))
    assert lone.port.timers[0][1] == 600


def away(*faults):
    lone = Lone(*(faults or (AWAY,)))
    lone.give(Begins("x"), "boot")
    return lone


def test_interrupts_wait_at_a_cpu_that_is_away_and_are_taken_when_it_is_back():
    lone = away()
    assert lone.port.records == [(STALLED, 5000)]
    assert lone.port.timers == [(Online(), 5000)]
    lone.at(100)
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert (lone.port.sent, lone.kinds) == ([], [STALLED])
    lone.at(5000)
    lone.give(Online(), "cpu.0")
    assert IPI_DELIVER in lone.kinds
    assert lone.port.sent == [("smp", IpiAck(), 290)]
    assert lone.cpu.halted_until_ns == 0
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    assert len(lone.port.sent) == 2


def test_its_thread_goes_on_when_it_is_back():
    lone = away()
    lone.at(100)
    lone.cpu.resume(lone.thread, "answer")
    assert lone.port.timers[-1] == (Timer(RESUME, 7, 1), 4900)
    assert lone.thread.woke == "answer"


def test_what_becomes_ready_stays_on_its_run_queue():
    lone = away()
    lone.cpu.current = -1
    other = lone.cpu.threads[8] = Thread(8, 8)
    lone.at(100)
    lone.cpu.ready(other)
    assert (lone.cpu.run_queue, SWITCH in lone.kinds, other.state) == ([8], False, READY)
    lone.at(5000)
    lone.give(Online(), "cpu.0")
    assert (lone.cpu.run_queue, lone.cpu.current, SWITCH in lone.kinds) == ([], 8, True)


def test_interrupts_still_wait_for_a_spin_lock_when_it_is_back():
    lone = away()
    lone.give(Ipi(INVLPG, "pmap.0", 5, 6))
    lone.thread.spins = 1
    lone.at(5000)
    lone.give(Online(), "cpu.0")
    assert (lone.port.sent, len(lone.cpu.pending)) == ([], 1)


def test_a_second_absence_is_not_ended_by_the_end_of_the_first():
    lone = away(AWAY, Fault("y", "cpu-offline", cpu=0, at_ns=4000, duration_ns=2000))
    lone.at(4000)
    lone.give(Begins("y"), "boot")
    lone.at(5000)
    lone.give(Online(), "cpu.0")
    assert lone.cpu.halted_until_ns == 7000, "time it was away already is not had twice"
    lone.at(7000)
    lone.give(Online(), "cpu.0")
    assert lone.cpu.halted_until_ns == 0


def test_a_cpu_that_is_away_is_state():
    """What replaces its methods is put in place again; that it is away, and until when, is in the snapshot."""
    lone = away()
    copied = msgspec.msgpack.decode(msgspec.msgpack.encode(lone.cpu), type=Cpu)
    assert copied.halted_until_ns == 5000


def test_no_fault_lasts_beyond_the_time_from_which_on_none_acts():
    healed = Lone(msgspec.structs.replace(AWAY, heal_ns=3000))
    healed.at(1000)
    healed.give(Begins("x"), "boot")
    assert healed.cpu.halted_until_ns == 3000
    slow = Lone(msgspec.structs.replace(SLOW, heal_ns=1200))
    slow.at(1200)
    slow.cpu.do_compute(slow.thread, Compute("x", 100))
    assert slow.port.timers[0][1] == 100


STORM = Fault("x", "interrupt-storm", cpu=0, period_ns=400, at_ns=0, duration_ns=1000)


def test_a_storm_steals_from_what_computes_again_and_again_until_it_is_over():
    lone = Lone(STORM)
    lone.thread.computing = True
    lone.give(Begins("x"), "boot")
    again = lone.port.timers[-1]
    assert again == (DeviceInterrupt(400, 1000), 400)
    assert (lone.cpu.until_ns, lone.thread.stolen_ns) == (250, 250)
    for now_ns in (400, 800):
        lone.at(now_ns)
        lone.give(again[0], "cpu.0")
    assert lone.thread.stolen_ns == 750
    assert len(lone.port.timers) == 2, "the next one would come after its end"


def test_what_comes_while_a_handler_runs_is_the_same_interrupt():
    lone = Lone(msgspec.structs.replace(STORM, period_ns=100))
    lone.give(Begins("x"), "boot")
    for now_ns in (100, 200, 300):
        lone.at(now_ns)
        lone.give(DeviceInterrupt(100, 1000), "cpu.0")
    assert lone.cpu.until_ns == 300 + 250


def test_one_interrupt_of_the_storm_waits_for_the_end_of_a_spin_lock():
    lone = Lone(STORM)
    lone.thread.spins = 1
    for now_ns in (400, 800):
        lone.at(now_ns)
        lone.give(DeviceInterrupt(400, 1000), "cpu.0")
    assert (lone.cpu.until_ns, len(lone.cpu.pending)) == (0, 1)
    lone.cpu.take_pending()
    assert lone.cpu.until_ns == 800 + 250


def grant(lone, lock, thread=7):
    lone.thread.want, lone.thread.want_mode = lock, EXCLUSIVE
    lone.give(LockGrant(thread, 1), lock)


@pytest.mark.parametrize(("pattern", "lock", "halts"), [("object", "object.3", True), ("object.4", "object.3", False), ("pq", "pq", True)])
def test_a_virtual_cpu_is_preempted_right_after_its_thread_has_got_the_lock(pattern, lock, halts):
    lone = Lone(Fault("x", "vcpu-preempted", cpu=0, lock=pattern, duration_ns=9000))
    lone.cpu.resume = lambda thread, answer: None
    grant(lone, lock)
    assert lone.kinds[0] == LOCK_ACQUIRE
    assert lone.cpu.halted_until_ns == (9000 if halts else 0)
    assert lone.triggers[0].said == ([f"preempted for 9000 ns, thread 7 holding {lock}"] if halts else [])
    assert lone.triggers[0].occasions == halts


@pytest.mark.parametrize(("ppm", "waits_ns"), [(1_000_000, 500), (-500_000, 2000), (10, 999)])
def test_a_fast_clock_ends_waits_early_and_a_slow_one_late(ppm, waits_ns):
    lone = Lone(Fault("x", "clock-skew", cpu=0, ppm=ppm))
    lone.cpu.set_timer(lone.thread, TIMEOUT, 1000)
    assert lone.port.timers[0][1] == waits_ns


def test_work_and_recorded_times_are_not_the_clock_s():
    lone = Lone(Fault("x", "clock-skew", cpu=0, ppm=1_000_000, at_ns=0, duration_ns=100))
    lone.cpu.set_timer(lone.thread, COMPUTE, 1000)
    lone.cpu.set_timer(lone.thread, START, 1000)
    lone.at(100)
    lone.cpu.set_timer(lone.thread, TIMEOUT, 1000)
    assert [delay_ns for _, delay_ns in lone.port.timers] == [1000, 1000, 1000]
