"""What only two tables together can tell: faults against the machine, against ``[link]`` and ``[liveness]``, names against what exists.

Each function raises the InputError of the first impossible value it meets.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from cluster.scenario.fault_tables import LinkTable, LivenessTable
from cluster.scenario.machine_faults import possible_part
from cluster.scenario.predicates import possible_predicate, possible_side
from cluster.scenario.refusal import Place
from cluster.scenario.swarm import Declared, can_match, ranges_of
from cluster.scenario.tables import FaultTable
from protocol.faults import KINDS, Fault, When
from protocol.machine import Machine


class DeclaresFaults(Protocol):
    """A table with faults and what they are checked against: a scenario, or a file of faults alone."""

    @property
    def faults(self) -> list[FaultTable]:
        """``[[faults]]``."""

    @property
    def link(self) -> LinkTable | None:
        """``[link]``."""

    @property
    def liveness(self) -> LivenessTable | None:
        """``[liveness]``."""


def faults_of(table: DeclaresFaults, machine: Machine, place: Place) -> tuple[Declared, ...]:
    """The declared faults as data, names and link layer filled in. Raises InputError for one that cannot happen on this machine."""
    found: list[Declared] = []
    for index, row in enumerate(table.faults):
        key = f"faults[{index}]"
        fault = _fault(row, index, table, key, place)
        if any(fault.name == other.fault.name for other in found):
            raise place.refuse(f"{key}.name", fault.name, "a name no other fault has")
        declared = Declared(fault, ranges_of(fault, row.vary or {}, key, place))
        for one in (fault, *declared.corners()):
            _possible(one, key, machine, place)
        found.append(declared)
    if table.liveness is not None and not found:
        raise place.refuse("liveness", "no faults", "[liveness] only where there is something to heal from: [[faults]]")
    return tuple(found)


def _fault(row: FaultTable, index: int, table: DeclaresFaults, key: str, place: Place) -> Fault:
    given: dict[str, Any] = {k: v for k, v in row.model_dump(exclude={"when", "name", "vary"}).items() if v is not None}
    when = When(**row.when.model_dump()) if row.when else When()
    if when.kind == "*":
        when = msgspec.structs.replace(when, kind=KINDS[row.kind].usual)
    if KINDS[row.kind].linked and table.link is not None:
        given = (table.link.model_dump() if given.get("retransmit_ns") != 0 else {}) | given
    if "tries" in given and not given.get("retransmit_ns"):
        raise place.refuse(f"{key}.tries", given["tries"], "tries only with retransmit_ns, of the fault or of [link]")
    for name in ("side", "other"):
        given[name] = tuple(given.get(name, ()))
    heal_ns = table.liveness.heal_ns if table.liveness is not None else 0
    return Fault(name=row.name or f"{row.kind}-{index + 1}", when=when, heal_ns=heal_ns, **given)


def _possible(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    given = KINDS[fault.kind].needs + KINDS[fault.kind].takes
    if "cpu" in given and fault.cpu >= machine.cpus:
        raise place.refuse(f"{key}.cpu", fault.cpu, f"0 to {machine.cpus - 1}: the machine has {machine.cpus} CPUs")
    if "frames" in given and fault.frames >= machine.frames:
        raise place.refuse(f"{key}.frames", fault.frames, f"less than the machine's {machine.frames} frames")
    possible_predicate(fault, key, machine, place)
    possible_side(fault.side, f"{key}.side", machine, place)
    possible_side(fault.other, f"{key}.other", machine, place)
    if "at_ns" in given and fault.heal_ns and fault.at_ns >= fault.heal_ns:
        raise place.refuse(f"{key}.at_ns", fault.at_ns, f"less than liveness.heal_ns = {fault.heal_ns}: from then on no fault happens")
    if fault.heal_ns and fault.when.from_ns >= fault.heal_ns:
        raise place.refuse(f"{key}.when.from_ns", fault.when.from_ns, f"less than liveness.heal_ns = {fault.heal_ns}")
    if can_match(fault.when):
        raise place.refuse(f"{key}.when", can_match(fault.when), "one of nth and every, and until_ns above from_ns (or 0: no end)")
    possible_part(fault, key, machine, place)
