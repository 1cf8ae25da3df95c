"""What a row of the density table has in its fields: checked when it is read, for a table is believed, printed and drawn conclusions from.

Its version of the model may be older or newer than this program's, and so may the names of changes and checks in it; numbers must agree
with each other in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
KEY = ("id", "scenario", "sets", "ignores", "first", "seeds", "model")
"""Fields that say what a row is of."""
SEED_MAX = (1 << 64) - 1
Fault = tuple[str, object, str]
"""A field, what was found there, and what is allowed; "" for the last if nothing is wrong."""


def fault_of(row: Row) -> Fault:
    """The first field that cannot be."""
    for field, (fits, allowed) in _FIELDS.items():
        if field not in row:
            return field, "nothing", allowed
        if not fits(row[field]):
            return field, row[field], allowed
    return _disagreement(row)


def _disagreement(row: Row) -> Fault:
    """What each field alone does not tell."""
    first, seeds, met, lowest = row["first"], row["seeds"], row["met"], row["first_seed"]
    last = first + seeds - 1
    if last > SEED_MAX:
        return "seeds", seeds, f"1 to {SEED_MAX - first + 1}, from seed {first} on"
    if met > seeds:
        return "met", met, f"0 to {seeds}, the number of seeds"
    if (lowest is None) != (met == 0):
        return "first_seed", lowest, "null where none was met" if met == 0 else f"the first of the {met} that were met"
    if lowest is not None and not first <= lowest <= last - met + 1:
        return "first_seed", lowest, f"{first} to {last - met + 1}, with {met} met in seeds {first} to {last}"
    if sum(row["spoke"].values()) != met:
        return "spoke", row["spoke"], f"counts that are {met} together, as met says"
    return "", None, ""


def _integer(least: int, most: int = SEED_MAX) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _name(value: object) -> bool:
    return _text(value) and value != ""


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_name, value))


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(_name(name) and _integer(1)(count) for name, count in value.items())


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "id": (_name, "an id of a change, or repaired"),
    "scenario": (_name, "a scenario's name"),
    "sets": (_texts, "a list of settings"),
    "ignores": (_texts, "a list of checks"),
    "first": (_integer(0), f"a seed, 0 to {SEED_MAX}"),
    "seeds": (_integer(1), "an integer of 1 or more"),
    "model": (_integer(1), "a version of the model, 1 or more"),
    "slug": (_text, "a change's slug, or an empty text"),
    "met": (_integer(0), "an integer of 0 or more"),
    "first_seed": (lambda value: value is None or _integer(0)(value), f"a seed, 0 to {SEED_MAX}, or null"),
    "spoke": (_counts, "how often each spoke first, by name: 1 or more"),
}
