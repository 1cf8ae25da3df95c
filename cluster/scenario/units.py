"""Quantities in scenario files: a key ends in its unit and holds an integer, or a text with a unit that is normalised to it.

``wait_ns = 1000`` and ``wait_ns = "1 us"`` mean the same. A library of units (pint) was rejected: two dimensions and eight
units do not carry a dependency, and floats must never reach a plan, so "1.5 us" is computed in integers and "1.5 ns" refused.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from cluster.scenario.refusal import impossible

TIME_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
SIZE_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
NS_MAX = 10**15
"""About eleven days of virtual time: far beyond any run, far below 64 bits."""
BYTES_MAX = 1 << 46
DIGITS_MAX = 30
"""Of the number before a unit: enough for any time or size with all its decimals, and fewer than Python refuses to convert."""

_QUANTITY = re.compile(r"\s*([0-9][0-9_]*)(?:\.([0-9]+))?\s*([A-Za-zµ]+)\s*", re.ASCII)


def quantity(text: str, units: dict[str, int], base: str) -> int:
    """``text`` such as "1.5 us" as an integer number of ``base``. Raises a validation error naming the units."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[3] not in units:
        raise impossible(text, f'an integer number of {base}, or a text with one of the units {", ".join(units)}, such as "120 {base}"')
    digits, fraction = match[1].replace("_", ""), match[2] or ""
    if len(digits) + len(fraction) > DIGITS_MAX:
        raise impossible(text, f"a number of at most {DIGITS_MAX} digits and its unit")
    scaled = int(digits + fraction) * units[match[3]]
    whole, rest = divmod(scaled, int("1" + "0" * len(fraction)))
    if rest:
        raise impossible(text, f"a whole number of {base}")
    return whole


def _time(value: object) -> object:
    return quantity(value, TIME_NS, "ns") if isinstance(value, str) else value


def _size(value: object) -> object:
    return quantity(value, SIZE_BYTES, "B") if isinstance(value, str) else value


def _schema(least: int, units: dict[str, int]) -> WithJsonSchema:
    pattern = rf"^\s*[0-9][0-9_]*(\.[0-9]+)?\s*({'|'.join(units)})\s*$"
    return WithJsonSchema({"anyOf": [{"type": "integer", "minimum": least}, {"type": "string", "pattern": pattern}]})


Ns = Annotated[int, Field(strict=True, ge=0, le=NS_MAX), BeforeValidator(_time), _schema(0, TIME_NS)]
"""A duration or instant in ns, 0 or more."""
PositiveNs = Annotated[int, Field(strict=True, ge=1, le=NS_MAX), BeforeValidator(_time), _schema(1, TIME_NS)]
Bytes = Annotated[int, Field(strict=True, ge=1, le=BYTES_MAX), BeforeValidator(_size), _schema(1, SIZE_BYTES)]
Count = Annotated[int, Field(strict=True, ge=0, le=1 << 40)]
