"""CPUs that are slow, away, interrupted all the time, preempted with a lock held, or by a clock that is wrong.

A CPU that is away (halted) is one that its hypervisor or its firmware has taken: no thread of it runs, no interrupt is taken, and nobody is
told. So its interrupts wait at the CPU, its runnable threads stay on its run queue, and what other actors send its threads (a grant, a
wake-up) is there when it comes back: that is memory, which others write. Moving the threads to other CPUs was rejected: it takes an
operating system that knows, and a kernel that takes a CPU off line in order first drops its TLB and its bits of pm_active, so that no
shootdown waits for it.
"""

from __future__ import annotations

from actors.faults.base import Table, Trigger, begins, is_lock, lasting, under_way
from actors.kernel.requests import Compute
from actors.processor.cpu import Cpu
from actors.processor.interrupts import Interrupts
from actors.processor.thread import Thread
from protocol.faults import Fault
from protocol.messages.faults import DeviceInterrupt, Online
from protocol.messages.processor import TIMEOUT
from protocol.records import STALLED

MILLION = 1_000_000


def slow(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """cpu-slow: whatever the CPU begins to compute while the fault lasts, its interrupt handlers and context switches included, takes
    ``percent`` of its time (300: three times as long).

    No check speaks. Locks held by its threads are held longer, and others wait for them: the metrics of waiting and spinning grow.
    """

    def longer(ns: int) -> int:
        return ns * fault.percent // 100 if under_way(fault, cpu.clock.now) else ns

    compute, steal, switch = cpu.do_compute, cpu._steal, cpu._arm_switch

    def slowly(thread: Thread, request: Compute) -> object:
        return compute(thread, Compute(request.what, longer(request.ns)))

    cpu.do_compute = cpu.performers[Compute] = slowly  # type: ignore[method-assign]
    cpu._steal = lambda cost_ns: steal(longer(cost_ns))  # type: ignore[method-assign]
    cpu._arm_switch = lambda cost_ns: switch(longer(cost_ns))  # type: ignore[method-assign]
    begins(table, fault, lambda: None)


def offline(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """cpu-offline: the CPU is away for ``duration_ns``, and comes back on line as it went.

    A shootdown waits for it: its bit of pm_active is set and its TLB still has what it had, so whoever unmaps must not go on before it has
    flushed, and it flushes when it is back. The initiator spins with the rendezvous lock, and every other shootdown behind it. So no check
    speaks and the time spent spinning grows by the fault's duration; beyond ``limits.wait_ns`` the run is stuck, with the initiator waiting
    for acknowledgements of this CPU.
    """
    _can_be_halted(cpu, table)
    begins(table, fault, lambda: halt(cpu, lasting(fault, cpu.clock.now, fault.duration_ns)))


def preempted(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """vcpu-preempted: a thread on the CPU has just got the lock when the virtual CPU loses its processor for ``duration_ns``.

    The holder of a spin lock is gone and cannot be preempted by anybody who waits: they burn their CPUs for as long (the lock's spin_ns);
    a sleep mutex has its waiters descheduled (its wait_ns). No check speaks below the kernel's own limit for spinning, 5 s (I-SPIN).
    """
    _can_be_halted(cpu, table)
    granted = cpu.granted

    def granted_and_preempted(thread: Thread, lock: str, fence: int) -> None:
        granted(thread, lock, fence)
        if is_lock(fault.lock, lock) and trigger.turn():
            duration_ns = lasting(fault, cpu.clock.now, fault.duration_ns)
            trigger.fired(f"preempted for {duration_ns} ns, thread {thread.tid} holding {lock}")
            halt(cpu, duration_ns)

    cpu.granted = granted_and_preempted  # type: ignore[method-assign]


def halt(cpu: Cpu, duration_ns: int) -> None:
    """The CPU does nothing and takes no interrupt for a while from now."""
    cpu.record((STALLED, duration_ns))
    Interrupts._steal(cpu, duration_ns)
    cpu.halted_until_ns = cpu.until_ns
    cpu.port.timer(Online(), cpu.until_ns - cpu.clock.now)


def _can_be_halted(cpu: Cpu, table: Table) -> None:
    """Once for each CPU, however many faults may halt it."""
    if Online in table:
        return
    disabled, maybe_switch = cpu.interrupts_disabled, cpu.maybe_switch

    def online(message: Online, sender: str) -> None:
        if cpu.clock.now < cpu.halted_until_ns:
            return
        cpu.halted_until_ns = 0
        if not disabled():
            cpu.take_pending()
        maybe_switch()

    def switch_if_online() -> None:
        if not cpu.halted_until_ns:
            maybe_switch()

    cpu.interrupts_disabled = lambda: bool(cpu.halted_until_ns) or disabled()  # type: ignore[method-assign]
    cpu.maybe_switch = switch_if_online  # type: ignore[method-assign]
    table[Online] = online


def interrupt_storm(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """interrupt-storm: a device interrupts the CPU every ``period_ns``, and each handler takes ``costs.interrupt_ns``.

    The line is one: what comes while a handler runs, or while one waits for interrupts to be enabled, is the same interrupt. So threads get
    what is left of each period, never less than nothing; no check speaks, and what runs there ends later.
    """

    def interrupt(message: DeviceInterrupt, sender: str) -> None:
        now = cpu.clock.now
        if now >= cpu.until_ns:
            if not cpu.interrupts_disabled():
                cpu._steal(cpu.machine.costs.interrupt_ns)
            elif not any(isinstance(waiting, DeviceInterrupt) for _, waiting in cpu.pending):
                cpu.pending.append((sender, message))
        if now + message.period_ns < message.until_ns:
            cpu.port.timer(message, message.period_ns)

    table[DeviceInterrupt] = interrupt
    first = DeviceInterrupt(fault.period_ns, fault.at_ns + lasting(fault, fault.at_ns, fault.duration_ns))
    begins(table, fault, lambda: interrupt(first, cpu.name))


def clock_skew(cpu: Cpu, table: Table, fault: Fault, trigger: Trigger) -> None:
    """clock-skew: the CPU's clock runs fast by ``ppm`` parts per million (negative: slow), from ``at_ns`` on, for ``duration_ns`` if given.

    Virtual time is what it is; what the CPU's threads wait for by their own clock, naps and timed sleeps, ends early on a fast clock and
    late on a slow one. No check speaks: nothing in the kernel may rely on how long a nap lasts. How often the page daemon looks, and how
    often one naps who may not wait for a lock, changes. (A thread's quantum is the clock's too, but nobody is preempted by it here.)
    """
    set_timer = cpu.set_timer

    def skewed(thread: Thread, what: int, delay_ns: int) -> None:
        if what == TIMEOUT and under_way(fault, cpu.clock.now):
            delay_ns = delay_ns * MILLION // (MILLION + fault.ppm)
        set_timer(thread, what, delay_ns)

    cpu.set_timer = skewed  # type: ignore[method-assign]
    begins(table, fault, lambda: None)
