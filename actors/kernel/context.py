"""What a routine knows: the constants of its machine and kernel, its thread's identity, and the requests it may make.

A context holds names and constants only. Everything a routine learns of the machine comes as the answer of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.kernel.requests import (
    Acquire,
    Call,
    Compute,
    Create,
    Fill,
    FillWindow,
    FlushLocal,
    Forget,
    HoldAt,
    LeaveLazy,
    Note,
    Owned,
    Passed,
    Pause,
    Post,
    Recall,
    Release,
    Remember,
    SendIpis,
    SetSpace,
    SleepOn,
    StartTask,
    Translate,
    TranslateWindow,
)
from protocol.locks import class_of
from protocol.machine import Machine
from protocol.messages import Op, Value
from protocol.messages.locks import EXCLUSIVE, SPIN
from protocol.records import ENTER, LEAVE, PEEK
from protocol.workload import Exec, Exit, Fork, Hold, Workload


class Tables:
    """Constants that every worker has alike: the kernel's forms, the routines, the compiled workload."""

    def __init__(
        self,
        kernel: Mapping[str, str],
        routines: Mapping[str, Callable[..., Any]],
        workload: Workload,
        initial: Mapping[int, list[tuple[int, str, str]]],
        options: Mapping[str, int | str],
    ) -> None:
        self.kernel = kernel
        self.routines = routines
        self.workload = workload
        self.initial = initial
        self.options = options
        self._leaves = {
            step.child: _leaves_at(workload, step.child)
            for task in workload.tasks
            for step in task.steps
            if isinstance(step, Fork) and step.how == "vfork"
        }

    def initial_tasks(self, cpu: int) -> list[tuple[int, str, str]]:
        """(task, map, pmap) of the tasks that exist at time 0 on this CPU."""
        return self.initial.get(cpu, [])

    def holds_at(self, task: int, index: int) -> tuple[Hold, ...]:
        """Where a script holds this step inside the kernel."""
        if task < 0 or index >= len(self.workload.tasks[task].steps):
            return ()
        return self.workload.tasks[task].steps[index].holds

    def leaves_at(self, task: int) -> int:
        """The step at which a vforked task leaves its parent's space (exec, exit, or its last one); -1 for any other task, or one
        without steps."""
        return self._leaves.get(task, -1)


def _leaves_at(workload: Workload, task: int) -> int:
    steps = workload.tasks[task].steps
    return next((i for i, step in enumerate(steps) if isinstance(step, Exec | Exit)), len(steps) - 1)


class HeldLocks(Protocol):
    """The locks of a thread: with their fences in order of acquisition, since when each is held, the extra depth of those held again."""

    held: tuple[tuple[str, int], ...]
    since: dict[str, int]
    depths: dict[str, int]


class Context:
    """The `k` of every routine: identity, constants, and one method per request.

    ``passed`` counts how often the step came to each point at which it may be held; a routine that is run again counts the same. ``locks``
    and ``excused`` are for the contracts alone: the thread's locks, and those of which a contract has said that they are wrong.
    """

    __slots__ = (
        "costs", "cpu", "excused", "holds", "index", "kernel", "locks", "machine", "map", "passed", "pmap", "tables", "task", "tid"
    )  # fmt: skip

    def __init__(
        self, tables: Tables, machine: Machine, cpu: int, tid: int, task: int, index: int, map: str, pmap: str, locks: HeldLocks
    ) -> None:
        self.tables = tables
        self.kernel = tables.kernel
        self.machine = machine
        self.costs = machine.costs
        self.cpu = cpu
        self.tid = tid
        self.task = task
        self.index = index
        self.map = map
        self.pmap = pmap
        self.holds = tables.holds_at(task, index)
        self.passed: dict[str, int] = {}
        self.locks = locks
        self.excused: tuple[str, ...] = ()

    def acquire(self, lock: str, mode: int = EXCLUSIVE) -> Acquire:
        """Acquire a lock; a spin mutex in SPIN mode whatever is asked."""
        return Acquire(lock, SPIN if class_of(lock).spin else mode)

    def release(self, lock: str) -> Release:
        """Release a lock."""
        return Release(lock)

    def owns(self, lock: str) -> Owned:
        """mtx_owned."""
        return Owned(lock)

    def call(self, home: str, op: Op) -> Call:
        """Ask a home and wait for its answer."""
        return Call(home, op)

    def wait_for(self, home: str, op: Op) -> Call:
        """Ask a device and give up the CPU until it answers."""
        return Call(home, op, True)

    def post(self, home: str, op: Op) -> Post:
        """Write to the home of a lock held, without waiting."""
        return Post(home, op)

    def sleep(self, interlock: str, chan: str, timeout_ns: int = 0) -> SleepOn:
        """msleep(chan, interlock, PDROP)."""
        return SleepOn(interlock, chan, timeout_ns)

    def pause(self, ns: int) -> Pause:
        """Give the CPU up for a while."""
        return Pause(ns)

    def remember(self, vpn: int, write: bool) -> Remember:
        """This page was touched."""
        return Remember(vpn, write)

    def recall(self) -> Recall:
        """A page touched lately."""
        return Recall()

    def forget(self, start: int, end: int) -> Forget:
        """Pages touched in this range are no longer what they were."""
        return Forget(start, end)

    def compute(self, what: str, ns: int) -> Compute:
        """Spend CPU time."""
        return Compute(what, ns)

    def note(self, *record: Any) -> Note:
        """Record what only the thread knows."""
        return Note(tuple(record))

    def enter(self, routine: str, *arguments: Value) -> Note:
        """The routine begins."""
        return Note((ENTER, self.tid, routine, arguments))

    def leave(self, routine: str, outcome: Value = None) -> Note:
        """The routine ends."""
        return Note((LEAVE, self.tid, routine, outcome))

    def at(self, point: str) -> HoldAt:
        """A named point (``protocol.points``): a script can hold the thread here."""
        if not self.holds:
            return Passed(point)
        count = self.passed[point] = self.passed.get(point, 0) + 1
        for hold in self.holds:
            if hold.point == point and hold.nth in (0, count):
                return HoldAt(point, ((hold.task, hold.index),) if hold.task >= 0 else (), hold.for_ns)
        return Passed(point)

    def peek(self, field: str) -> Note:
        """The next read is one the kernel does without a lock, and says so."""
        return Note((PEEK, field, self.tid))

    def create(self, kind: str, label: str = "", **fields: Value) -> Create:
        """Create a home on this CPU."""
        return Create(kind, fields, label)

    def translate(self, vpn: int, write: bool) -> Translate:
        """Ask the TLB."""
        return Translate(vpn, write)

    def fill(self, vpn: int, frame: int, bits: int) -> Fill:
        """Fill the TLB."""
        return Fill(vpn, frame, bits)

    def translate_window(self, window: str) -> TranslateWindow:
        """Ask the TLB what a kernel window shows."""
        return TranslateWindow(window)

    def fill_window(self, window: str, frame: int) -> FillWindow:
        """Fill the TLB with what it shows."""
        return FillWindow(window, frame)

    def flush_local(self, pmap: str, start: int, end: int) -> FlushLocal:
        """Flush this CPU's TLB."""
        return FlushLocal(pmap, start, end)

    def send_ipis(self, pmap: str, start: int, end: int, targets: tuple[int, ...]) -> SendIpis:
        """Interrupt other CPUs and spin until all have acknowledged."""
        return SendIpis(pmap, start, end, targets)

    def leave_lazy(self, pmap: str, cpu: int) -> LeaveLazy:
        """Make a CPU load something else than this address space."""
        return LeaveLazy(pmap, cpu)

    def set_space(self, map: str, pmap: str) -> SetSpace:
        """Change the thread's address space, here and on the CPU."""
        self.map, self.pmap = map, pmap
        return SetSpace(map, pmap)

    def start_task(self, task: int, map: str, pmap: str, how: str) -> StartTask:
        """Start a child task."""
        return StartTask(task, map, pmap, how)

    def form(self, change: str) -> str:
        """The form in force of a switch."""
        return self.kernel[change]
