"""What only two tables together can tell: faults against the machine, names against what exists.

Each function raises the InputError of the first impossible value it meets.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from cluster.scenario.refusal import Place
from cluster.scenario.tables import FaultTable, ScenarioTable
from protocol.faults import Fault, When
from protocol.machine import Machine
from protocol.messages import LOCAL, MESSAGE_BY_WORD

PAGER_DEFAULT = When(kind="pager.read")
_CPU = re.compile(r"(?:.*\.)?cpu\.([0-9]+)")


def faults_of(table: ScenarioTable, machine: Machine, place: Place) -> tuple[Fault, ...]:
    """The declared faults as data, names filled in. Raises InputError for one that cannot happen on this machine."""
    faults: list[Fault] = []
    for index, row in enumerate(table.faults):
        key = f"faults[{index}]"
        fault = _fault(row, index)
        if any(fault.name == other.name for other in faults):
            raise place.refuse(f"{key}.name", fault.name, "a name no other fault has")
        _possible(fault, key, machine, place)
        faults.append(fault)
    return tuple(faults)


def _fault(row: FaultTable, index: int) -> Fault:
    given = {k: v for k, v in row.model_dump(exclude={"when", "name"}).items() if v is not None}
    when = When(**row.when.model_dump()) if row.when else When()
    if row.kind == "pager-error" and when.kind == "*":
        when = When(**{**row.when.model_dump(), "kind": PAGER_DEFAULT.kind}) if row.when else PAGER_DEFAULT
    return Fault(name=row.name or f"{row.kind}-{index + 1}", when=when, **given)


def _possible(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    if fault.kind == "stall" and fault.cpu >= machine.cpus:
        raise place.refuse(f"{key}.cpu", fault.cpu, f"0 to {machine.cpus - 1}: the machine has {machine.cpus} CPUs")
    if fault.kind == "memory" and fault.frames >= machine.frames:
        raise place.refuse(f"{key}.frames", fault.frames, f"less than the machine's {machine.frames} frames")
    _words(fault, key, place)
    for field, pattern in (("to", fault.when.to), ("sender", fault.when.sender)):
        match = _CPU.fullmatch(pattern)
        if match and int(match[1]) >= machine.cpus:
            raise place.refuse(f"{key}.when.{field}", pattern, f"cpu.0 to cpu.{machine.cpus - 1}: the machine has {machine.cpus} CPUs")


def _words(fault: Fault, key: str, place: Place) -> None:
    words = [word for word, message in MESSAGE_BY_WORD.items() if message.link != LOCAL]
    if fault.kind == "pager-error":
        words = [word for word in words if "fail" in MESSAGE_BY_WORD[word].__struct_fields__]
    matching = [word for word in words if fnmatchcase(word, fault.when.kind)]
    if not matching or (fault.kind == "pager-error" and fault.when.kind != "*" and not fault.when.kind.startswith("pager")):
        raise place.refuse(f"{key}.when.kind", fault.when.kind, sorted(words), why="no message is called so")
