"""The other direction: machine and faults as the tables that would make them, and tables as TOML text.

A TOML writer of thirty lines is here because the standard library only reads TOML, and the one library that writes it well (tomlkit) keeps
styles and comments that a canonical text must not have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cluster.scenario.swarm import Declared
from protocol.faults import KINDS, Fault
from protocol.machine import Machine
from protocol.messages import LINK_NAMES

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def machine_expanded(machine: Machine) -> dict[str, Any]:
    """``[machine]`` with every key given."""
    table = msgspec.to_builtins(machine)
    matrices = table.pop("latency_ns")
    scalars = {key: value for key, value in table.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    latency = {link: {"matrix_ns": [list(row) for row in matrix]} for link, matrix in zip(LINK_NAMES[:3], matrices, strict=True)}
    return {"domains": machine.domains, **scalars, "latency": latency, **tables}


def fault_expanded(fault: Fault) -> dict[str, Any]:
    """One ``[[faults]]`` entry with the keys its kind needs, those it takes that differ from what is usual, and its predicate where that
    says anything."""
    kind, usual = KINDS[fault.kind], Fault("", "")
    when = msgspec.to_builtins(fault.when)
    given = {key: msgspec.to_builtins(getattr(fault, key)) for key in sorted(kind.needs) if key != "when"}
    said = [key for key in kind.takes if key != "when" and getattr(fault, key) != getattr(usual, key)]
    given |= {key: msgspec.to_builtins(getattr(fault, key)) for key in said}
    return {"name": fault.name, "kind": fault.kind, **given, **({"when": when} if when or "when" in kind.needs else {})}


def declared_expanded(declared: Declared) -> dict[str, Any]:
    """The same of a fault with ranges in which a swarm draws."""
    vary = {key: list(found) for key, found in sorted(declared.vary.items())}
    return fault_expanded(declared.fault) | ({"vary": vary} if vary else {})


def to_toml(table: Mapping[str, Any]) -> str:
    """Plain data as TOML text: scalars, lists, tables and lists of tables. None is refused by assertion: TOML has none."""
    return "\n".join(_table(table, ())).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        name = ".".join(map(_key, (*path, key)))
        if isinstance(value, Mapping):
            yield from ("", f"[{name}]", *_table(value, (*path, key)))
        elif _is_tables(value):
            for row in value:
                yield from ("", f"[[{name}]]", *(f"{_key(k)} = {_value(v)}" for k, v in row.items()))


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    """A basic string. JSON's escapes are TOML's, but for characters beyond 16 bits, which stand for themselves."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    assert isinstance(value, list | tuple), f"no TOML for {value!r}"
    return "[" + ", ".join(map(_value, value)) + "]"
