"""A slice's entries, grouped by actor and encoded once; the same bytes go into the digest and into the trace.

Rows of plain MessagePack, one per entry, just as the engine made them. A columnar form (deltas of times and sequences, one array per field)
was measured: it takes 40 % less space after compression, but building its columns costs three times as much as encoding rows, and rows
already stay below the 24 bytes per record that a trace may take. Sequences are decoded as tuples, so that an entry read back equals
the entry that was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from protocol.records import Entry

Key = tuple[int, int, int, str, str, int]
"""The first six fields of an event's head."""
Groups = dict[str, bytes]
Counts = dict[str, int]

_Scalar = None | bool | int | str
_Row = None | bool | int | str | tuple[_Scalar, ...]
_Field = None | bool | int | str | tuple[_Row, ...]
_StoredEntry = tuple[tuple[int, int, int, str, str, int, str, int], str, list[tuple[_Field, ...]]]

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(list[_StoredEntry])


def by_actor(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries by the actor that handled the event, each group in the order given."""
    groups: dict[str, list[Entry]] = {}
    find = groups.get
    for entry in entries:
        actor = entry[0][3]
        group = find(actor)
        if group is None:
            groups[actor] = [entry]
        else:
            group.append(entry)
    return groups


def encoded(entries: Iterable[Entry]) -> tuple[Groups, Counts]:
    """The bytes, and the number of entries, of each actor's share of ``entries``."""
    groups = by_actor(entries)
    return {actor: _encode(group) for actor, group in groups.items()}, {actor: len(group) for actor, group in groups.items()}


def decoded(data: bytes) -> list[Entry]:
    """The entries of one actor's bytes. Raises msgspec.ValidationError or msgspec.DecodeError if they are something else."""
    return _decoder.decode(data)  # type: ignore[return-value]


def until(entries: Sequence[Entry], cut: Key) -> list[Entry]:
    """The entries whose key is not above ``cut``."""
    return [entry for entry in entries if entry[0][:6] <= cut]
