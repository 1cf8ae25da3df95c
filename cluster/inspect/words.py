"""A record's fields in the field's own words: flags, queues, PTE bits, lock types and modes by name, addresses in hexadecimal.

Which words a field takes is decided by its name, and by the kind of record where one name means two things (``old`` of a queue, of
flags, of a PTE). The table is made once per kind; an alternative, a function per kind of record, would say the same thing seventy times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from protocol.identity import cpu_name
from protocol.locks import known_class
from protocol.messages.locks import MODE_NAMES
from protocol.messages.processor import VECTOR_NAMES
from protocol.messages.space import ENTRY_COW, ENTRY_NEEDS_COPY, ENTRY_SHARED, ENTRY_STACK, ENTRY_WIRED
from protocol.pages import (
    CLASS_NAMES,
    FLAG_NAMES,
    OBJECT_TYPE_NAMES,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    PTE_NAMES,
    QUEUE_NAMES,
    names_of,
)
from protocol.records import KINDS, Record

Word = Callable[[object], object]
"""From a field's value to what is shown of it: text, a number, or a list of these."""

ENTRY_NAMES = {
    ENTRY_COW: "COW",
    ENTRY_NEEDS_COPY: "NEEDS_COPY",
    ENTRY_SHARED: "SHARED",
    ENTRY_STACK: "STACK",
    ENTRY_WIRED: "WIRED",
}


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _hex(value: object) -> object:
    return hex(value) if isinstance(value, int) and value >= 0 else value


def _frame(value: object) -> object:
    return "none" if value == -1 else _hex(value)


def _one_of(names: tuple[str, ...]) -> Word:
    return lambda value: names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _bits(names: dict[int, str]) -> Word:
    return lambda value: names_of(value, names) if isinstance(value, int) else value


def _prot(value: object) -> object:
    if not isinstance(value, int):
        return value
    return "".join(letter if value & bit else "-" for letter, bit in (("r", PROT_READ), ("w", PROT_WRITE), ("x", PROT_EXEC)))


def _arguments(value: object) -> object:
    """A routine's arguments: numbers that are probably pages or addresses in hexadecimal."""
    if isinstance(value, tuple):
        return [_arguments(item) for item in value]
    return hex(value) if isinstance(value, int) and value > 0xFF else value


def _cpu(value: object) -> object:
    if isinstance(value, tuple):
        return [_cpu(item) for item in value]
    return cpu_name(value) if isinstance(value, int) else value


def _thread(value: object) -> object:
    return "none" if value == -1 else value


_BY_FIELD: dict[str, Word] = {
    "frame": _frame,
    "old_frame": _frame,
    "vpn": _hex,
    "start": _hex,
    "end": _hex,
    "mode": _one_of(MODE_NAMES),
    "vector": _one_of(VECTOR_NAMES),
    "queue": _one_of(QUEUE_NAMES),
    "klass": _one_of(CLASS_NAMES),
    "bits": _bits(PTE_NAMES),
    "old_bits": _bits(PTE_NAMES),
    "prot": _prot,
    "arguments": _arguments,
    "target": _cpu,
    "targets": _cpu,
    "thread": _thread,
    "owner": _thread,
    "pieces": _hex,
}
_QUEUE, _FLAGS, _PTE = _one_of(QUEUE_NAMES), _bits(FLAG_NAMES), _bits(PTE_NAMES)
_BY_KIND: dict[str, dict[str, Word]] = {
    "shootdown.arm": {"targets": _plain},
    "frame.copy": {"source": _frame},
    "window.set": {"old": _frame},
    "page.bind": {"flags": _FLAGS},
    "page.queue": {"old": _QUEUE, "new": _QUEUE},
    "page.flags": {"old": _FLAGS, "new": _FLAGS},
    "page.dirty": {"old": _hex, "new": _hex},
    "object.valid": {"old": _hex, "new": _hex},
    "object.new": {"type": _one_of(OBJECT_TYPE_NAMES)},
    "object.type": {"old": _one_of(OBJECT_TYPE_NAMES), "new": _one_of(OBJECT_TYPE_NAMES)},
    "pte.bits": {"old": _PTE, "new": _PTE},
    "map.clip": {"at": _hex},
    "map.add": {"flags": _bits(ENTRY_NAMES)},
    "map.object": {"flags": _bits(ENTRY_NAMES)},
}
_TABLE: dict[int, tuple[tuple[str, Word], ...]] = {
    number: tuple((field, _BY_KIND.get(kind.name, {}).get(field) or _BY_FIELD.get(field, _plain)) for field in kind.fields)
    for number, kind in KINDS.items()
}


_SHAPES = {number: len(fields) + 1 for number, fields in _TABLE.items()}
UNKNOWN = "unknown"


def kind_name(record: Record) -> str:
    """The record's kind; UNKNOWN for one this program does not declare, or declares with other fields (another model version)."""
    number: Any = record[0]
    return KINDS[number].name if _SHAPES.get(number) == len(record) else UNKNOWN


def in_words(record: Record) -> dict[str, object]:
    """The fields by name, their values in words: text, numbers, truth values, or lists of these."""
    number: Any = record[0]
    table = _TABLE.get(number, ())
    if len(table) != len(record) - 1:
        return {"number": number, "values": [_plain(value) for value in record[1:]]}
    return {field: word(value) for (field, word), value in zip(table, record[1:], strict=True)}


@lru_cache(maxsize=1 << 14)
def lock_in_words(lock: str) -> str:
    """A lock by its type, as the kernel prints it, and its name: ``vm object object.7.cpu.3``."""
    known = known_class(lock)
    return f"{known.type} {lock}" if known is not None else lock
