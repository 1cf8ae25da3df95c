"""``--set KEY=VALUE``: a dotted key laid over a scenario's raw tables, before anything is validated.

So a set value passes the very checks a file's value passes, and an error names ``--set`` as its place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from cluster.scenario.read import Raw, toml, too_long
from cluster.scenario.refusal import refuse

PROMISED = (
    "machine.cpus", "machine.domains", "machine.frames", "machine.pmap", "workload.cpus", "workload.retouch", "workload.lines_max",
    "limits.wait_ns", "limits.restarts", "checks.stop_at_first",
)  # fmt: skip
"""Keys that keep their meaning from version to version; every other key of a scenario file can be set too."""

PLACE = "--set"
INDEX_DIGITS_MAX = 9
"""Of an entry's number: more than any list in a scenario has entries."""
_KEY = re.compile(r"[a-z][A-Za-z0-9_]*(\[[0-9]+\])?(\.[A-Za-z0-9_-]+(\[[0-9]+\])?)+")


def parse_set(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` as the key and the value's TOML meaning (a text where it has none). Raises InputError."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not _KEY.fullmatch(key):
        raise refuse(PLACE, key or "KEY", text, f"KEY=VALUE with a dotted key, such as {', '.join(PROMISED)}")
    try:
        return key, toml(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key, value
    except ValueError:
        raise too_long(value, PLACE, key) from None


def apply_sets(raw: Raw, sets: Iterable[str]) -> dict[str, str]:
    """Lay each ``KEY=VALUE`` over ``raw``; returns each key with the option's name. Raises InputError."""
    keys = {}
    for text in sets:
        key, value = parse_set(text)
        _put(raw, key, value)
        keys[key] = PLACE
    return keys


def _put(raw: Raw, key: str, value: Any) -> None:
    *tables, leaf = key.split(".")
    here: Any = raw
    for name in tables:
        here = _step(here, name, key)
    if not isinstance(here, dict):
        raise refuse(PLACE, key, "a value", "a key inside a table")
    if "[" in leaf:
        entries, index = _entry(here, leaf, key)
        entries[index] = value
    else:
        here[leaf] = value
    for one, other in (("frames", "memory_bytes"), ("memory_bytes", "frames")):
        if tables == ["machine"] and leaf == one:
            here.pop(other, None)
    if tables == ["machine"] and leaf in {"cpus", "domains"}:
        here.pop("cpu_domains", None)


def _step(here: Any, name: str, key: str) -> Any:
    if not isinstance(here, dict):
        raise refuse(PLACE, key, "a value", "a key inside a table")
    if "[" not in name:
        return here.setdefault(name, {})
    entries, index = _entry(here, name, key)
    return entries[index]


def _entry(here: Raw, part: str, key: str) -> tuple[list[Any], int]:
    """The list in ``here`` that a part of a key such as ``task[2]`` names, and the entry's number. Raises InputError if there is none."""
    name, _, number = part.rstrip("]").partition("[")
    below = here.get(name)
    length = len(below) if isinstance(below, list) else 0
    if not isinstance(below, list) or len(number) > INDEX_DIGITS_MAX or int(number) >= length:
        raise refuse(PLACE, key, part, f"one of the {length} entries of {name}, counted from 0")
    return below, int(number)
