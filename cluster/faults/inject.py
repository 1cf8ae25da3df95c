"""Fault injection: receivers that a fault can concern get a slow path, all others pay nothing.

A watched receiver's dispatch table is taken out of the engine's, so that its deliveries come through :meth:`Injector.intercept`. What a
fault does to a delivery is its kind's effect (``effects``); faults at an instant are events (``instants``), before whose handling a record
says which fault it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.actor import Actor, Handler
from actors.faults.registry import PARTS
from cluster.engine.engine import Engine, Table
from cluster.errors import InputError
from cluster.faults.breakdown import Breakdown
from cluster.faults.delivery import Delivery, Outcome, arrived
from cluster.faults.effects import EFFECTS
from cluster.faults.instants import INSTANTS, Numbered, need_targets, numbered, queue_instants
from cluster.faults.links import DROPPING
from cluster.faults.parts import fit_parts
from cluster.faults.predicate import concerns, fires, in_time, speaks_of
from cluster.faults.waiting import Waiting
from cluster.faults.watch import Turn, Watch
from protocol.event import Event
from protocol.faults import Fault
from protocol.identity import BOOT
from protocol.messages import Message
from protocol.records import FAULT_FIRED

__all__ = ["Injector", "Watch", "install"]


class Injector:
    """The faults of one worker's engine. ``counts``: how often each matched and fired here, by its name."""

    def __init__(self, engine: Engine, faults: tuple[Fault, ...], instants: Sequence[Numbered] = ()) -> None:
        self.engine = engine
        self.faults = tuple(fault for fault in faults if fault.kind in EFFECTS)
        self.parts = tuple(fault for fault in faults if fault.kind in PARTS)
        self.instants = {number: (fault, instant) for number, fault, instant in instants}
        self.counts = {fault.name: Turn() for fault in faults}
        self.watches: dict[str, Watch] = {}
        self.watched: dict[str, tuple[Fault, ...]] = {}
        self.tables: dict[str, Table] = {}
        self.breakdown = Breakdown.of((*self.faults, *self.parts), engine, self.watches, self.tables)
        self._about: dict[tuple[str, str, str], tuple[Fault, ...]] = {}
        """(receiver, sender, kind of message) to the faults that may concern it at some time; patterns are matched once for each."""

    def added(self, actor: Actor) -> None:
        """Watch a new actor if some fault can concern it."""
        name = actor.name
        fit_parts(self.engine, self.parts, actor, self.watches, self.counts)
        self._announce_instants(name)
        faults = tuple(fault for fault in self.faults if concerns(fault, name, self.engine.place))
        if faults or (self.breakdown is not None and self.breakdown.can_refuse(actor)):
            self.watched[name] = faults
            self.watches.setdefault(name, Watch())
            self.tables[name] = self.engine.tables.pop(name)
        if self.breakdown is not None:
            self.breakdown.added(actor)

    def _announce_instants(self, name: str) -> None:
        """Put the record of a fault at an instant before the receiver's own handling of it."""
        table = self.engine.tables[name]
        found = {type(instant.message) for _, instant in self.instants.values() if instant.receiver == name}
        for message in sorted(found, key=_word):
            if message in table:
                table[message] = self._instant_handler(table[message])

    def _instant_handler(self, handler: Handler) -> Handler:
        def handle(message: Any, sender: str) -> None:
            found = self.instants.get(self.engine.clock.event[5]) if sender == BOOT else None
            if found is not None:
                fault = found[0]
                self.counts[fault.name].fired += 1
                self.engine.record((FAULT_FIRED, fault.name, fault.kind))
            handler(message, sender)

        return handle

    # Deliveries -----------------------------------------------------------------------------------------------------------

    def intercept(self, event: Event) -> Outcome:
        """What becomes of a delivery to a watched receiver: the event to handle and its handler, or None if it comes later."""
        try:
            handler = self.tables[event[3]][type(event[8])]
        except KeyError:
            raise self.engine.unhandled(event) from None
        if self.breakdown is None:
            return self._decide(event, handler)
        self.breakdown.deciding = True
        outcome = self._decide(event, handler)
        if outcome is not None:
            outcome = self.breakdown.unless_refused(outcome)
        self.breakdown.deciding = False
        return outcome

    def _decide(self, event: Event, handler: Handler) -> Outcome:
        at_ns, _, _, receiver, sender, number, _, _, message = event
        watch, identity = self.watches[receiver], f"{sender}:{number}"
        if watch.delayed and (coming := watch.delayed.pop(identity, None)) is not None:
            return arrived(self.engine, event, handler, coming)
        for fault in self._concerned(receiver, sender, message.word):
            if self._fires(fault, watch, at_ns):
                return EFFECTS[fault.kind](fault, Delivery(self.engine, event, handler, watch, identity, self._dropped_again))
        if at_ns <= watch.behind_ns.get(sender, 0):
            return Delivery(self.engine, event, handler, watch, identity, self._dropped_again).unless_held()
        return event, handler

    def _dropped_again(self, event: Event, watch: Watch, at_ns: int) -> bool:
        concerned = self._concerned(event[3], event[4], event[8].word)
        return any(fault.kind in DROPPING and self._fires(fault, watch, at_ns) for fault in concerned)

    def _fires(self, fault: Fault, watch: Watch, at_ns: int) -> bool:
        """Does the fault take effect on a message it speaks of that arrives now or, sent again, at ``at_ns``? Counts it."""
        if not in_time(fault, at_ns):
            return False
        name = fault.name
        turn, total = watch.turns.get(name), self.counts[name]
        if turn is None:
            turn = watch.turns[name] = Turn()
        found = fires(fault.when, turn, total)
        total.fired += found
        return found

    def _concerned(self, receiver: str, sender: str, kind: str) -> tuple[Fault, ...]:
        about = self._about.get((receiver, sender, kind))
        if about is None:
            where = self.engine.place
            about = tuple(fault for fault in self.watched[receiver] if speaks_of(fault, receiver, sender, kind, where))
            self._about[receiver, sender, kind] = about
        return about


def _word(message: type[Message]) -> str:
    return message.word


def install(engine: Engine, faults: tuple[Fault, ...], first_number: int, *, queue: bool = True) -> Injector:
    """Give ``engine`` these faults; ``first_number`` is the sequence of the first one's event from ``boot``.

    Must come before any actor is added. With ``queue`` false (a restore) the events are in the snapshot already. Raises InputError for a
    fault of an unknown kind, or on an actor that this run does not have.
    """
    known = sorted({*EFFECTS, *INSTANTS, *PARTS})
    for fault in faults:
        if fault.kind not in known:
            raise InputError(f"fault {fault.name!r} is of no known kind", key=f"faults.{fault.name}.kind", found=fault.kind, allowed=known)
    instants = numbered(faults, first_number)
    need_targets(engine, instants)
    injector = Injector(engine, faults, instants)
    if queue:
        queue_instants(engine, instants)
    heal_ns = max((fault.heal_ns for fault in faults), default=0)
    if heal_ns:
        Waiting(name="liveness", heal_ns=heal_ns).watch(engine)
    if faults:
        engine.intercept, engine.added = injector.intercept, injector.added
    return injector
