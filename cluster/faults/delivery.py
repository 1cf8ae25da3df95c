"""One delivery that a fault fires on, and what can be done with it.

An effect gets a :class:`Delivery` and returns what becomes of the event: itself and a handler if it is handled now, None if it comes
again later. A message that comes again keeps its identity and its cause, and is handled, recorded and counted once, when it comes.
"""

from __future__ import annotations

from heapq import heappush
from typing import Any, NamedTuple

from actors.actor import Handler
from cluster.engine.engine import Engine
from cluster.faults.watch import Watch
from protocol.event import Event
from protocol.faults import Fault
from protocol.records import FAULT_FIRED

Outcome = tuple[Event, Handler] | None


def nothing(message: Any, sender: str) -> None:
    """How a message is handled that does not arrive."""


class Delivery(NamedTuple):
    """An event at a watched receiver, with its handler and what is remembered there."""

    engine: Engine
    event: Event
    handler: Handler
    watch: Watch

    def said(self, fault: Fault, text: str) -> str:
        """What the record of a firing will say."""
        return f"{fault.name}\0{self.event[8].word} from {self.event[4]} {text}"

    def now(self, what: str = "") -> Outcome:
        """It is handled now; before that, a record says what the fault did, if it did something."""
        if what:
            name, _, text = what.partition("\0")
            self.engine.record((FAULT_FIRED, name, text))
        return self.event, self.handler

    def lost(self, what: str) -> Outcome:
        """It is not handled; its entry holds nothing but the record."""
        return self._replace(handler=nothing).now(what)

    def unless_held(self, what: str = "") -> Outcome:
        """It is handled now, unless an earlier message of its pair was delayed beyond it."""
        held_ns = self.watch.behind_ns.get(self.event[4], 0)
        return self.later(held_ns + 1, what) if self.event[0] <= held_ns else self.now(what)

    def free_ns(self, at_ns: int) -> int:
        """The earliest time from ``at_ns`` on at which it does not overtake what its pair has held back."""
        return max(at_ns, self.watch.behind_ns.get(self.event[4], 0) + 1)

    def later(self, at_ns: int, what: str) -> Outcome:
        """It comes again at ``at_ns``, and later messages of its pair stay behind it."""
        event, watch = self.event, self.watch
        watch.delayed[f"{event[4]}:{event[5]}"] = what
        watch.behind_ns[event[4]] = max(at_ns, watch.behind_ns.get(event[4], 0))
        heappush(self.engine.heap, (at_ns, *event[1:]))
        return None
