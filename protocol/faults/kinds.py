"""The kinds of fault, declared once: scenario files are checked against this table, ``shootdown list faults`` prints it.

A kind is a row here, a field of :class:`protocol.faults.fault.Fault` for each key that no other kind has, and an entry in a registry of
``cluster.faults`` (``effects`` for what happens to messages, ``instants`` for what happens at a time) or of ``actors.faults`` (what a
broken part of the machine does; those kinds are in ``machine_kinds``). A class per kind was rejected: what
a scenario may say, what the document lists and what a refusal allows would each have to ask the classes again.
"""

from __future__ import annotations

from protocol.faults.kind import INSTANT, MESSAGE, NS_MAX, PART, Field, Kind
from protocol.faults.machine_kinds import MACHINE_FIELDS, MACHINE_KINDS

__all__ = ["FIELDS", "INSTANT", "KINDS", "MESSAGE", "NS_MAX", "PART", "Field", "Kind"]

FIELDS: dict[str, Field] = {
    "when": Field("which messages", unit="predicate"),
    "delay_ns": Field("how much later"),
    "cpu": Field("number of a CPU", unit="", least=0),
    "at_ns": Field("when it begins", least=0),
    "duration_ns": Field("how long it lasts"),
    "frames": Field("page frames", unit="", greatest=1 << 40),
    **MACHINE_FIELDS,
}

KINDS: dict[str, Kind] = {
    "delay": Kind("matching messages arrive later; later ones of the same pair stay behind them", ("delay_ns",), ("when",)),
    "jitter": Kind("each matching message arrives later by a time drawn from 0 to `delay_ns`", ("delay_ns",), ("when",)),
    "lose": Kind("matching messages do not arrive", ("when",)),
    "stall": Kind("the CPU does nothing for a while", ("cpu", "at_ns", "duration_ns"), scope=INSTANT),
    "pager-error": Kind("matching pager requests fail", takes=("when",), words=("pager.*",), carries="fail", usual="pager.read"),
    "memory": Kind("free frames are withheld for a while", ("frames", "at_ns", "duration_ns"), scope=INSTANT),
    **MACHINE_KINDS,
}
