"""Faults of parts of the machine, at work in the actors they are about.

What such a part does is ``actors.faults``; when it does it is decided here, by the fault's predicate: occasions are counted at each actor,
in the order of its events, as the messages of a message fault are, and the count is state of the actor's watch.
"""

from __future__ import annotations

import msgspec

from actors.actor import Actor
from actors.faults.registry import PARTS
from cluster.engine.engine import Engine
from cluster.faults.predicate import fires, in_time, matches
from cluster.faults.watch import Turn, Watch
from protocol.faults import Fault
from protocol.records import FAULT_FIRED


class PartTrigger:
    """An :class:`actors.faults.base.Trigger`. ``turn`` counts at its actor, ``total`` on this worker."""

    def __init__(self, fault: Fault, engine: Engine, turn: Turn, total: Turn) -> None:
        # A part's duration is how long it acts, not when it may.
        self.fault = msgspec.structs.replace(fault, duration_ns=0)
        self.engine = engine
        self._turn, self._total = turn, total

    def turn(self) -> bool:
        """Here is an occasion, in the event being handled."""
        when, event = self.fault.when, self.engine.clock.event
        if not in_time(self.fault, event[0]) or not matches(when.kind, event[8].word) or not matches(when.sender, event[4]):
            return False
        return fires(when, self._turn, self._total)

    def fired(self, what: str) -> None:
        """The fault takes effect."""
        self._total.fired += 1
        self.engine.record((FAULT_FIRED, self.fault.name, what))


def fit_parts(engine: Engine, faults: tuple[Fault, ...], actor: Actor, watches: dict[str, Watch], counts: dict[str, Turn]) -> None:
    """Put into a new actor the faults that are about it; they lie over each other in the order in which they are declared."""
    for fault in faults:
        part = PARTS[fault.kind]
        if part.concerns(actor, fault) and matches(fault.when.to, actor.name):
            turn = watches.setdefault(actor.name, Watch()).turns.setdefault(fault.name, Turn())
            part.fit(actor, engine.tables[actor.name], fault, PartTrigger(fault, engine, turn, counts[fault.name]))
