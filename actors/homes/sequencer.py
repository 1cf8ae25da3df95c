"""The sequencer (``order``): lets an operation start when those it must follow, on other CPUs, are complete (model notes 6).

A task's operations complete in the order of their indices, so the highest one announced is all that needs to be kept per task; a set of all
completed operations was rejected, as it grows with the recording. The sequencer stands outside the modelled kernel: it makes no records.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors.home import Home, OpTable, unlocked
from protocol.messages import Message, Value
from protocol.messages.processor import Await, Complete


class Follower(msgspec.Struct, array_like=True, gc=False):
    """A thread that waits for operation ``index`` of a task, and then for ``after``."""

    index: int
    cpu: str
    op: Await
    after: tuple[tuple[int, int], ...]


class Sequencer(Home, kw_only=True):
    """Keeps the order of operations within address spaces."""

    ops: ClassVar[OpTable] = {Complete: unlocked("complete")}
    handlers: ClassVar[dict[type[Message], str]] = {**Home.handlers, Await: "wait"}

    done: dict[int, int] = {}
    """Task to the highest index announced as complete."""
    followers: dict[int, list[Follower]] = {}
    """By the task each waits for next, in the order of asking."""

    def wait(self, op: Await, sender: str) -> None:
        """Answer once all of ``op.after`` are complete."""
        self._wait(sender, op, op.after)

    def _wait(self, cpu: str, op: Await, after: tuple[tuple[int, int], ...]) -> None:
        for place, (task, index) in enumerate(after):
            if self.done.get(task, -1) < index:
                self.followers.setdefault(task, []).append(Follower(index, cpu, op, after[place + 1 :]))
                return
        self.answer(cpu, op, None)

    def complete(self, op: Complete) -> Value:
        """An operation that others follow is complete."""
        self.done[op.task] = max(op.index, self.done.get(op.task, -1))
        for follower in self.followers.pop(op.task, []):
            if follower.index <= op.index:
                self._wait(follower.cpu, follower.op, follower.after)
            else:
                self.followers.setdefault(op.task, []).append(follower)
        return None
