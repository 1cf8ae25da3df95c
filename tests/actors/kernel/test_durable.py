"""Threads are data: every routine, restored at each of its awaits, waits on the request it waited on before (law 2)."""

from __future__ import annotations

import msgspec
import pytest

from actors.kernel.step import ROUTINES
from actors.processor.cpu import Cpu
from cluster.engine.inproc import run_boot
from cluster.engine.models import build
from cluster.plan import Model
from protocol.kernels import kernel
from protocol.workload import Access, Brk, Exec, Exit, File, Fork, Inject, Kernel, Madvise, Mmap, Mprotect, Mremap, Munmap, Think
from tests.actors.fake_port import FakePort
from tests.actors.machine_kit import machine, workload


def everything():
    """A workload that goes through every routine: all calls, processes, and memory pressure with page-outs and read-backs."""
    first = [
        Mmap(1000, 1400), *[Access(1000 + i, write=True) for i in range(40)], Fork(1, "fork"), Fork(2, "vfork"), Fork(3, "thread"),
        Kernel(routine="zero_copy_send", arguments=(1000, 5_000)), *[Access(1000 + i, write=True) for i in range(10)],
        Mprotect(1005, 1010, 1), Madvise(1010, 1015, "drop"), Brk(2000, 2010),
        Access(2003, write=True), Brk(2010, 2004), Mremap(1015, 1020, 3000, 3010), Munmap(1020, 1030),
        *[Access(1040 + i % 300, write=True) for i in range(160)], Exit(announced=True),
    ]  # fmt: skip
    child = [Access(1003, write=True, cpu=1), Access(1004, cpu=1), Think(6_000_000, cpu=1), Exit(cpu=1)]
    vchild = [Exec(((10, 20, 5, 0, 0, False), (20, 30, 3, -1, 0, True)), cpu=1), Access(11, cold=True), Access(22, write=True), Exit()]
    thread = [*[Access(1200 + i, write=True, cpu=1) for i in range(30)], Exit(cpu=1)]
    last = [
        Mmap(1000, 1100, after=((0, len(first) - 1),), delay_ns=500), *[Access(1000 + i, write=True) for i in range(85)],
        Think(for_ns=25_000_000), Exit(),
    ]  # fmt: skip
    return workload(
        first,
        child,
        vchild,
        thread,
        last,
        parents=(-1, 0, 0, 0, -1),
        files=(File("lib", 20),),
        inject=(Inject("file-page", {"file": 0, "pindex": 3}),),
    )


LONG = 100
"""Requests that make a history a long one."""


class Restorer:
    """When a routine begins to wait: encode the CPU, decode it, and let it run its routines again.

    Each place a routine can wait at, told by its request's word and how many it has made, is tried once. Of a long history, which goes
    round a loop, so is every eighth.
    """

    def __init__(self, boot):
        self.boot = boot
        self.tables = next(actor for actor in boot.actors if isinstance(actor, Cpu)).tables
        self.routines: dict[str, int] = {}
        self.seen: set[tuple[str, str, int]] = set()

    def check(self, cpu, waiting):
        request = cpu.requests[waiting.tid]
        made = len(waiting.answers)
        word = getattr(getattr(request, "op", request), "word", type(request).__name__)
        place = (waiting.routine, word, made if made < LONG else made // 8)
        if place in self.seen:
            return
        self.seen.add(place)
        cpu.freeze()
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(cpu), type=Cpu)
        again.bind(FakePort(cpu.name))
        again.equip(self.tables)
        again.restored()
        assert again == cpu
        for tid, thread in cpu.threads.items():
            if thread.started:
                assert again.requests[tid] == cpu.requests[tid]
                self.routines[thread.routine] = self.routines.get(thread.routine, 0) + 1


@pytest.mark.parametrize(
    ("preset", "pmap"),
    [("repaired", "amd64"), ("freebsd-2006", "i386"), ("freebsd-2004", "alpha")],
)
def test_every_routine_restored_at_each_of_its_awaits_waits_on_the_same_request(preset, pmap, monkeypatch):
    model = Model("machine", machine=machine(frames=130, idle_zero=True, pmap=pmap), kernel=kernel(preset, pmap=pmap))
    boot = build(model, everything())
    restorer = Restorer(boot)
    drive = Cpu._drive

    def driven(self, thread, answer, first=False):
        drive(self, thread, answer, first)
        if thread.started:
            restorer.check(self, thread)

    monkeypatch.setattr(Cpu, "_drive", driven)
    done = run_boot(boot, 1, until_ns=100_000_000, record=False)
    assert sum(done.actors[f"cpu.{n}"].report()[0] for n in range(2)) == 5
    assert {name for name in ROUTINES if not restorer.routines.get(name)} == set()
    assert len(restorer.seen) > 1000
    collapse = {"object.shadows", "object.shadow-count", "object.backing"} | ({"pager.move"} if pmap != "alpha" else set())
    assert collapse <= {word for _, word, _ in restorer.seen}, "alpha's smaller page tables leave it without swap by then"


def test_a_routine_that_answers_differently_after_a_restore_is_found():
    cpu = build(Model("machine", machine=machine(), kernel=kernel()), everything()).actors[0]
    assert isinstance(cpu, Cpu)
    thread = cpu.new_kernel_thread("pageout", (0,))
    thread.started, thread.pending = True, b"something else"
    with pytest.raises(AssertionError, match="after a restore"):
        cpu.restored()
