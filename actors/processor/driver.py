"""The driver of durable threads: it resumes a routine with an answer and performs the requests that the routine makes.

Each request has one method, named in the ``requests_by`` tables of the classes above this one. A method returns the answer, or WAIT when
a message will bring it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from actors.actor import Handler, Port
from actors.kernel.requests import Again, KernelPanic, Request
from actors.processor.state import CpuState
from actors.processor.thread import HISTORY_LIMIT, Thread
from protocol.messages import Message
from protocol.messages.processor import RESUME

WAIT = object()
"""The answer of a request that a message will answer."""


class Driver(CpuState, kw_only=True):
    """Runs routines. What a thread does next when a routine has ended is for its subclasses."""

    requests_by: ClassVar[dict[type[Request], str]] = {}
    """Request type to method name; a subclass adds its own."""

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine."""
        tables = [vars(kind).get("requests_by", {}) for kind in type(self).__mro__]
        self.performers: dict[type[Request], Callable[[Thread, Any], Any]] = {
            request: getattr(self, name) for table in tables for request, name in table.items()
        }
        return super().bind(port)

    def next_step(self, thread: Thread) -> None:
        """The thread has the CPU and no routine: begin its next one."""
        raise AssertionError(f"thread {thread.tid} has nothing to do")

    def operation_ended(self, thread: Thread) -> None:
        """The thread's routine has returned."""
        raise AssertionError(f"thread {thread.tid} has nowhere to go")

    def start_routine(self, thread: Thread, routine: str, arguments: tuple[Any, ...]) -> None:
        """Begin a routine on the current thread."""
        thread.routine, thread.arguments, thread.answers, thread.started = routine, arguments, [], True
        thread.space = (thread.map, thread.pmap)
        thread.found = tuple((lock, thread.depths.get(lock, 0)) for lock, _ in thread.held)
        self.coroutines[thread.tid] = self.tables.routines[routine](self.context(thread), *arguments)
        self._drive(thread, None, first=True)

    def resume(self, thread: Thread, answer: Any) -> None:
        """Go on with the current thread, now or when the interrupt under way has ended. A CPU whose kernel has panicked does not."""
        if self.panic_text:
            return
        if self.clock.now < self.until_ns:
            thread.woke = answer
            self.set_timer(thread, RESUME, self.until_ns - self.clock.now)
        elif thread.started:
            self._drive(thread, answer)
        elif thread.routine:
            self.start_routine(thread, thread.routine, thread.arguments)
        else:
            self.next_step(thread)

    def _drive(self, thread: Thread, answer: Any, first: bool = False) -> None:
        send = self.coroutines[thread.tid].send
        answers, performers = thread.answers, self.performers
        try:
            while True:
                if first:
                    first = False
                else:
                    answers.append(answer)
                request = send(answer)
                answer = performers[type(request)](thread, request)
                if answer is WAIT:
                    self.requests[thread.tid] = request
                    return
        except StopIteration as stop:
            outcome = stop.value
        except KernelPanic as panic:
            self.panic(thread.tid, str(panic))
            return
        self._ended(thread, outcome)

    def _ended(self, thread: Thread, outcome: Any) -> None:
        assert len(thread.answers) < HISTORY_LIMIT, f"{thread.routine} awaited more than {HISTORY_LIMIT} times"
        if isinstance(outcome, Again):
            if thread.task < 0:  # a kernel thread's operation has no other end than the beginning of the next
                thread.forms = {}
            self.start_routine(thread, outcome.routine, outcome.arguments)
            return
        thread.routine, thread.started, thread.forms = "", False, {}
        self.coroutines.pop(thread.tid, None)
        self.operation_ended(thread)
