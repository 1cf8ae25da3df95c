"""Faults of the machine's parts that cannot be meant: a lock of no class, a run longer than memory, a clock that is not wrong.

Each refusal names the key it is about. What a field alone can tell is in the table (:mod:`cluster.scenario.tables`).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from cluster.scenario.predicates import can_be, possible_actor
from cluster.scenario.refusal import Place
from protocol.faults import KINDS, PART, Fault
from protocol.identity import kind_of
from protocol.locks import CLASSES
from protocol.machine import Machine
from protocol.messages import MESSAGE_BY_WORD


def possible_part(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    """Raises InputError for a fault that cannot happen on this machine, or would be no fault."""
    if KINDS[fault.kind].scope == PART:
        _occasions(fault, key, machine, place)
    if fault.lock:
        _lock(fault, key, place)
    if fault.kind == "wakeup-lost" and bool(fault.lock) == bool(fault.channel):
        found = f"lock = {fault.lock} and channel = {fault.channel}" if fault.lock else "neither lock nor channel"
        raise place.refuse(key, found, "for kind = wakeup-lost: one of lock and channel")
    if fault.kind == "clock-skew" and not fault.ppm:
        raise place.refuse(f"{key}.ppm", fault.ppm, "not 0: a clock that is right is no fault")
    if fault.kind == "memory-fragmented" and not 2 <= fault.pages <= machine.frames:
        raise place.refuse(f"{key}.pages", fault.pages, f"2 to {machine.frames}: the machine has {machine.frames} frames")


def _occasions(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    """``when`` of a part: an actor that there is, and the message in whose handling the occasion comes, its timers included."""
    for name, pattern in (("to", fault.when.to), ("sender", fault.when.sender)):
        possible_actor(pattern, f"{key}.when.{name}", machine, place)
    if fault.when.kind != "*" and not any(fnmatchcase(word, fault.when.kind) for word in MESSAGE_BY_WORD):
        raise place.refuse(f"{key}.when.kind", fault.when.kind, sorted(MESSAGE_BY_WORD), why="no message is called so")
    if fault.kind in OF_CPUS and not can_be(fault.when.to, "cpu"):
        raise place.refuse(f"{key}.when.to", fault.when.to, f"cpu*: {fault.kind} is a fault of CPUs")


OF_CPUS = ("ipi-acked-early", "tlb-stale-entry", "tlb-wrong-range", "vcpu-preempted")
"""Parts of a CPU."""


def _lock(fault: Fault, key: str, place: Place) -> None:
    if not any(fnmatchcase(known, kind_of(fault.lock)) for known in CLASSES):
        raise place.refuse(f"{key}.lock", fault.lock, sorted(CLASSES), why="no lock is of this class")
    if fault.when.to != "*":
        says = f"cpu = {fault.cpu}" if fault.kind == "vcpu-preempted" else f"lock = {fault.lock}"
        raise place.refuse(f"{key}.when.to", fault.when.to, f"nothing: {says} says where")
