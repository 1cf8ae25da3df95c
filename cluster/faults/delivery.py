"""One delivery that a fault fires on, and what can be done with it.

An effect gets a :class:`Delivery` and returns what becomes of the event: itself and a handler if it is handled now, None if it comes
again later. A message that comes again keeps its identity and its cause, and is handled, recorded and counted once, when it comes. All that
can be done makes it later: what would make it earlier could not be decided here, where it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

import msgspec

from actors.actor import Handler
from cluster.engine.engine import Engine
from cluster.faults.watch import Coming, Watch
from protocol.event import Event
from protocol.faults import Fault
from protocol.records import FAULT_FIRED

Outcome = tuple[Event, Handler] | None
Hits = Callable[[Event, Watch, int], bool]
"""Is another transmission of this message to the receiver, arriving at that time, hit by any fault that drops messages? Counts it if so."""
NOT_MOVED = Coming()


def nothing(message: Any, sender: str) -> None:
    """How a message is handled that does not arrive."""


def arrived(engine: Engine, event: Event, handler: Handler, coming: Coming) -> Outcome:
    """It is handled now, unless it is gone; before that, a record says what the fault did, if it did something."""
    if coming.fault:
        engine.record((FAULT_FIRED, coming.fault, coming.text))
    return event, nothing if coming.gone else handler


class Delivery(msgspec.Struct, frozen=True):
    """An event at a watched receiver, with its handler and what is remembered there.

    ``identity``: the event's in words, "sender:seq", by which it is remembered and what draws about it are keyed.
    """

    engine: Engine
    event: Event
    handler: Handler
    watch: Watch
    identity: str
    hits: Hits

    def said(self, fault: Fault, text: str, gone: bool = False) -> Coming:
        """What is remembered of a firing: its record, and whether the message is handled after it."""
        return Coming(fault.name, f"{self.event[8].word} from {self.event[4]} {text}", gone)

    def now(self, coming: Coming = NOT_MOVED) -> Outcome:
        """See :func:`arrived`."""
        return arrived(self.engine, self.event, self.handler, coming)

    def hit_again(self, at_ns: int) -> bool:
        """See :data:`Hits`."""
        return self.hits(self.event, self.watch, at_ns)

    def unless_held(self, coming: Coming = NOT_MOVED) -> Outcome:
        """It is handled now, unless an earlier message of its pair was delayed beyond it."""
        held_ns = self.watch.behind_ns.get(self.event[4], 0)
        return self.later(held_ns + 1, coming) if self.event[0] <= held_ns else self.now(coming)

    def free_ns(self, at_ns: int) -> int:
        """The earliest time from ``at_ns`` on at which it does not overtake what its pair has held back."""
        return max(at_ns, self.watch.behind_ns.get(self.event[4], 0) + 1)

    def later(self, at_ns: int, coming: Coming) -> Outcome:
        """It comes again at ``at_ns``, and later messages of its pair stay behind it."""
        sender, watch = self.event[4], self.watch
        watch.behind_ns[sender] = max(at_ns, watch.behind_ns.get(sender, 0))
        return self.overtaken(at_ns, coming)

    def overtaken(self, at_ns: int, coming: Coming) -> Outcome:
        """It comes again at ``at_ns``, and what its sender sends meanwhile arrives before it."""
        self.watch.delayed[self.identity] = coming
        heappush(self.engine.heap, (at_ns, *self.event[1:]))
        return None

    def again(self, at_ns: int, coming: Coming) -> None:
        """It comes at ``at_ns`` besides, with the same cause. No message has a negative number, so a second copy's identity is its own."""
        event = self.event
        second = (*event[:5], -event[5], *event[6:])
        msgspec.structs.replace(self, event=second, identity=f"{event[4]}:{-event[5]}").overtaken(at_ns, coming)
