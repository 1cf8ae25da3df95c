"""What only two tables together can tell: faults against the machine, names against what exists.

Each function raises the InputError of the first impossible value it meets.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import msgspec

from cluster.scenario.machine_faults import possible_part
from cluster.scenario.refusal import Place
from cluster.scenario.tables import FaultTable, ScenarioTable
from protocol.faults import INSTANT, KINDS, MESSAGE, Fault, When
from protocol.machine import Machine
from protocol.messages import LOCAL, MESSAGE_BY_WORD

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
    if when.kind == "*":
        when = msgspec.structs.replace(when, kind=KINDS[row.kind].usual)
    return Fault(name=row.name or f"{row.kind}-{index + 1}", when=when, **given)


def _possible(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    given = KINDS[fault.kind].needs + KINDS[fault.kind].takes
    if "cpu" in given and fault.cpu >= machine.cpus:
        raise place.refuse(f"{key}.cpu", fault.cpu, f"0 to {machine.cpus - 1}: the machine has {machine.cpus} CPUs")
    if "frames" in given and fault.frames >= machine.frames:
        raise place.refuse(f"{key}.frames", fault.frames, f"less than the machine's {machine.frames} frames")
    _words(fault, key, place)
    possible_part(fault, key, machine, place)
    for field, pattern in (("to", fault.when.to), ("sender", fault.when.sender)):
        _cpus_that_are(f"{key}.when.{field}", pattern, machine, place)


def _cpus_that_are(key: str, pattern: str, machine: Machine, place: Place) -> None:
    match = _CPU.fullmatch(pattern)
    if match and int(match[1]) >= machine.cpus:
        raise place.refuse(key, pattern, f"cpu.0 to cpu.{machine.cpus - 1}: the machine has {machine.cpus} CPUs")


def _words(fault: Fault, key: str, place: Place) -> None:
    """Some message that the kind can concern must match ``when.kind``."""
    kind = KINDS[fault.kind]
    if kind.scope != INSTANT and not any(fnmatchcase(word, fault.when.kind) for word in words_of(fault.kind)):
        why = f"no message that {fault.kind} can concern is called so"
        raise place.refuse(f"{key}.when.kind", fault.when.kind, words_of(fault.kind), why=why)


def words_of(word: str) -> list[str]:
    """The words of the messages that a kind of fault can concern."""
    kind = KINDS[word]
    return sorted(
        message
        for message, found in MESSAGE_BY_WORD.items()
        if (found.link != LOCAL or kind.scope != MESSAGE)
        and any(fnmatchcase(message, pattern) for pattern in kind.words)
        and (not kind.carries or kind.carries in found.__struct_fields__)
    )
