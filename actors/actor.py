"""The actor: plain state, and synchronous handlers found by the type of the message.

An actor is a msgspec struct whose fields are its whole state (law 2): it is encoded for a snapshot, compared and restored as data, typed.
What is not state (the port to the engine, tables of bound handlers) hangs on the instance's ``__dict__`` and is made anew by
:meth:`Actor.bind`. A handler does no I/O, reads no clock but ``port.clock.now``, calls no other actor, and takes ``(message, sender)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from protocol.messages import Message
from protocol.records import Record

Handler = Callable[[Any, str], None]


class Clock(Protocol):
    """The engine's clock: ``now`` is the virtual time, in ns, of the event being handled."""

    now: int


Blocked = tuple[int, int, str, int]
"""(thread, task, what it waits for, since when)."""
Owner = tuple[str, int]
"""(lock, the thread that its home has given it to)."""


class Report(NamedTuple):
    """What an actor whose class says ``reports`` tells at a slice's edge, from which the end of the run is decided."""

    done: int
    """Tasks that have ended here."""
    waiting_since_ns: int = -1
    """Since when the oldest wait here lasts, -1 if nobody waits."""
    panic: str = ""
    memory_waits: int = 0
    """How often one thread has waited for memory in vain, the worst of them,"""
    starving: int = 0
    """and which."""
    blocked: tuple[Blocked, ...] = ()
    """Threads that wait, where a run must heal (``[liveness]``),"""
    owners: tuple[Owner, ...] = ()
    """and the locks that are taken."""


class Stream(Protocol):
    """A keyed stream of random integers; its state is a counter (design 3)."""

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""

    def exponential_ns(self, mean_ns: int) -> int:
        """An exponentially distributed duration of this mean, from an integer table (no libm)."""


class Port(Protocol):
    """What the engine gives an actor: a way to send, to record, to create, and to draw."""

    clock: Clock

    def send(self, to: str, message: Message, delay_ns: int = 0) -> None:
        """Send; it arrives after ``delay_ns`` plus the link's latency, never before an earlier message of the same ordered pair."""

    def interrupt(self, to: str, message: Message, delay_ns: int = 0) -> None:
        """As :meth:`send`, in the class that is delivered before ordinary messages of the same instant."""

    def timer(self, message: Message, delay_ns: int) -> None:
        """Send to oneself after ``delay_ns`` >= 1; timers are no link and are not FIFO."""

    def record(self, record: Record) -> None:
        """Append a record to the trace entry of the event being handled."""

    def spawn(self, actor: Actor) -> None:
        """Add an actor, whose name ends in this actor's root, to this worker. It can be sent to at once."""

    def stream(self, purpose: str) -> Stream:
        """The keyed stream of (seed, purpose, this actor's name)."""


class Actor(msgspec.Struct, dict=True, kw_only=True):
    """Base of all actors. Subclasses add typed fields and ``handlers``: message type to method name."""

    handlers: ClassVar[dict[type[Message], str]] = {}

    name: str

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine; returns the dispatch table. Called once when added and once when restored."""
        self.port = port
        self.clock = port.clock
        self.record = port.record
        return {message: getattr(self, method) for message, method in self.handlers.items()}

    def begin(self) -> None:
        """Called once, at time 0, when the run starts (not when restored): an actor sets its first timers here."""
