"""Tasks: how a CPU steps threads through the compiled workload (design 7).

Open replay: a step begins at the later of its recorded time and the end of the task's previous one. Between two steps the task stays on
the CPU in user mode and gives way to whoever is ready. A step recorded on another CPU makes the task migrate first.
"""

from __future__ import annotations

from typing import Any, ClassVar

from actors.kernel.requests import Compute, Forget, HoldAt, Note, Recall, Remember, Request, StartTask
from actors.processor.asking import Asking
from actors.processor.driver import WAIT
from actors.processor.state import home_cpu
from actors.processor.thread import CURRENT, TIMED, Thread
from protocol.identity import SEQUENCER
from protocol.messages.processor import START, Arrive, Await
from protocol.records import ENTER, HELD, LEAVE, TASK_END, TASK_FORK, TASK_MOVE, TASK_STEP

RECENT = 1024
"""How many pages a task remembers for being touched again."""


class Tasks(Asking, kw_only=True):
    """Steps tasks."""

    requests_by: ClassVar[dict[type[Request], str]] = {
        Note: "do_note",
        HoldAt: "do_hold",
        StartTask: "do_start_task",
        Remember: "do_remember",
        Recall: "do_recall",
        Forget: "do_forget",
    }

    def send_task(self, task: int, index: int, space: str, pmap: str) -> None:
        """Let a task arrive where its step ``index`` belongs."""
        steps = self.tables.workload.tasks[task].steps
        cpu = steps[index].cpu if index < len(steps) else -1
        target = self.name if cpu < 0 else home_cpu(cpu, self.machine.cpus)
        message = Arrive(task, index, space, pmap)
        if target == self.name:
            self.port.timer(message, 1)
        else:
            self.port.send(target, message)

    def arrive(self, message: Arrive, sender: str) -> None:
        """A task comes to this CPU."""
        thread = self.threads[message.task] = Thread(message.task, message.task, message.index, message.map, message.pmap, state=TIMED)
        self.schedule(thread)

    def schedule(self, thread: Thread) -> None:
        """Arm the timer of the task's next step, end the task, or let it migrate."""
        steps = self.tables.workload.tasks[thread.task].steps
        if thread.index >= len(steps):
            self.tasks_done += 1
            self.record((TASK_END, thread.task))
            self.leave_cpu(thread)
            return
        step = steps[thread.index]
        if step.cpu >= 0 and home_cpu(step.cpu, self.machine.cpus) != self.name:
            self.record((TASK_MOVE, thread.task, step.cpu % self.machine.cpus))
            self.leave_cpu(thread)
            self.send_task(thread.task, thread.index, thread.map, thread.pmap)
            return
        self.set_timer(thread, START, step.at_ns - self.clock.now)
        self.user_mode(thread)

    def start_due(self, thread: Thread) -> None:
        """The step's time has come: begin it if the task is on the CPU, else queue the task."""
        if self.current == thread.tid and not self.switching:
            thread.state = CURRENT
            self.resume(thread, None)
        else:
            thread.woke = None
            self.ready(thread)

    def next_step(self, thread: Thread) -> None:
        """The thread has the CPU and no routine under way: begin its step."""
        step = self.tables.workload.tasks[thread.task].steps[thread.index]
        late_ns = max(0, self.clock.now - step.at_ns)
        self.record((TASK_STEP, thread.task, thread.index, step.word, late_ns))
        self.start_routine(thread, "step", (thread.task, thread.index))

    def operation_ended(self, thread: Thread) -> None:
        """A routine has returned."""
        if thread.task < 0:
            self.leave_cpu(thread)
            return
        thread.memory_waits = 0
        thread.index += 1
        self.schedule(thread)

    def do_note(self, thread: Thread, request: Note) -> Any:
        """Record; ENTER and LEAVE get the locks held, and say what the thread is doing."""
        record = request.record
        if record[0] == ENTER:
            thread.doing.append(str(record[2]))
            record = (*record, self.held_names(thread))
        elif record[0] == LEAVE:
            thread.doing.pop()
            thread.memory_waits = 0
            record = (*record, self.held_names(thread))
        self.record(record)
        return None

    def do_hold(self, thread: Thread, request: HoldAt) -> Any:
        """A script stops the thread here. It keeps its CPU, for it may hold a spin lock; interrupts are taken as ever."""
        self.record((HELD, thread.tid, request.point))
        if not request.after:
            return self.do_compute(thread, Compute("held", request.ns))
        await_op = Await(request.after)
        await_op.thread, await_op.held = thread.tid, thread.held
        self.port.send(SEQUENCER, await_op)
        thread.want = f"order: held at {request.point}"
        thread.waiting_since = self.clock.now
        return WAIT

    def do_start_task(self, thread: Thread, request: StartTask) -> Any:
        """A child task begins on the CPU of its first step."""
        self.record((TASK_FORK, thread.task, request.task, request.how))
        self.send_task(request.task, 0, request.map, request.pmap)
        return None

    # Pages touched lately ---------------------------------------------------------------------------------------------------

    def do_remember(self, thread: Thread, request: Remember) -> Any:
        """The last RECENT pages are kept."""
        thread.recent.append((request.vpn, request.write))
        if len(thread.recent) > RECENT:
            del thread.recent[0]
        return None

    def do_recall(self, thread: Thread, request: Recall) -> Any:
        """Draw one of them."""
        if not thread.recent:
            return (-1, False)
        return thread.recent[self.port.stream("retouch").below(len(thread.recent))]

    def do_forget(self, thread: Thread, request: Forget) -> Any:
        """In every thread of the address space on this CPU; what threads elsewhere remember of it may fault, and is then dropped."""
        start, end = request.start, request.end
        for other in self.threads.values():
            if other.map == thread.map and other.recent:
                other.recent = [page for page in other.recent if not start <= page[0] < end]
        return None
