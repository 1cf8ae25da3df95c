"""Swarm: from the declared faults to those of one run, drawn by its seed.

A run with every fault at once hides what two of them do; a run with a random few of them does not (swarm testing). Which exist, and with
which numbers, is drawn by (seed, name of the fault, key), so that no draw depends on another: taking a fault out of a file changes
nothing for those that stay. What was drawn is what the plan holds: a run of a swarm is a run of ordinary faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from pydantic_core import PydanticCustomError

from cluster.engine.streams import draw_once
from cluster.scenario.fault_tables import SwarmTable
from cluster.scenario.refusal import Place
from cluster.scenario.units import TIME_NS, quantity
from protocol.faults import FIELDS, KINDS, Fault, When

Range = tuple[int, int]
"""Least and greatest, both possible."""
COUNTED = ("nth", "every", "from_ns", "until_ns", "count")
"""The numbers of a predicate."""


class Declared(NamedTuple):
    """A fault as it was declared: with ``vary``, the ranges in which a swarm draws."""

    fault: Fault
    vary: Mapping[str, Range]

    def at(self, values: Mapping[str, int]) -> Fault:
        """The fault with these numbers."""
        when = {key: value for key, value in values.items() if key in COUNTED}
        own = {key: value for key, value in values.items() if key not in COUNTED}
        return msgspec.structs.replace(self.fault, when=msgspec.structs.replace(self.fault.when, **when), **own)

    def corners(self) -> tuple[Fault, Fault]:
        """With all least and all greatest numbers: what is possible for both is possible for all between."""
        return self.at({key: low for key, (low, _) in self.vary.items()}), self.at({key: high for key, (_, high) in self.vary.items()})


def drawn(declared: tuple[Declared, ...], swarm: SwarmTable | None, seed: int) -> tuple[Fault, ...]:
    """The faults of the run with this seed; without a swarm, the declared ones."""
    if swarm is None:
        return tuple(found.fault for found in declared)
    return tuple(_drawn(found, seed) for found in declared if draw_once(seed, "swarm", found.fault.name, 100) < swarm.percent)


def _drawn(found: Declared, seed: int) -> Fault:
    name = found.fault.name
    return found.at({key: low + draw_once(seed, f"swarm {key}", name, high - low + 1) for key, (low, high) in found.vary.items()})


def ranges_of(fault: Fault, raw: Mapping[str, list[object]], key: str, place: Place) -> dict[str, Range]:
    """``vary`` as ranges of integers. Raises InputError for a key that is no number of this fault, or a range that holds nothing."""
    kind = KINDS[fault.kind]
    may = [name for name in kind.needs + kind.takes if FIELDS[name].unit in ("", "ns")]
    may += COUNTED if "when" in kind.needs + kind.takes else ()
    found = {}
    for name in sorted(raw):
        if name not in may:
            raise place.refuse(f"{key}.vary.{name}", name, may, why=f"no number of a {fault.kind}")
        found[name] = _range(name, raw[name], f"{key}.vary.{name}", place)
    return found


def _range(name: str, value: list[object], key: str, place: Place) -> Range:
    least = FIELDS[name].least if name in FIELDS else 0
    greatest = FIELDS[name].greatest if name in FIELDS else FIELDS["at_ns"].greatest
    numbers = [number for item in value if (number := _number(name, item)) is not None]
    if not len(value) == len(numbers) == 2:
        raise place.refuse(key, value, f"[least, greatest], two {'times' if name.endswith('_ns') else 'integers'}")
    low, high = numbers
    if not least <= low <= high <= greatest:
        raise place.refuse(key, value, f"[least, greatest] with {least} <= least <= greatest <= {greatest}")
    return low, high


def _number(name: str, item: object) -> int | None:
    """An integer, or a time with its unit; None for anything else."""
    try:
        item = quantity(item, TIME_NS, "ns") if isinstance(item, str) and name.endswith("_ns") else item
    except PydanticCustomError:
        return None
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def can_match(when: When) -> str:
    """Why a predicate can match nothing, or ""."""
    if when.nth and when.every:
        return f"nth = {when.nth} and every = {when.every}"
    if when.until_ns and when.until_ns <= when.from_ns:
        return f"from_ns = {when.from_ns} and until_ns = {when.until_ns}"
    return ""
