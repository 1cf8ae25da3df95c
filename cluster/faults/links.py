"""Faults of links: what is lost, doubled, damaged, overtaken or cut off, without a link layer and with one.

A link layer that retransmits is modelled by what it does, not by its packets: a message arrives after so many timeouts as transmissions
of it were hit, later ones of its pair wait for it, a second copy is dropped, and what was overtaken is put in order again. So the
transmissions of one message are decided together, when the first of them arrives; each of them is a match of the fault's predicate.
Acknowledgements and sequence numbers as messages of their own were rejected: they would double the events of every run in which
a link may fail and show nothing that these four sentences do not.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import msgspec

from cluster.engine.streams import draw_once
from cluster.faults.delivery import Delivery, Outcome
from protocol.faults import Fault

Effect = Callable[[Fault, Delivery], Outcome]


def lose(fault: Fault, delivery: Delivery) -> Outcome:
    """It does not arrive."""
    return _dropped(fault, delivery, "lost")


def cut_off(fault: Fault, delivery: Delivery) -> Outcome:
    """Receiver and sender are on two sides of a partition."""
    return _dropped(fault, delivery, "cut off")


def corrupt(fault: Fault, delivery: Delivery) -> Outcome:
    """A bit of it, drawn by its identity, is flipped. CRC-32 finds any single bit, so nothing wrong is ever handled."""
    data = bytearray(msgspec.msgpack.encode(delivery.event[8]))
    sent = crc32(data)
    bit = draw_once(delivery.engine.seed, f"corrupt {fault.name}", delivery.identity, 8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    found = crc32(data)
    assert found != sent, "CRC-32 has missed a single bit"
    return _dropped(fault, delivery, f"damaged in bit {bit} (checksum {found:08x}, not {sent:08x})")


def _dropped(fault: Fault, delivery: Delivery, how: str) -> Outcome:
    """The receiver sees nothing of this transmission; a link layer sends again until one arrives, or it gives up."""
    if not fault.retransmit_ns:
        return delivery.now(delivery.said(fault, how, gone=True))
    now_ns = delivery.event[0]
    for sent in range(1, fault.tries + 1):
        if not delivery.hit_again(now_ns + sent * fault.retransmit_ns):
            at_ns = delivery.free_ns(now_ns + sent * fault.retransmit_ns)
            return delivery.later(at_ns, delivery.said(fault, f"{how}, sent again {_times(sent)} and {at_ns - now_ns} ns late"))
    at_ns = delivery.free_ns(now_ns + fault.tries * fault.retransmit_ns)
    return delivery.later(at_ns, delivery.said(fault, f"{how}, sent again {_times(fault.tries)} and given up", gone=True))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def reorder(fault: Fault, delivery: Delivery) -> Outcome:
    """It is held back alone. A receiver can only be late, so what overtakes is what comes after it, and no lookahead changes."""
    now_ns = delivery.event[0]
    at_ns = until_healed(fault, now_ns, fault.delay_ns)
    if fault.retransmit_ns:
        at_ns = delivery.free_ns(at_ns)
        return delivery.later(at_ns, delivery.said(fault, f"overtaken, put in order again {at_ns - now_ns} ns late"))
    return delivery.overtaken(at_ns, delivery.said(fault, f"overtaken, {at_ns - now_ns} ns late"))


def duplicate(fault: Fault, delivery: Delivery) -> Outcome:
    """It is handled as ever, and once more ``delay_ns`` later."""
    outcome = delivery.unless_held()
    first_ns = delivery.event[0] if outcome else delivery.watch.behind_ns[delivery.event[4]]
    how = "a second time, dropped by the link layer" if fault.retransmit_ns else "a second time"
    delivery.again(until_healed(fault, first_ns, fault.delay_ns), delivery.said(fault, how, gone=bool(fault.retransmit_ns)))
    return outcome


def until_healed(fault: Fault, now_ns: int, delay_ns: int) -> int:
    """When something arrives that is delayed by ``delay_ns``: not after the faults' end, for from then on nothing is held back."""
    return min(now_ns + delay_ns, fault.heal_ns) if fault.heal_ns > now_ns else now_ns + delay_ns


DROPPING = ("lose", "corrupt", "partition")
"""Kinds that hit a transmission; a copy that is sent again may be hit by any of them."""
LINK_EFFECTS: dict[str, Effect] = {"lose": lose, "corrupt": corrupt, "partition": cut_off, "reorder": reorder, "duplicate": duplicate}
BREAKING = ("lose", "corrupt", "partition", "reorder", "duplicate")
"""Kinds that, without a link layer, break what every protocol above relies on: each message arrives once, in order."""
