"""Which messages a CPU awaits: the thread they are for waits for just that, and its answer has not come yet."""

from __future__ import annotations

import pytest

from actors.kernel.requests import Acquire, Call, Compute, HoldAt, LeaveLazy, SendIpis, SleepOn
from actors.machine import boot
from actors.processor.cpu import Cpu
from actors.processor.thread import BLOCKED, CURRENT, READY, Thread
from protocol.kernels import kernel
from protocol.messages import Reply
from protocol.messages.locks import EXCLUSIVE, LockFail, LockGrant, LockWait, Woken
from protocol.messages.processor import Arrive, Ipi, IpiDone
from protocol.messages.space import Walk
from protocol.records import PANIC
from tests.actors.fake_port import FakePort
from tests.actors.machine_kit import machine, workload


def cpu_with(request, **fields):
    """A CPU whose thread 7 waits on ``request``."""
    cpu = boot(machine(), kernel(), workload([]), {}).actors[0]
    assert isinstance(cpu, Cpu)
    port = FakePort()
    cpu.bind(port)
    cpu.threads[7] = Thread(7, 7, started=True, **{"state": CURRENT, "waiting_since": 50, **fields})
    cpu.current, cpu.requests[7] = 7, request
    return cpu, port


WALK = Walk(5, False)
WAITS = [
    (Call("pmap.0", WALK), {}, Reply(7), "pmap.0"),
    (Call("pager.0", WALK, True), {"state": BLOCKED, "want": "pager.0 x"}, Reply(7), "pager.0"),
    (HoldAt("p", 1, ((1, 2),)), {"want": "order: held at p"}, Reply(7), "order"),
    (Acquire("pq", EXCLUSIVE), {"want": "pq"}, LockGrant(7, 1), "pq"),
    (Acquire("pq", EXCLUSIVE), {"want": "pq"}, LockWait(7, 2), "pq"),
    (Acquire("pq", EXCLUSIVE), {"want": "pq"}, LockFail(7, 2), "pq"),
    (SleepOn("pq", "c"), {"state": BLOCKED}, Woken(7, "c"), "pq"),
    (SendIpis("pmap.0", 1, 2, (1,)), {}, IpiDone(7), "smp"),
    (LeaveLazy("pmap.0", 1), {}, IpiDone(7), "smp"),
]


@pytest.mark.parametrize(("request_", "fields", "message", "sender"), WAITS)
def test_what_a_thread_waits_for_is_awaited_once_and_from_nobody_else(request_, fields, message, sender):
    cpu, _ = cpu_with(request_, **fields)
    assert cpu.unawaited(message, sender) == ""
    assert cpu.unawaited(message, "fq") == "thread 7 does not wait for it"
    cpu.requests[7] = Compute("think", 5)
    assert cpu.unawaited(message, sender) == "thread 7 does not wait for it"
    cpu.threads[7].started = False
    assert cpu.unawaited(message, sender) == "thread 7 waits for nothing here"
    del cpu.threads[7]
    assert cpu.unawaited(message, sender) == "thread 7 waits for nothing here"


@pytest.mark.parametrize(
    ("request_", "fields", "message", "sender"),
    [
        (Call("pmap.0", WALK), {"waiting_since": -1}, Reply(7), "pmap.0"),
        (Call("pager.0", WALK, True), {"state": READY, "waiting_since": -1}, Reply(7), "pager.0"),
        (HoldAt("p", 1), {}, Reply(7), "order"),
        (Acquire("pq", EXCLUSIVE), {"waiting_since": -1}, LockGrant(7, 1), "pq"),
        (SleepOn("pq", "c"), {"state": READY}, Woken(7, "c"), "pq"),
        (SendIpis("pmap.0", 1, 2, (1,)), {"waiting_since": -1}, IpiDone(7), "smp"),
    ],
)
def test_a_second_answer_is_not_awaited(request_, fields, message, sender):
    cpu, _ = cpu_with(request_, **fields)
    assert cpu.unawaited(message, sender) == "thread 7 does not wait for it"


def test_a_task_that_is_here_comes_no_second_time():
    cpu, _ = cpu_with(Compute("think", 1))
    assert cpu.unawaited(Arrive(7, 0, "map.0", "pmap.0"), "cpu.1") == "task 7 is here already"
    assert cpu.unawaited(Arrive(8, 0, "map.0", "pmap.0"), "cpu.1") == ""


def test_an_interrupt_is_always_taken():
    assert cpu_with(Compute("think", 1))[0].unawaited(Ipi(1, "pmap.0", 5, 6), "cpu.1") == ""


def test_a_cpu_that_breaks_down_panics_and_is_restored_without_its_threads():
    cpu, port = cpu_with(Call("pmap.0", WALK))
    cpu.broke_down("over something")
    assert port.records == [(PANIC, -1, "over something")]
    assert cpu.report().panic == "over something"
    cpu.requests.clear()
    cpu.freeze()
    cpu.restored()
    assert cpu.threads[7].pending == b"", "no routine is run again"
