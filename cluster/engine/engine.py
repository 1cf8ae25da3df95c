"""One worker's engine: a heap of events, and the actors that handle them in ascending order of key.

The queue is the plain heap of event tuples. A dict from instant to list with a heap of distinct instants wins in isolation and loses
here, for the instants are mostly distinct. The engine knows nothing of windows, sockets or slices: it runs what lies before a limit and
keeps what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from actors.actor import Actor, Handler
from cluster.engine.clock import NEVER, START, EngineClock
from cluster.engine.port import REFUSED, EnginePort, Route, connector
from cluster.errors import RunError
from protocol.event import Event
from protocol.identity import BOOT, root_of
from protocol.messages import LOCAL, Message
from protocol.records import Entry, Record

Latency = tuple[tuple[tuple[int, ...], ...], ...]
"""latency_ns[link][from domain][to domain] of the links memory, ipi, device."""
Table = dict[type[Message], Handler]
_NONE: list[Record] = []
ROUTES_MAX = 128
"""Routes a port keeps before it forgets the idle ones: a thousand actors that all speak to each other would keep a million."""


class Place(NamedTuple):
    """Where things are: this worker's rank, how many there are, each root's rank and each root's domain."""

    rank: int
    workers: int
    rank_of: dict[str, int]
    domain_of: dict[str, int]

    def of(self, name: str) -> int:
        """The rank of the worker on which ``name`` lives. Raises RunError for a name whose root nobody has."""
        rank = self.rank_of.get(root_of(name))
        if rank is None:
            raise RunError(
                f"there is no actor {name!r}: its root {root_of(name)!r} did not exist at the start",
                found=name,
                allowed="a root actor's name",
            )
        return rank


class Engine:
    """The actors of one worker and their events.

    ``journal``: an entry per handled event since :meth:`take_journal`, if ``record``. ``outboxes``: by rank, events that leave.
    ``events``: how many were handled. ``reporters``: the actors asked at slices' edges
    whether the run is over. ``horizon_ns``: everything before it has been handled.
    """

    def __init__(self, seed: int, place: Place, latency_ns: Latency, *, lookahead_ns: int = NEVER, record: bool = True) -> None:
        self.seed = seed
        self.place = place
        self.latency_ns = latency_ns
        self.recording = record
        self.clock = EngineClock(lookahead_ns)
        self.heap: list[Event] = []
        self.actors: dict[str, Actor] = {}
        self.ports: dict[str, EnginePort] = {}
        self.tables: dict[str, Table] = {}
        self.reporters: list[Actor] = []
        self.outboxes: list[list[Event]] = [[] for _ in range(place.workers)]
        self.journal: list[Entry] = []
        self.events = 0
        self.horizon_ns = 0
        self.intercept: Callable[[Event], tuple[Event, Handler] | None] | None = None
        self.added: Callable[[Actor], None] | None = None
        self.failed: Callable[[Event, Exception], bool] | None = None
        self._pending: list[Record] = []
        self.record: Callable[[Record], None] = self._pending.append if record else _ignore
        self._last: Event = (-1, *START[1:])
        self._connect = connector(self.clock, self.heap, self._new_route)
        self._targets: dict[str, tuple[int, list[Event] | None]] = {}
        self._rows: dict[str, list[tuple[int, ...]]] = {}
        self._latencies = _by_domains(latency_ns)

    # Actors ---------------------------------------------------------------------------------------------------------------

    def add(self, actor: Actor, prepare: Callable[[EnginePort], None] | None = None) -> EnginePort:
        """Put an actor on this worker and give it its port; a restore ``prepare``s the port first. Raises RunError if the name is taken."""
        name = actor.name
        if name in self.actors:
            raise RunError(f"there are two actors called {name!r}", found=name, allowed="a name used once")
        port = EnginePort(name, self.clock, self.seed, self.record, self._spawn)
        self._connect(port)
        if prepare is not None:
            prepare(port)
        self.actors[name] = actor
        self.ports[name] = port
        self.tables[name] = actor.bind(port)
        if getattr(actor, "reports", False):
            self.reporters.append(actor)
        if self.added is not None:
            self.added(actor)
        return port

    def boot(self, actors: Iterable[Actor], numbers: dict[str, int]) -> None:
        """Add the actors of a run's start that live here, and let them begin, in order of name.

        ``numbers``: each boot actor's place in the order of names over all workers; records made while beginning stand in an entry of
        that number.
        """
        mine = sorted((actor for actor in actors if self.place.of(actor.name) == self.place.rank), key=_name)
        for actor in mine:
            self.add(actor)
        for actor in mine:
            actor.begin()
            if self._pending:
                head = (0, 1, 0, actor.name, BOOT, numbers[actor.name], BOOT, 0)
                self.journal.append((head, "begin", self._pending.copy()))
                self._pending.clear()

    def _spawn(self, creator: str, actor: Actor) -> None:
        if root_of(actor.name) != root_of(creator):
            raise RunError(f"{creator} cannot create {actor.name!r}", found=actor.name, allowed=f"a name that ends in .{root_of(creator)}")
        self.add(actor)

    def _new_route(self, sender: str, to: str) -> Route:
        routes = self.ports[sender].routes
        if len(routes) >= ROUTES_MAX:
            _forget(routes, self.clock.now)
        target = self._targets.get(to)
        if target is None:
            target = self._targets[to] = self._target(to)
        domain, outbox = target
        if sender == to:
            return Route((*self._row(sender)[domain][:LOCAL], 0), outbox)
        row = self._rows.get(sender)
        if row is None:
            row = self._rows[sender] = self._row(sender)
        return Route(row[domain], outbox)

    def _target(self, to: str) -> tuple[int, list[Event] | None]:
        """Where a receiver is: its domain, and the outbox of its worker unless that is this one."""
        rank = self.place.of(to)
        return self.place.domain_of[root_of(to)], None if rank == self.place.rank else self.outboxes[rank]

    def _row(self, sender: str) -> list[tuple[int, ...]]:
        """Latencies by link from a sender to others in each domain; a local link has none to others."""
        return self._latencies[self.place.domain_of[root_of(sender)]]

    def route(self, sender: str, to: str) -> Route:
        """The way from a local actor to another, made if there was none."""
        routes = self.ports[sender].routes
        if to not in routes:
            routes[to] = self._new_route(sender, to)
        return routes[to]

    # Events ---------------------------------------------------------------------------------------------------------------

    def push(self, events: Sequence[Event]) -> None:
        """Queue events that come from outside. Raises RunError if one lies before what was already handled."""
        horizon, heap = self.horizon_ns, self.heap
        for event in events:
            if event[0] < horizon:
                raise RunError(
                    f"an event for {event[3]} at {event[0]} ns came after {horizon} ns had been reached",
                    found=event[0],
                    allowed=f"{horizon} or later",
                )
            heappush(heap, event)

    def earliest(self) -> int:
        """The time of the earliest event queued here or about to leave, in ns; ``NEVER`` if there is none."""
        sent = self.clock.sent_ns
        return min(self.heap[0][0], sent) if self.heap else sent

    def take_outboxes(self) -> tuple[list[list[Event]], int]:
        """The events for each rank, and the earliest time among them (``NEVER`` if none); the boxes are empty afterwards."""
        taken = [box.copy() for box in self.outboxes]
        for box in self.outboxes:
            box.clear()
        sent_ns, self.clock.sent_ns = self.clock.sent_ns, NEVER
        return taken, sent_ns

    def take_journal(self) -> list[Entry]:
        """The entries since the last call, in ascending order of key."""
        entries = self.journal
        self.journal = []
        return entries

    def run_before(self, limit_ns: int, budget: int = 1 << 60) -> bool:
        """Handle events earlier than ``limit_ns``, at most ``budget`` of them; true if no earlier one may be handled now.

        Once an event has left for another worker, only what lies before the first possible answer to it may still be handled.
        Stopping for the budget changes nothing: the next call goes on where this one stopped. Raises RunError if an actor has no handler,
        or fails and nobody (``failed``) answers for it.
        """
        clock = self.clock
        clock.limit_ns = min(limit_ns, clock.sent_ns + clock.lookahead_ns)
        while True:
            try:
                done = self._run(budget)
                break
            except Exception as error:  # an actor is anybody's code; whatever it raises is told with the event it was handling
                if self._answered_for(error):
                    continue
                if isinstance(error, RunError):
                    raise
                raise self._failed(error) from error
        if done:
            self.horizon_ns = max(self.horizon_ns, clock.limit_ns)
        return done

    def _run(self, budget: int) -> bool:
        heap, tables, clock, pending = self.heap, self.tables, self.clock, self._pending
        append = self.journal.append if self.recording else None
        last, skipped, count = self._last, 0, 0
        try:
            for count in range(budget):  # noqa: B007 - how far it came is how many were handled
                if not heap or heap[0][0] >= clock.limit_ns:
                    return True
                event = heappop(heap)
                clock.now = event[0]
                clock.event = event
                message = event[8]
                try:
                    handler = tables[event[3]][type(message)]
                except KeyError:
                    unusual = self._unusual(event)
                    if unusual is None:
                        skipped += 1
                        continue
                    event, handler = unusual
                    clock.event, message = event, event[8]
                handler(message, event[4])
                if append is not None:
                    assert event > last, f"events out of order: {event} after {last}"
                    last = event
                    append((event[:8], message.word, pending[:] if pending else _NONE))
                    if pending:
                        pending.clear()
            count = budget
            return not heap or heap[0][0] >= clock.limit_ns
        finally:
            self.events += count - skipped
            self._last = last

    def _unusual(self, event: Event) -> tuple[Event, Handler] | None:
        """An event whose receiver is watched for faults, or one that nobody handles."""
        if self.intercept is not None:
            return self.intercept(event)
        raise self.unhandled(event)

    def _answered_for(self, error: Exception) -> bool:
        """Does somebody answer for the actor that has failed? Then the event is a handled one, and the run goes on behind it."""
        event = self.clock.event
        if self.failed is None or event <= self._last or not self.failed(event, error):
            return False
        self.events += 1
        self._last = event
        if self.recording:
            self.journal.append((event[:8], event[8].word, self._pending.copy()))
            self._pending.clear()
        return True

    def _failed(self, error: Exception) -> RunError:
        event = self.clock.event
        what = f"{event[3]} failed while handling {event[8].word!r} from {event[4]} at {event[0]} ns"
        return RunError(f"{what}: {type(error).__name__}: {error}", key=event[3], found=repr(error))

    def unhandled(self, event: Event) -> RunError:
        """The sentence for an event that no actor here can handle."""
        what = f"{event[4]} sent {event[8].word!r} to {event[3]} (arrives at {event[0]} ns)"
        if event[3] in self.actors:
            return RunError(f"{what}, which has no handler for it", found=event[8].word, allowed="a message its class handles")
        return RunError(f"{what}, which does not exist", found=event[3], allowed="an actor that was created before")


def _forget(routes: dict[str, Route], now_ns: int) -> None:
    """Drop the routes whose last delivery is past: a new one would do the same."""
    for to in [to for to, route in routes.items() if route.last_ns <= now_ns]:
        del routes[to]


def _by_domains(latency_ns: Latency) -> list[list[tuple[int, ...]]]:
    """[from domain][to domain] -> latencies by link."""
    domains = range(len(latency_ns[0]))
    return [[(*(link[source][target] for link in latency_ns), REFUSED) for target in domains] for source in domains]


def _ignore(record: Record) -> None:
    """What a bare engine does with a record."""


def _name(actor: Actor) -> str:
    return actor.name
