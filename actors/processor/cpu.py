"""The CPU actor: which message does what."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors.kernel.inject import BEFORE_TASKS_NS
from actors.kernel.requests import Call, Request
from actors.processor.hardware import PAUSED
from actors.processor.strays import Strays
from actors.processor.thread import BLOCKED, Thread
from actors.processor.told import Told
from protocol.messages import Message, Reply
from protocol.messages.device import NicDone, PagerDone
from protocol.messages.locks import SPIN, TRY, TRY_SHARED, UPGRADE, LockFail, LockGrant, LockWait, Unsleep, Woken
from protocol.messages.processor import ACTIVATE, COMPUTE, RESUME, START, SWITCHED, TIMEOUT, Arrive, Assertion, Ipi, IpiDone, Stall, Timer
from protocol.records import LOCK_FAIL, LOCK_WAIT, WAKE


class Cpu(Strays, kw_only=True):
    """One CPU of the modelled machine."""

    handlers: ClassVar[dict[type[Message], str]] = {
        Reply: "reply",
        LockGrant: "lock_grant",
        LockWait: "lock_wait",
        LockFail: "lock_fail",
        Woken: "woken",
        Timer: "timer",
        Ipi: "ipi",
        IpiDone: "ipi_done",
        PagerDone: "device_done",
        NicDone: "device_done",
        Assertion: "assertion",
        Arrive: "arrive",
        Stall: "stall",
    }

    def begin(self) -> None:
        """Start the tasks that exist at time 0 on this CPU, and, on CPU 0, the page daemon."""
        injected = bool(self.tables.workload.injected)
        for task, space, pmap in self.tables.initial_tasks(self.index):
            self.port.timer(Arrive(task, 0, space, pmap), BEFORE_TASKS_NS if injected else 1)
        if self.index == 0:
            if injected:
                self.ready(self.new_kernel_thread("inject", ()))
            self.ready(self.new_kernel_thread("pageout", (0,)))
            if self.machine.idle_zero:
                self.ready(self.new_kernel_thread("pagezero", (0,)))

    def reply(self, message: Reply, sender: str) -> None:
        """A home's answer."""
        thread = self.threads[message.thread]
        if thread.state == BLOCKED:
            self.wake(thread, message.value)
        else:
            thread.want, thread.waiting_since = "", -1
            self.resume(thread, message.value)

    def assertion(self, message: Assertion, sender: str) -> None:
        """A write that a thread had posted was refused: the kernel panics, wherever the thread is by now."""
        self.panic(message.thread, message.text)

    def lock_grant(self, message: LockGrant, sender: str) -> None:
        """The lock is the thread's."""
        thread = self.threads[message.thread]
        self.granted(thread, sender, message.fence)
        if thread.state == BLOCKED:
            self.wake(thread, True)
        else:
            self.resume(thread, True)

    def lock_wait(self, message: LockWait, sender: str) -> None:
        """The lock is taken: a spinner keeps the CPU, everybody else gives it up."""
        thread = self.threads[message.thread]
        thread.contended = True
        self.record((LOCK_WAIT, thread.tid, sender, message.owner))
        if thread.spins and thread.want_mode != SPIN:
            self.refuse_to_block(thread, sender)
        elif thread.want_mode != SPIN:
            since = thread.waiting_since
            self.deschedule(thread, sender)
            thread.waiting_since = since

    def lock_fail(self, message: LockFail, sender: str) -> None:
        """A try-lock or an upgrade failed."""
        thread = self.threads[message.thread]
        assert thread.want_mode in (TRY, TRY_SHARED, UPGRADE), f"thread {thread.tid}: a request that waits cannot fail"
        self.record((LOCK_FAIL, thread.tid, sender, message.owner))
        thread.waiting_since = -1
        thread.want = ""
        self.resume(thread, False)

    def woken(self, message: Woken, sender: str) -> None:
        """A sleeper was taken off its channel."""
        thread = self.threads[message.thread]
        why = "timeout" if thread.timed_out else "wakeup"
        thread.stamp += 1
        self.record((WAKE, thread.tid, message.chan, why))
        self.wake(thread, why)

    def timer(self, message: Timer, sender: str) -> None:
        """One of this CPU's timers."""
        if message.what == SWITCHED:
            self.switched()
            return
        if message.what == ACTIVATE:
            self.activate_late()
            return
        thread = self.threads.get(message.thread)
        if thread is not None and thread.stamp == message.stamp:
            self._thread_timer(thread, message.what)

    def _thread_timer(self, thread: Thread, what: int) -> None:
        if what == COMPUTE:
            self._computed(thread)
        elif what == RESUME:
            self.resume(thread, thread.woke)
        elif what == START:
            self.start_due(thread)
        elif what == TIMEOUT and thread.want == PAUSED:
            self.wake(thread, None)
        elif what == TIMEOUT and thread.state == BLOCKED:
            thread.timed_out = True
            home, chan = thread.want.split(" ", 1)
            self.port.send(home, Unsleep(thread.tid, chan))

    def _computed(self, thread: Thread) -> None:
        if thread.stolen_ns:
            stolen_ns, thread.stolen_ns = thread.stolen_ns, 0
            self.set_timer(thread, COMPUTE, stolen_ns)
            return
        thread.computing = False
        self.resume(thread, None)

    def freeze(self) -> None:
        """Before a snapshot: store the request each thread waits on. Those of a CPU that has panicked wait for nothing any more."""
        if self.panic_text:
            return
        for tid, thread in self.threads.items():
            thread.pending = self._encoded(thread, self.requests[tid]) if thread.started else b""

    def restored(self) -> None:
        """After a restore: run every routine again on its answers, and compare the request it waits on with the stored one."""
        if self.panic_text:
            return
        for thread in self.threads.values():
            if thread.started:
                self._rerun(thread)

    def _rerun(self, thread: Thread) -> None:
        context = self.context(thread)
        context.locks = told = Told(thread.found)
        coroutine = self.tables.routines[thread.routine](context, *thread.arguments)
        request: Request = coroutine.send(None)
        for answer in thread.answers:
            told.hear(request, answer)
            request = coroutine.send(answer)
        context.locks = thread
        found = self._encoded(thread, request)
        assert found == thread.pending, (
            f"{thread.routine} of thread {thread.tid} waits on {found!r} after a restore, on {thread.pending!r} before"
        )
        self.coroutines[thread.tid] = coroutine
        self.requests[thread.tid] = request

    def _encoded(self, thread: Thread, request: Request) -> bytes:
        if isinstance(request, Call):
            request.op.thread, request.op.held = thread.tid, thread.held
        return msgspec.msgpack.encode(request)
