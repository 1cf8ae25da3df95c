"""The kinds of fault, declared once: scenario files are checked against this table, ``shootdown list faults`` prints it.

A kind is a row here, a field of :class:`protocol.faults.fault.Fault` for each key that no other kind has, and an entry in a registry of
``cluster.faults`` (``effects`` for what happens to messages, ``instants`` for what happens at a time) or of ``actors.faults`` (what a
broken part of the machine does; those kinds are in ``machine_kinds``). A class per kind was rejected: what
a scenario may say, what the document lists and what a refusal allows would each have to ask the classes again.
"""

from __future__ import annotations

from protocol.faults.kind import INSTANT, MESSAGE, NS_MAX, PART, Field, Kind
from protocol.faults.machine_kinds import MACHINE_FIELDS, MACHINE_KINDS

__all__ = ["FIELDS", "INSTANT", "KINDS", "LAYER", "MESSAGE", "NS_MAX", "PART", "Field", "Kind"]

FIELDS: dict[str, Field] = {
    "when": Field("which messages", unit="predicate"),
    "delay_ns": Field("how much later"),
    "cpu": Field("number of a CPU", unit="", least=0),
    "at_ns": Field("when it begins", least=0),
    "duration_ns": Field("how long it lasts"),
    "frames": Field("page frames", unit="", greatest=1 << 40),
    "side": Field("patterns of the actors (or `domain.N`) on one side", unit="name"),
    "other": Field("those on the other side; all that are not on `side` if not given", unit="name"),
    "one_way": Field("only what `side` sends to `other`", unit="truth"),
    "retransmit_ns": Field("after how long without an acknowledgement the link layer sends again; 0: there is none", least=0),
    "tries": Field("how often it sends again before it gives up", unit="", greatest=1000),
    **MACHINE_FIELDS,
}
LAYER = ("retransmit_ns", "tries")
"""The keys of a link layer; ``[link]`` gives them for all faults of links at once."""

KINDS: dict[str, Kind] = {
    "delay": Kind("matching messages arrive later; later ones of the same pair stay behind them", ("delay_ns",), ("when",)),
    "jitter": Kind("each matching message arrives later by a time drawn from 0 to `delay_ns`", ("delay_ns",), ("when",)),
    "reorder": Kind("a matching message arrives later and others of its pair overtake it", ("delay_ns",), ("when", *LAYER)),
    "lose": Kind("matching messages do not arrive", ("when",), LAYER),
    "duplicate": Kind("a matching message is delivered a second time, `delay_ns` later", ("delay_ns",), ("when", *LAYER)),
    "corrupt": Kind("a bit of a matching message is flipped; the receiver's checksum finds it, and it is dropped", ("when",), LAYER),
    "partition": Kind(
        "nothing passes between two sides for a while", ("side", "at_ns", "duration_ns"), ("other", "one_way", "when", *LAYER)
    ),
    "stall": Kind("the CPU does nothing for a while", ("cpu", "at_ns", "duration_ns"), scope=INSTANT),
    "pager-error": Kind("matching pager requests fail", takes=("when",), words=("pager.*",), carries="fail", usual="pager.read"),
    "memory": Kind("free frames are withheld for a while", ("frames", "at_ns", "duration_ns"), scope=INSTANT),
    **MACHINE_KINDS,
}
