"""The port: what one actor can do to the world, as closures over one receiver table.

A send is the hottest thing an actor does. Closures over a table of routes (latency by link, last delivery, outbox) save a tenth against
methods that look the same things up on ``self``, and a route is made once per ordered pair. A port's state is its counter of sends, its
streams' counters and the last deliveries that still lie ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Protocol

from actors.actor import Actor, Clock
from cluster.engine.clock import EngineClock
from cluster.engine.streams import KeyedStream
from cluster.errors import RunError
from protocol.event import INTERRUPT, ORDINARY, Event
from protocol.messages import Message
from protocol.records import Record

REFUSED = -(1 << 60)
"""The latency of a link that a pair of actors does not have: any send over it is found to arrive in the past."""


class Route:
    """The way from one actor to another: ``latency_ns`` by link, the pair's last delivery, and the outbox if it leaves this worker."""

    __slots__ = ("last_ns", "latency_ns", "outbox")

    def __init__(self, latency_ns: tuple[int, ...], outbox: list[Event] | None) -> None:
        self.latency_ns = latency_ns
        self.outbox = outbox
        self.last_ns = -1


class Send(Protocol):
    """``port.send`` and ``port.interrupt``."""

    def __call__(self, to: str, message: Message, delay_ns: int = 0) -> None:
        """As ``actors.actor.Port.send``."""


class TimerCall(Protocol):
    """``port.timer``."""

    def __call__(self, message: Message, delay_ns: int) -> None:
        """As ``actors.actor.Port.timer``."""


class EnginePort:
    """One actor's port. Satisfies ``actors.actor.Port``."""

    __slots__ = (
        "_spawn",
        "_streams",
        "clock",
        "interrupt",
        "name",
        "record",
        "routes",
        "seed",
        "send",
        "sequence",
        "set_sequence",
        "timer",
    )

    clock: Clock
    send: Send
    interrupt: Send
    timer: TimerCall
    record: Callable[[Record], None]
    sequence: Callable[[], int]
    set_sequence: Callable[[int], None]

    def __init__(self, name: str, clock: Clock, seed: int, record: Callable[[Record], None], spawn: Callable[[str, Actor], None]) -> None:
        self.name = name
        self.clock = clock
        self.seed = seed
        self.record = record
        self.routes: dict[str, Route] = {}
        self._spawn = spawn
        self._streams: dict[str, KeyedStream] = {}

    def spawn(self, actor: Actor) -> None:
        """Add ``actor`` to this worker. Raises RunError if it would not live here or exists already."""
        self._spawn(self.name, actor)

    def stream(self, purpose: str) -> KeyedStream:
        """The keyed stream of (seed, purpose, this actor's name)."""
        stream = self._streams.get(purpose)
        if stream is None:
            stream = self._streams[purpose] = KeyedStream(self.seed, purpose, self.name)
        return stream

    def streams_drawn(self) -> dict[str, int]:
        """Draws made so far, by purpose."""
        return {purpose: stream.drawn for purpose, stream in sorted(self._streams.items())}

    def restore_streams(self, drawn: dict[str, int]) -> None:
        """Put the streams back where :meth:`streams_drawn` found them."""
        self._streams = {purpose: KeyedStream(self.seed, purpose, self.name, count) for purpose, count in drawn.items()}


def connector(clock: EngineClock, heap: list[Event], new_route: Callable[[str, str], Route]) -> Callable[[EnginePort], None]:
    """What gives the ports of one engine their ways of sending: local events go to ``heap``, the others to their route's outbox.

    It is made once per engine, so that what all ports share is shared by their closures, too: fewer cache lines per event.
    """

    def connect(port: EnginePort) -> None:
        name, routes = port.name, port.routes
        seq = 0

        def sender(order: int) -> Send:
            def send(to: str, message: Message, delay_ns: int = 0) -> None:
                nonlocal seq
                route = routes.get(to)
                if route is None:
                    route = routes[to] = new_route(name, to)
                now = clock.now
                at = now + delay_ns + route.latency_ns[message.link]
                if at <= now or delay_ns < 0:
                    raise _refused(name, to, message, delay_ns)
                if at <= route.last_ns:
                    at = route.last_ns + 1
                route.last_ns = at
                seq += 1
                cause = clock.event
                event = (at, order, 0, to, name, seq, cause[4], cause[5], message)
                if route.outbox is None:
                    heappush(heap, event)
                else:
                    route.outbox.append(event)
                    clock.leaves(at)

            return send

        def timer(message: Message, delay_ns: int) -> None:
            nonlocal seq
            if delay_ns < 1:
                raise _refused(name, name, message, delay_ns)
            seq += 1
            cause = clock.event
            heappush(heap, (clock.now + delay_ns, 1, 0, name, name, seq, cause[4], cause[5], message))

        def sequence() -> int:
            return seq

        def set_sequence(value: int) -> None:
            nonlocal seq
            seq = value

        port.send, port.interrupt, port.timer = sender(ORDINARY), sender(INTERRUPT), timer
        port.sequence, port.set_sequence = sequence, set_sequence

    return connect


def _refused(sender: str, to: str, message: Message, delay_ns: int) -> RunError:
    """Why a message may not be sent: everything, also to oneself, takes at least 1 ns, or a cause could sort after its effect."""
    return RunError(
        f"{sender} sent {message.word!r} to {to} with a delay of {delay_ns} ns over a link that leaves it no time to arrive; "
        "every message takes at least 1 ns",
        key=f"{sender} -> {to}",
        found=delay_ns,
        allowed="a delivery at least 1 ns after now; links of kind local only to oneself",
    )
