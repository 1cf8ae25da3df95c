"""Interrupts steal time, wait while a spin lock is held, and a lost one leaves its initiator waiting."""

from __future__ import annotations

from actors.machine import boot
from actors.processor.cpu import Cpu
from actors.processor.thread import CURRENT, Thread
from protocol.kernels import kernel
from protocol.messages.processor import INVLPG, Ipi, IpiAck, Stall
from protocol.records import COMPUTE, IPI_DELIVER, SHOOT_DONE, TASK_STEP
from protocol.workload import Access, Fork, Mmap, Munmap, Think
from tests.actors.fake_port import FakePort
from tests.actors.machine_kit import all_done, entries_of, machine, run, workload


def lone_cpu():
    """A CPU on a fake port with one current thread."""
    cpu = boot(machine(), kernel(), workload([]), {}).actors[0]
    assert isinstance(cpu, Cpu)
    port = FakePort()
    cpu.bind(port)
    cpu.threads[7] = Thread(7, 7, state=CURRENT)
    cpu.current = 7
    return cpu, port


def test_an_interrupt_is_taken_at_once_and_acknowledged_when_its_handler_ends():
    cpu, port = lone_cpu()
    cpu.ipi(Ipi(INVLPG, "pmap.0", 5, 6), "cpu.1")
    assert [record[0] for record in port.records] == [IPI_DELIVER, 72]
    to, message, delay_ns = port.sent[0]
    assert (to, message, delay_ns) == ("smp", IpiAck(), 250 + 40)
    assert cpu.until_ns == 290


def test_an_interrupt_waits_while_a_spin_lock_is_held():
    cpu, port = lone_cpu()
    cpu.threads[7].spins = 1
    cpu.ipi(Ipi(INVLPG, "pmap.0", 5, 6), "cpu.1")
    assert not port.sent
    assert not port.records
    cpu.threads[7].spins = 0
    cpu.take_pending()
    assert [message for _, message, _ in port.sent] == [IpiAck()]


def test_a_handler_steals_its_time_from_what_the_thread_computes():
    cpu, _ = lone_cpu()
    thread = cpu.threads[7]
    thread.computing = True
    cpu.ipi(Ipi(INVLPG, "pmap.0", 5, 6), "cpu.1")
    cpu.stall(Stall(1000), "cpu.0")
    assert thread.stolen_ns == 290 + 1000


def unmapping(think_ns):
    first = [
        Mmap(1000, 1100), Access(1000, write=True, cpu=0), Fork(1, "thread"), Munmap(1000, 1001, cpu=0, at_ns=200_000), Think(1, cpu=0),
    ]  # fmt: skip
    return workload(first, [Access(1000, cpu=1), Think(think_ns), Think(1)], parents=(-1, 0))


def test_a_shootdown_delays_the_target_by_just_the_handlers_time():
    done = run(unmapping(1_000_000))
    assert all_done(done)
    (begun,) = [head[0] for head, _, records in entries_of(done, COMPUTE) for r in records if r[0] == COMPUTE and r[3] == 1_000_000]
    (ended,) = [head[0] for head, _, records in done.entries for r in records if r[0] == TASK_STEP and r[1:3] == (1, 2)]
    assert ended == begun + 1_000_000 + 290 + 1
    ((*_, targets, spun_ns),) = [record for record in done.records(SHOOT_DONE) if record[5]]
    assert targets == (1,)
    assert spun_ns > 290 + 300
