"""Faults of the machine's parts that cannot be meant: a lock of no class, a run longer than memory, a clock that is not wrong.

Each refusal names the key it is about. What a field alone can tell is in the table (:mod:`cluster.scenario.tables`).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from cluster.scenario.refusal import Place
from protocol.faults import Fault
from protocol.identity import kind_of
from protocol.locks import CLASSES
from protocol.machine import Machine


def possible_part(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    """Raises InputError for a fault that cannot happen on this machine, or would be no fault."""
    if fault.lock:
        _lock(fault, key, place)
    if fault.kind == "wakeup-lost" and bool(fault.lock) == bool(fault.channel):
        found = f"lock = {fault.lock} and channel = {fault.channel}" if fault.lock else "neither lock nor channel"
        raise place.refuse(key, found, "for kind = wakeup-lost: one of lock and channel")
    if fault.kind == "clock-skew" and not fault.ppm:
        raise place.refuse(f"{key}.ppm", fault.ppm, "not 0: a clock that is right is no fault")
    if fault.kind == "memory-fragmented" and not 2 <= fault.pages <= machine.frames:
        raise place.refuse(f"{key}.pages", fault.pages, f"2 to {machine.frames}: the machine has {machine.frames} frames")


def _lock(fault: Fault, key: str, place: Place) -> None:
    if not any(fnmatchcase(known, kind_of(fault.lock)) for known in CLASSES):
        raise place.refuse(f"{key}.lock", fault.lock, sorted(CLASSES), why="no lock is of this class")
    if fault.when.to != "*" and fault.kind != "vcpu-preempted":
        raise place.refuse(f"{key}.when.to", fault.when.to, f"nothing: lock = {fault.lock} says which")
