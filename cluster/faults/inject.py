"""Fault injection: receivers that a fault can concern get a slow path, all others pay nothing.

A watched receiver's dispatch table is taken out of the engine's, so that its deliveries come through :meth:`Injector.intercept`. A
delayed message keeps its identity and its cause and is queued again; it is handled, recorded and counted once, when it arrives. Later
messages of its pair stay behind it. Faults at an instant (stall, memory) are events of sender ``boot``.
"""

from __future__ import annotations

from heapq import heappush
from typing import Any

import msgspec

from actors.actor import Actor, Handler
from cluster.engine.engine import Engine, Table
from cluster.engine.streams import draw_once
from cluster.errors import InputError
from cluster.faults.predicate import Turn, fires, in_time, matches, speaks_of
from protocol.event import Event
from protocol.faults import FAULT_KINDS, Fault
from protocol.identity import BOOT, FREE_QUEUES, cpu_name
from protocol.messages import Message
from protocol.messages.free import Withhold
from protocol.messages.processor import Stall
from protocol.records import FAULT_FIRED

MESSAGE_FAULTS = ("delay", "jitter", "lose", "pager-error")


class Watch(msgspec.Struct):
    """What is remembered at one watched receiver: turns by fault, delayed messages that will come again, and how far each pair is held
    back."""

    turns: dict[str, Turn] = {}
    delayed: dict[str, str] = {}
    """Identity "sender:seq" of a delayed message to what its record will say; "" for one that merely stays behind."""
    behind_ns: dict[str, int] = {}
    """Sender to the latest delivery that a delay has moved."""


class Injector:
    """The faults of one worker's engine. ``fired``: firings here by name of fault."""

    def __init__(self, engine: Engine, faults: tuple[Fault, ...]) -> None:
        self.engine = engine
        self.faults = tuple(fault for fault in faults if fault.kind in MESSAGE_FAULTS)
        self.instants: dict[int, Fault] = {}
        self.fired: dict[str, int] = {fault.name: 0 for fault in faults}
        self.watches: dict[str, Watch] = {}
        self.watched: dict[str, tuple[Fault, ...]] = {}
        self.tables: dict[str, Table] = {}
        self._about: dict[tuple[str, str, str], tuple[Fault, ...]] = {}
        """(receiver, sender, kind of message) to the faults that may concern it at some time; patterns are matched once for each."""

    def added(self, actor: Actor) -> None:
        """Watch a new actor if some fault can concern it."""
        name = actor.name
        self._announce_instants(name)
        faults = tuple(fault for fault in self.faults if matches(fault.when.to, name))
        if faults:
            self.watched[name] = faults
            self.watches.setdefault(name, Watch())
            self.tables[name] = self.engine.tables.pop(name)

    def _announce_instants(self, name: str) -> None:
        """Put the record of a stall or of withheld memory before the receiver's own handling of it."""
        table = self.engine.tables[name]
        for message in sorted({_instant(fault)[1] for fault in self.instants.values() if _instant(fault)[0] == name}, key=_word):
            if message in table:
                table[message] = self._instant_handler(table[message])

    def _instant_handler(self, handler: Handler) -> Handler:
        def handle(message: Any, sender: str) -> None:
            fault = self.instants.get(self.engine.clock.event[5]) if sender == BOOT else None
            if fault is not None:
                self.fired[fault.name] += 1
                self.engine.record((FAULT_FIRED, fault.name, fault.kind))
            handler(message, sender)

        return handle

    def intercept(self, event: Event) -> tuple[Event, Handler] | None:
        """What becomes of a delivery to a watched receiver: the event to handle and its handler, or None if it comes later."""
        receiver, sender = event[3], event[4]
        try:
            handler = self.tables[receiver][type(event[8])]
        except KeyError:
            raise self.engine.unhandled(event) from None
        watch = self.watches[receiver]
        if watch.delayed and (what := watch.delayed.pop(f"{sender}:{event[5]}", None)) is not None:
            return self._now(event, handler, what)
        for fault in self._concerned(receiver, sender, event[8].word):
            if in_time(fault.when, event[0]) and fires(fault.when, watch.turns.setdefault(fault.name, Turn())):
                return self._fire(fault, event, handler, watch)
        return self._unless_held(event, handler, watch, "")

    def _concerned(self, receiver: str, sender: str, kind: str) -> tuple[Fault, ...]:
        about = self._about.get((receiver, sender, kind))
        if about is None:
            about = tuple(fault for fault in self.watched[receiver] if speaks_of(fault.when, receiver, sender, kind))
            self._about[receiver, sender, kind] = about
        return about

    def _fire(self, fault: Fault, event: Event, handler: Handler, watch: Watch) -> tuple[Event, Handler] | None:
        self.fired[fault.name] += 1
        what = f"{fault.name}\0{event[8].word} from {event[4]}"
        if fault.kind in ("delay", "jitter"):
            delay_ns = fault.delay_ns if fault.kind == "delay" else self._drawn(fault, event)
            if not delay_ns:
                return self._unless_held(event, handler, watch, "")
            at = max(event[0] + delay_ns, watch.behind_ns.get(event[4], 0) + 1)
            self._later(event, at, watch, f"{what} delayed by {at - event[0]} ns")
            return None
        if fault.kind == "lose":
            return self._now(event, _nothing, f"{what} lost")
        failing = msgspec.structs.replace(event[8], fail=True)
        return self._unless_held((*event[:8], failing), handler, watch, f"{what} fails")

    def _drawn(self, fault: Fault, event: Event) -> int:
        """A jitter's delay: a draw that the message's identity alone decides, so that it is no state and no order matters."""
        return draw_once(self.engine.seed, f"jitter {fault.name}", f"{event[4]}:{event[5]}", fault.delay_ns + 1)

    def _unless_held(self, event: Event, handler: Handler, watch: Watch, what: str) -> tuple[Event, Handler] | None:
        """Handle it now, unless an earlier message of its pair was delayed beyond it."""
        held_ns = watch.behind_ns.get(event[4], 0)
        if event[0] <= held_ns:
            self._later(event, held_ns + 1, watch, what)
            return None
        return self._now(event, handler, what)

    def _later(self, event: Event, at_ns: int, watch: Watch, what: str) -> None:
        watch.delayed[f"{event[4]}:{event[5]}"] = what
        watch.behind_ns[event[4]] = max(at_ns, watch.behind_ns.get(event[4], 0))
        heappush(self.engine.heap, (at_ns, *event[1:]))

    def _now(self, event: Event, handler: Handler, what: str) -> tuple[Event, Handler]:
        """It is handled now; before that, a record says what the fault did, if it did something."""
        if what:
            name, _, text = what.partition("\0")
            self.engine.record((FAULT_FIRED, name, text))
        return event, handler


def _nothing(message: Any, sender: str) -> None:
    """What happens to a lost message."""


def _word(message: type[Message]) -> str:
    return message.word


def _instant(fault: Fault) -> tuple[str, type[Message], Message]:
    """Receiver, type and message of a fault at an instant."""
    if fault.kind == "stall":
        return cpu_name(fault.cpu), Stall, Stall(fault.duration_ns)
    return FREE_QUEUES, Withhold, Withhold(frames=fault.frames, until_ns=fault.at_ns + fault.duration_ns, reply=False)


def install(engine: Engine, faults: tuple[Fault, ...], first_number: int, *, queue: bool = True) -> Injector:
    """Give ``engine`` these faults; ``first_number`` is the sequence of the first one's event from ``boot``.

    Must come before any actor is added. With ``queue`` false (a restore) the events are in the snapshot already. Raises InputError for a
    fault of an unknown kind, or on an actor that this run does not have.
    """
    injector = Injector(engine, faults)
    for number, fault in enumerate(faults, start=first_number):
        if fault.kind not in FAULT_KINDS:
            raise InputError(
                f"fault {fault.name!r} is of no known kind", key=f"faults.{fault.name}.kind", found=fault.kind, allowed=list(FAULT_KINDS)
            )
        if fault.kind in MESSAGE_FAULTS:
            continue
        receiver, _, message = _instant(fault)
        if receiver not in engine.place.rank_of:
            raise InputError(
                f"fault {fault.name!r} is on {receiver}, which this run does not have", key=f"faults.{fault.name}", found=receiver
            )
        injector.instants[number] = fault
        if queue and engine.place.of(receiver) == engine.place.rank:
            engine.push([(max(1, fault.at_ns), 1, 0, receiver, BOOT, number, BOOT, 0, message)])
    if faults:
        engine.intercept, engine.added = injector.intercept, injector.added
    return injector
