"""Which messages a CPU does not await: asked only where links may double, lose or reorder them.

A thread waits for one thing at a time, so what comes for a thread that is gone, or that waits for something else, is a message that came
twice or too late. An answer that comes late while its thread waits for another one of the same home cannot be told from that: the
protocols put no number on a request, because their links never needed one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from actors.kernel.requests import Acquire, Call, HoldAt, LeaveLazy, SendIpis, SleepOn
from actors.processor.tasks import Tasks
from actors.processor.thread import BLOCKED, CURRENT, Thread
from protocol.identity import RENDEZVOUS, SEQUENCER
from protocol.messages import Message, Reply
from protocol.messages.locks import LockFail, LockGrant, LockWait, Woken
from protocol.messages.processor import Arrive, IpiDone


class Strays(Tasks, kw_only=True):
    """Tells what it awaits."""

    awaited_by: ClassVar[dict[type[Message], str]] = {
        Reply: "_awaits_reply",
        LockGrant: "_awaits_lock",
        LockWait: "_awaits_lock",
        LockFail: "_awaits_lock",
        Woken: "_awaits_wakeup",
        IpiDone: "_awaits_acknowledgements",
    }

    def unawaited(self, message: Message, sender: str) -> str:
        """Why nobody here awaits ``message``, or "" if somebody does."""
        if isinstance(message, Arrive):
            return f"task {message.task} is here already" if message.task in self.threads else ""
        method = self.awaited_by.get(type(message))
        if method is None:
            return ""
        tid: int = message.thread  # type: ignore[attr-defined]
        thread = self.threads.get(tid)
        if thread is None or not thread.started:
            return f"thread {tid} waits for nothing here"
        awaits: Callable[[Thread, Any, str], bool] = getattr(self, method)
        return "" if awaits(thread, self.requests.get(tid), sender) else f"thread {tid} does not wait for it"

    def broke_down(self, text: str) -> None:
        """A message has thrown this CPU off its course: its kernel panics, whatever the thread."""
        self.panic(-1, text)

    def _awaits_reply(self, thread: Thread, request: Any, sender: str) -> bool:
        if isinstance(request, HoldAt):
            return bool(request.after) and sender == SEQUENCER and bool(thread.want)
        if not isinstance(request, Call) or request.to != sender:
            return False
        return thread.state == (BLOCKED if request.deschedule else CURRENT) and not self._answered(thread)

    def _answered(self, thread: Thread) -> bool:
        """Has its answer come, which it goes on with when the interrupt under way has ended?"""
        return thread.waiting_since < 0

    def _awaits_lock(self, thread: Thread, request: Any, sender: str) -> bool:
        return isinstance(request, Acquire) and request.lock == sender == thread.want

    def _awaits_wakeup(self, thread: Thread, request: Any, sender: str) -> bool:
        return isinstance(request, SleepOn) and request.interlock == sender and thread.state == BLOCKED

    def _awaits_acknowledgements(self, thread: Thread, request: Any, sender: str) -> bool:
        return isinstance(request, SendIpis | LeaveLazy) and sender == RENDEZVOUS and thread.waiting_since >= 0
