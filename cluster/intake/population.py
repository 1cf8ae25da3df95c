"""Tasks, processes and address spaces of a recording, and the steps that are emitted for them.

A task that existed before the recording is made when it first does something, as a root; tasks that never fault or call (the idle task,
kernel threads) are thus never made. Address spaces are numbered as they appear; a process's threads share one by sharing the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.intake.files import FileTable
from cluster.intake.happenings import Exited
from cluster.intake.mappings import Mapping, MappingTable
from cluster.intake.open_recording import readable
from cluster.intake.order import Order, SpaceOrder
from protocol.workload import AnyStep, Exit, Fork, Mmap, Task


@dataclass(slots=True)
class Space:
    """An address space: its number, what is mapped, where its heap ends (in bytes; None: not known yet), and its order."""

    number: int
    table: MappingTable = field(default_factory=MappingTable)
    brk: int | None = None
    order: SpaceOrder = field(default_factory=SpaceOrder)


@dataclass(slots=True)
class Process:
    """What threads share. ``descriptors``: the file last mapped as a whole from each."""

    pid: int
    space: Space
    descriptors: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Thread:
    """A task: its number in the workload, and where it stands."""

    number: int
    tid: int
    process: Process
    steps: list[AnyStep]
    comm: str = ""
    first_tid: int = 0
    """Its tid before exec gave it another."""
    exited: Exited | None = None
    vfork: tuple[Thread, int, Fork] | None = None
    """The parent that waits for this task's exec or exit, the index of its Fork and the Fork."""
    waiting: Thread | None = None
    """The vfork child that this task waits for."""

    @property
    def space(self) -> Space:
        """The address space it runs in."""
        return self.process.space


class Population:
    """All tasks of a recording. ``first_ns`` is the time that becomes 0."""

    def __init__(self, first_ns: int) -> None:
        self.first_ns = first_ns
        self.tasks: list[Task] = []
        self.threads: list[Thread] = []
        self.files = FileTable()
        self.steps: list[list[AnyStep]] = []
        self.order = Order(self.steps)
        self.spaces = 0
        self._by_tid: dict[int, Thread] = {}
        self._processes: dict[int, Process] = {}

    def space(self, table: MappingTable | None = None, brk: int | None = None) -> Space:
        """A new address space."""
        space = Space(self.spaces, table or MappingTable(), brk)
        self.spaces += 1
        return space

    def _thread(self, tid: int, process: Process, cpu: int, parent: int) -> Thread:
        thread = Thread(len(self.tasks), tid, process, [], first_tid=tid)
        self.steps.append(thread.steps)
        self.tasks.append(Task("", cpu, parent, process.space.number, thread.steps))
        self.threads.append(thread)
        self._by_tid[tid] = thread
        return thread

    def known(self, tid: int) -> Thread | None:
        """The task that has this tid now."""
        return self._by_tid.get(tid)

    def thread(self, tid: int, pid: int, cpu: int) -> Thread:
        """The task ``tid``; one not seen before existed at the start."""
        thread = self._by_tid.get(tid)
        if thread is None:
            process = self._processes.get(pid)
            if process is None:
                process = self._processes[pid] = Process(pid, self.space())
            thread = self._thread(tid, process, cpu, -1)
        return thread

    def child(self, parent: Thread, tid: int, pid: int, cpu: int, how: str, comm: str) -> Thread:
        """A new task of ``parent``. A tid may be used again; the earlier task's steps are complete then."""
        space = parent.space if how != "fork" else self.space(parent.space.table.copy(), parent.space.brk)
        if how == "thread" and pid == parent.process.pid:
            process = parent.process
        else:
            process = self._processes[pid] = Process(pid, space, dict(parent.process.descriptors))
        child = self._thread(tid, process, cpu, parent.number)
        child.comm = comm
        return child

    def becomes(self, thread: Thread, tid: int) -> None:
        """exec by another thread than the first: it takes over the first one's tid."""
        self._by_tid.pop(thread.tid, None)
        thread.tid = tid
        self._by_tid[tid] = thread

    def replace_space(self, thread: Thread) -> Space:
        """exec: the task's process gets an empty address space. (A vfork child has a process of its own.)"""
        space = self.space()
        thread.process = Process(thread.tid, space, dict(thread.process.descriptors))
        self._processes[thread.tid] = thread.process
        return space

    def group(self, process: Process) -> list[Thread]:
        """The living tasks of a process."""
        return [thread for thread in self.threads if thread.process is process and thread.exited is None]

    # Steps -------------------------------------------------------------------------------------------------------------------

    def emit(self, thread: Thread, step: AnyStep, time_ns: int, cpu: int, line: int) -> int:
        """Append a step; returns its index. A task's steps never go back in time."""
        steps = thread.steps
        at_ns = time_ns - self.first_ns if time_ns > self.first_ns else 0
        step.at_ns = max(at_ns, steps[-1].at_ns) if steps else at_ns
        step.cpu = cpu
        step.line = line
        steps.append(step)
        return len(steps) - 1

    def emit_change(self, thread: Thread, step: AnyStep, time_ns: int, cpu: int, line: int) -> int:
        """Append a step that changes, or copies, the map of the task's space."""
        index = self.emit(thread, step, time_ns, cpu, line)
        self.order.changes(thread.space.order, thread.number, index)
        return index

    def emit_unknown(self, thread: Thread, mapping: Mapping, time_ns: int, cpu: int) -> None:
        """A mapping that must have been there without a line that says so."""
        thread.space.table.add(mapping)
        self.emit_change(thread, mmap_step(mapping), time_ns, cpu, 0)

    def finish(self, comms: dict[int, str]) -> list[Task]:
        """The tasks with exits, first CPUs and names; ``comms`` holds those of tasks whose birth was not seen.

        An exit comes last, since a task's last faults may follow its line.
        """
        for thread, task in zip(self.threads, self.tasks, strict=True):
            if thread.vfork is not None and thread.exited is None:
                # The recording ends before its exec: its parent must not wait for ever.
                thread.exited = Exited(0, self.first_ns, task.cpu, thread.process.pid, thread.tid, True)
            if thread.exited is not None:
                self.emit(thread, Exit(), thread.exited.time_ns, thread.exited.cpu, thread.exited.line)
            task.name = f"{readable(thread.comm or comms.get(thread.first_tid, '')) or 'task'}/{thread.tid}"
            if task.steps:
                task.cpu = task.steps[0].cpu
        return self.tasks


def mmap_step(mapping: Mapping, populate: bool = False) -> Mmap:
    """The step that makes a mapping."""
    return Mmap(
        start=mapping.start,
        end=mapping.end,
        prot=mapping.prot,
        file=mapping.file,
        offset=mapping.offset,
        shared=mapping.shared,
        populate=populate,
        stack=mapping.stack,
    )
