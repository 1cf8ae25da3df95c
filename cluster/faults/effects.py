"""What each kind of message fault does to a delivery it fires on: a function per kind, found by its word.

A module of effects ends in a table that is laid into :data:`EFFECTS`; no chain of ifs knows all kinds.
"""

from __future__ import annotations

import msgspec

from cluster.engine.streams import draw_once
from cluster.faults.delivery import Delivery, Outcome
from cluster.faults.links import LINK_EFFECTS, Effect, until_healed
from protocol.faults import Fault
from protocol.messages.device import NEVER, TORN, WRONG


def _delay(fault: Fault, delivery: Delivery) -> Outcome:
    return _by(fault.delay_ns, fault, delivery)


def _jitter(fault: Fault, delivery: Delivery) -> Outcome:
    """A draw that the message's identity alone decides, so that it is no state and no order matters."""
    return _by(draw_once(delivery.engine.seed, f"jitter {fault.name}", delivery.identity, fault.delay_ns + 1), fault, delivery)


def _by(delay_ns: int, fault: Fault, delivery: Delivery) -> Outcome:
    if not delay_ns:
        return delivery.unless_held()
    now_ns = delivery.event[0]
    at_ns = delivery.free_ns(until_healed(fault, now_ns, delay_ns))
    return delivery.later(at_ns, delivery.said(fault, f"delayed by {at_ns - now_ns} ns"))


def _fail(fault: Fault, delivery: Delivery) -> Outcome:
    """The request is handed over as one that the device will not manage."""
    event = delivery.event
    failing = msgspec.structs.replace(event[8], fail=True)
    return msgspec.structs.replace(delivery, event=(*event[:8], failing)).unless_held(delivery.said(fault, "fails"))


def _flawed(flaw: str, text: str) -> Effect:
    """The request is handed over as one with which this goes wrong at the device."""

    def effect(fault: Fault, delivery: Delivery) -> Outcome:
        event = delivery.event
        flawed = msgspec.structs.replace(event[8], flaw=flaw)
        return msgspec.structs.replace(delivery, event=(*event[:8], flawed)).unless_held(delivery.said(fault, text))

    return effect


EFFECTS: dict[str, Effect] = {
    "delay": _delay,
    "jitter": _jitter,
    "pager-error": _fail,
    "pager-never": _flawed(NEVER, "will not end"),
    "pager-wrong-data": _flawed(WRONG, "reads the next page"),
    "pager-torn-write": _flawed(TORN, "reaches the device in part"),
    **LINK_EFFECTS,
}
