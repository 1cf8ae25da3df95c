"""A port without an engine: it collects what a home sends and records, and drives a home as a CPU would."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.actor import Actor
from actors.home import Home
from protocol.messages import Message, Op, Reply
from protocol.messages.locks import EXCLUSIVE, LockGrant, LockRequest, Unlock
from protocol.records import KINDS, Record


class FakeClock:
    now = 0


class FakeStream:
    """Gives ``draws`` in turn, then 0."""

    def __init__(self, draws: list[int]) -> None:
        self.draws, self.bounds = draws, []

    def below(self, bound: int) -> int:
        self.bounds.append(bound)
        return self.draws.pop(0) % bound if self.draws else 0

    def exponential_ns(self, mean_ns: int) -> int:
        return mean_ns


class FakePort:
    """Collects: ``sent`` (to, message, delay), ``interrupts``, ``timers`` (message, delay), ``records``."""

    def __init__(self, draws: list[int] | None = None) -> None:
        self.clock = FakeClock()
        self.sent: list[tuple[str, Message, int]] = []
        self.interrupts: list[tuple[str, Message, int]] = []
        self.timers: list[tuple[Message, int]] = []
        self.records: list[Record] = []
        self.streams = FakeStream(draws or [])

    def send(self, to: str, message: Message, delay_ns: int = 0) -> None:
        self.sent.append((to, message, delay_ns))

    def interrupt(self, to: str, message: Message, delay_ns: int = 0) -> None:
        self.interrupts.append((to, message, delay_ns))

    def timer(self, message: Message, delay_ns: int) -> None:
        assert delay_ns >= 1
        self.timers.append((message, delay_ns))

    def record(self, record: Record) -> None:
        kind = KINDS[record[0]]
        assert len(record) == len(kind.fields) + 1, f"{kind.name} {record}"
        self.records.append(record)

    def spawn(self, actor: Actor) -> None:
        raise AssertionError("homes create nobody")

    def stream(self, purpose: str) -> FakeStream:
        return self.streams


class Bench:
    """A home on a fake port, asked by CPUs."""

    def __init__(self, home: Home, draws: list[int] | None = None, also: tuple[str, ...] = ()) -> None:
        """``also``: locks of other homes that every thread holds which holds the home's own."""
        self.also = tuple((name, 1) for name in also)
        self.home = home
        self.port = FakePort(draws)
        self.handlers = home.bind(self.port)

    def give(self, message: Message, sender: str = "cpu.0") -> None:
        """Deliver a message."""
        self.handlers[type(message)](message, sender)

    def take_sent(self) -> list[tuple[str, Message, int]]:
        sent, self.port.sent = self.port.sent, []
        return sent

    def take_records(self) -> list[Record]:
        records, self.port.records = self.port.records, []
        return records

    def lock(self, thread: int = 1, mode: int = EXCLUSIVE, cpu: str = "cpu.0") -> int:
        """Acquire the home's lock, which must be free; returns the fence."""
        self.give(LockRequest(thread, mode), cpu)
        to, grant, _ = self.port.sent.pop()
        assert to == cpu and isinstance(grant, LockGrant) and grant.thread == thread
        return grant.fence

    def unlock(self, thread: int = 1) -> None:
        """Give the exclusive lock back."""
        self.give(Unlock(thread, self.home.fence))

    def ask(self, op: Op, thread: int = 1, cpu: str = "cpu.0", locked: bool = True) -> Any:
        """Ask for an operation, holding the home's lock if the thread has it; returns the value."""
        home = self.home
        fence = home.readers.get(thread, home.fence)
        held = (*self.also, (home.name, fence)) if locked and (home.owner == thread or thread in home.readers) else ()
        full = msgspec.structs.replace(op, thread=thread, held=held, reply=True)
        before = len(self.port.sent)
        self.give(full, cpu)
        replies = [m for to, m, _ in self.port.sent[before:] if isinstance(m, Reply) and m.thread == thread and to == cpu]
        assert len(replies) == 1, f"{op} was answered {len(replies)} times"
        self.port.sent = [s for s in self.port.sent if s[1] is not replies[0]]
        return over_the_wire(replies[0]).value


_DECODER = msgspec.msgpack.Decoder(Reply)


def over_the_wire(reply: Reply) -> Reply:
    """What the asker gets on another worker: it must be the same."""
    same = _DECODER.decode(msgspec.msgpack.encode(reply))
    assert same == reply, f"{reply} arrives as {same}"
    return same


def restored(home: Home) -> Home:
    """The home after a snapshot."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(home), type=type(home))
