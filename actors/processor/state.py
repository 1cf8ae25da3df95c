"""What a CPU is made of, and the small steps the rest of it shares."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from actors.actor import Actor, Handler, Port, Report
from actors.kernel.context import Context, Tables
from actors.kernel.requests import Call, Request
from actors.processor.thread import Thread
from actors.processor.tlb import Tlb
from protocol.identity import cpu_name
from protocol.machine import Machine
from protocol.messages import Message, Value
from protocol.messages.device import NicDone, PagerDone
from protocol.messages.faults import DeviceInterrupt
from protocol.messages.processor import Ipi, Timer
from protocol.records import PANIC

KERNEL_TIDS = 1 << 24
"""Thread ids from here on are kernel threads: KERNEL_TIDS + cpu * KERNEL_TIDS_EACH + n."""
KERNEL_TIDS_EACH = 4096
"""Kernel threads that one CPU can have at a time."""

Routine = Callable[..., Coroutine[Any, Any, Any]]


class CpuState(Actor, kw_only=True):
    """The state of one CPU.

    ``until_ns`` is when the interrupt handler (or injected stall) under way ends: nothing else of this CPU happens before.
    """

    reports: ClassVar[bool] = True

    index: int
    machine: Machine
    threads: dict[int, Thread] = {}
    run_queue: list[int] = []
    current: int = -1
    """The thread on the CPU, -1 when idle."""
    gave_up: int = -1
    """The thread that had to wait and left the CPU idle, until another gets it, -1 if there is none."""
    switching: bool = False
    loaded: str = ""
    """The address space whose page table is loaded (lazily kept by kernel threads)."""
    until_ns: int = 0
    pending: list[tuple[str, Ipi | PagerDone | NicDone | DeviceInterrupt]] = []
    """Interrupts that arrived while they were disabled, in order."""
    halted_until_ns: int = 0
    """Until when a fault keeps the CPU from running and from taking interrupts; 0: it runs."""
    tlb: Tlb
    made: dict[str, int] = {}
    """How many actors of each kind this CPU has created."""
    kernel_threads: int = 0
    tasks_done: int = 0
    panic_text: str = ""

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine."""
        self.coroutines: dict[int, Coroutine[Any, Any, Any]] = {}
        self.requests: dict[int, Request] = {}
        return super().bind(port)

    def equip(self, tables: Tables) -> None:
        """Give the CPU what is constant and the same everywhere: routines, kernel forms, the compiled workload."""
        self.tables = tables

    def context(self, thread: Thread) -> Context:
        """What a routine that runs on this thread knows."""
        context = Context(self.tables, self.machine, self.index, thread.tid, thread.task, thread.index, *thread.space, thread)
        if thread.forms:
            context.kernel = {**self.tables.kernel, **thread.forms}
        return context

    def set_timer(self, thread: Thread, what: int, delay_ns: int) -> None:
        """Arm the thread's one timer; an earlier one becomes stale."""
        thread.stamp += 1
        self.port.timer(Timer(what, thread.tid, thread.stamp), max(1, delay_ns))

    def panic(self, tid: int, text: str) -> None:
        """The modelled kernel panics: this CPU stops, and the run ends at the end of the slice."""
        if self.panic_text:
            return
        self.panic_text = text
        self.record((PANIC, tid, text))

    def new_kernel_thread(self, routine: str, arguments: tuple[Value, ...]) -> Thread:
        """A thread without a task, known to this CPU from now on, that will run a routine.

        Numbers are used again, but none of a thread that lives: the page daemon has kept its own since the start.
        """
        first = KERNEL_TIDS + self.index * KERNEL_TIDS_EACH
        numbers = ((self.kernel_threads + n) % KERNEL_TIDS_EACH for n in range(KERNEL_TIDS_EACH))
        number = next(number for number in numbers if first + number not in self.threads)
        self.kernel_threads, tid = (number + 1) % KERNEL_TIDS_EACH, first + number
        thread = self.threads[tid] = Thread(tid, routine=routine, arguments=arguments)
        return thread

    def held_names(self, thread: Thread) -> tuple[str, ...]:
        """The locks a thread holds, outermost first."""
        return tuple(lock for lock, _ in thread.held)

    def report(self) -> Report:
        """How far this CPU's threads are."""
        oldest = -1
        for thread in self.threads.values():
            since = thread.waiting_since
            if since >= 0 and not thread.want.startswith("order") and (oldest < 0 or since < oldest):
                oldest = since
        starving = max(self.threads.values(), key=lambda thread: (thread.memory_waits, -thread.tid), default=None)
        if starving is None or not starving.memory_waits:
            return Report(self.tasks_done, oldest, self.panic_text)
        return Report(self.tasks_done, oldest, self.panic_text, starving.memory_waits, starving.tid)

    def waits(self) -> list[tuple[int, int, str, int, tuple[str, ...], Value]]:
        """(thread, task, what it waits for, since, locks held, routine) of every waiting thread: the rows of the wait-for graph."""
        rows: list[tuple[int, int, str, int, tuple[str, ...], Value]] = []
        for thread in self.threads.values():
            if thread.waiting_since >= 0:
                doing = thread.doing[-1] if thread.doing else thread.routine
                rows.append((thread.tid, thread.task, self.wanted(thread), thread.waiting_since, self.held_names(thread), doing))
        return rows

    def wanted(self, thread: Thread) -> str:
        """What a waiting thread waits for, in words; it keeps its CPU while it waits for the answer of a home."""
        request = self.requests.get(thread.tid)
        return thread.want or (f"the answer of {request.to} to {request.op.word}" if isinstance(request, Call) else "")


def home_cpu(index: int, cpus: int) -> str:
    """The CPU actor for a recorded CPU number, wrapped into the machine's."""
    return cpu_name(index % cpus)
