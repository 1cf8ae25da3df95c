"""Faults at an instant: events of sender ``boot`` to the actor they are about, queued before the run begins.

A function per kind says which events; most are one, a fault whose end is an event too has two. The first event of the fault number i has
the sequence of the i-th fault, so that adding a kind changes no other fault's identity; further ones come after all of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from actors.faults.registry import DEVICES
from cluster.engine.engine import Engine
from cluster.errors import InputError
from protocol.event import Event
from protocol.faults import Fault
from protocol.identity import BOOT, FREE_QUEUES, cpu_name
from protocol.messages import Message
from protocol.messages.faults import Begins
from protocol.messages.free import Withhold
from protocol.messages.processor import Stall


class Instant(NamedTuple):
    """One event of a fault: when, to whom, what."""

    at_ns: int
    receiver: str
    message: Message


def _stall(fault: Fault) -> tuple[Instant, ...]:
    return (Instant(fault.at_ns, cpu_name(fault.cpu), Stall(fault.duration_ns)),)


def _memory(fault: Fault) -> tuple[Instant, ...]:
    until_ns = fault.at_ns + fault.duration_ns
    return (Instant(fault.at_ns, FREE_QUEUES, Withhold(frames=fault.frames, until_ns=until_ns, reply=False)),)


def _cpu(fault: Fault) -> tuple[Instant, ...]:
    return (Instant(fault.at_ns, cpu_name(fault.cpu), Begins(fault.name)),)


def _pager(fault: Fault) -> tuple[Instant, ...]:
    return (Instant(fault.at_ns, DEVICES[fault.pager], Begins(fault.name)),)


def _free_lists(fault: Fault) -> tuple[Instant, ...]:
    return (Instant(fault.at_ns, FREE_QUEUES, Begins(fault.name)),)


INSTANTS: dict[str, Callable[[Fault], tuple[Instant, ...]]] = {
    "stall": _stall,
    "memory": _memory,
    "cpu-slow": _cpu,
    "cpu-offline": _cpu,
    "interrupt-storm": _cpu,
    "clock-skew": _cpu,
    "pager-slow": _pager,
    "memory-fragmented": _free_lists,
}


class Numbered(NamedTuple):
    """An instant with the fault it belongs to and the sequence of its event."""

    number: int
    fault: Fault
    instant: Instant


def numbered(faults: Sequence[Fault], first_number: int) -> list[Numbered]:
    """Every instant of these faults. ``first_number`` is the sequence of the first fault's."""
    found, further = [], first_number + len(faults)
    for place, fault in enumerate(faults, first_number):
        if fault.kind in INSTANTS and not (fault.heal_ns and fault.at_ns >= fault.heal_ns):
            for index, instant in enumerate(INSTANTS[fault.kind](_healing(fault))):
                found.append(Numbered(further if index else place, fault, instant))
                further += index > 0
    return found


def _healing(fault: Fault) -> Fault:
    """All faults end at the heal: what lasts longer is shortened."""
    left_ns = fault.heal_ns - fault.at_ns
    return msgspec.structs.replace(fault, duration_ns=left_ns) if fault.heal_ns and fault.duration_ns > left_ns else fault


def queue_instants(engine: Engine, instants: Sequence[Numbered]) -> None:
    """Queue those that are about actors of this worker."""
    for number, _, (at_ns, receiver, message) in instants:
        if engine.place.of(receiver) == engine.place.rank:
            event: Event = (max(1, at_ns), 1, 0, receiver, BOOT, number, BOOT, 0, message)
            engine.push([event])


def need_targets(engine: Engine, instants: Sequence[Numbered]) -> None:
    """Raises InputError for a fault on an actor that this run does not have."""
    for _, fault, instant in instants:
        if instant.receiver not in engine.place.rank_of:
            raise InputError(
                f"fault {fault.name!r} is on {instant.receiver}, which this run does not have",
                key=f"faults.{fault.name}",
                found=instant.receiver,
            )
