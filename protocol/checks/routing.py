"""Which shard judges which record.

Each domain of the checks is keyed: pages by frame, threads by thread, locks, objects and page tables by name, counts by their home. A
record goes to every shard that owns one of its keys, with the *roles* in which that shard is to read it; a record whose subject is not said
(a TLB flush names no frame) goes to all. With one shard nothing is routed and nothing is copied. Replicating all records everywhere was
rejected: it makes checks cost the same on every worker however many there are. Names are hashed by CRC-32, never by ``hash()``, which
differs between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from zlib import crc32

import msgspec

from protocol import records as r
from protocol.identity import PAGE_QUEUES, RENDEZVOUS, kind_of
from protocol.records import Entry, Head

PAGE, OLD_PAGE, OBJECT, THREAD, LOCK, PMAP, FREE, MAP, SHOOT, QUEUES, OLD_OBJECT = (1 << bit for bit in range(11))
"""Roles in which a shard reads a record."""

RoutedEntry = tuple[Head, list[tuple[int, int, tuple[Any, ...]]]]
"""(event head, [(index of the record, roles, record)]): what crosses to a shard."""

_Place = Callable[[Any, int], Iterable[int]]
"""(field of the record, shards) to the shards that own it."""


@lru_cache(maxsize=1 << 16)
def shard_of_name(name: str, shards: int) -> int:
    """The shard that owns a lock, object, page table or home of this name."""
    return crc32(name.encode()) % shards


@lru_cache(maxsize=1 << 12)
def page_of_channel(chan: str) -> int:
    """The frame whose sleepers' channel this is (``page.N``), or -1 for another channel."""
    kind, _, number = chan.partition(".")
    return int(number) if kind == "page" and number.isdecimal() else -1


def _number(value: int, shards: int) -> tuple[int, ...]:
    return (value % shards,)


def _frame(value: int, shards: int) -> tuple[int, ...]:
    return (value % shards,) if value >= 0 else ()


def _name(value: str, shards: int) -> tuple[int, ...]:
    return (shard_of_name(value, shards),)


def _channel(value: str, shards: int) -> tuple[int, ...]:
    return _frame(page_of_channel(value), shards)


def _every(value: object, shards: int) -> Iterable[int]:
    return range(shards)


def _space(value: str, shards: int) -> Iterable[int]:
    return (shard_of_name(value, shards),) if value else range(shards)


def _page_queues(value: str, shards: int) -> Iterable[int]:
    return range(shards) if value == PAGE_QUEUES else ()


def _object_lock(value: str, shards: int) -> tuple[int, ...]:
    return (shard_of_name(value, shards),) if value and kind_of(value) == "object" else ()


def _pmap_lock(value: str, shards: int) -> tuple[int, ...]:
    return (shard_of_name(value, shards),) if kind_of(value) in ("pmap", "window") else ()


def _rendezvous(value: object, shards: int) -> tuple[int, ...]:
    return (shard_of_name(RENDEZVOUS, shards),)


ACTOR = 0
"""In place of a field's position: the receiver of the event."""

_PAGE_RECORDS = (
    r.PAGE_FLAGS, r.PAGE_WIRE, r.PAGE_DIRTY, r.PAGE_COW, r.PAGE_ACT, r.PV_ADD, r.PV_DEL, r.FRAME_ZERO, r.FRAME_COPY, r.FRAME_FILL,
    r.FRAME_STORE,
)  # fmt: skip
_OBJECT_RECORDS = (
    r.OBJECT_INSERT, r.OBJECT_REMOVE, r.OBJECT_PIP, r.OBJECT_REFS, r.OBJECT_SHADOWS, r.OBJECT_BACKING, r.OBJECT_TYPE, r.OBJECT_FLAGS,
    r.OBJECT_TREE,
)  # fmt: skip
_MAP_RECORDS = (r.MAP_ADD, r.MAP_REMOVE, r.MAP_PROTECT, r.MAP_WIRE, r.MAP_OBJECT, r.MAP_CLIP)
_THREAD_RECORDS = (r.SWITCH, r.ENTER, r.LEAVE, r.CONTRACT, r.PANIC, r.LOOP, r.ARRAY, r.ALLOC_COLOUR)

ROUTES: dict[int, tuple[tuple[int, int, _Place], ...]] = {
    **dict.fromkeys(_PAGE_RECORDS, ((PAGE, 1, _frame),)),
    **dict.fromkeys(_OBJECT_RECORDS, ((OBJECT, ACTOR, _name),)),
    **dict.fromkeys(_MAP_RECORDS, ((MAP, ACTOR, _name),)),
    **dict.fromkeys(_THREAD_RECORDS, ((THREAD, 1, _number),)),
    r.PAGE_QUEUE: ((PAGE, 1, _frame), (QUEUES, ACTOR, _name)),
    r.PAGE_BUSY: ((PAGE, 1, _frame),),
    r.PAGE_UNBUSY: ((PAGE, 1, _frame), (THREAD, 2, _number)),
    r.PAGE_CACHED_BUSY: ((THREAD, 3, _number),),
    r.PAGE_HOLD: ((PAGE, 1, _frame), (QUEUES, ACTOR, _name)),
    r.PAGE_COUNTS: ((QUEUES, ACTOR, _name),),
    r.PAGE_BIND: ((PAGE, 1, _frame), (OBJECT, 2, _object_lock)),
    r.PAGE_REBIND: ((PAGE, 1, _frame), (OBJECT, 2, _object_lock), (OLD_OBJECT, 4, _object_lock)),
    r.PAGE_RELEASE: ((PAGE, 1, _frame), (OBJECT, 2, _object_lock), (QUEUES, ACTOR, _name)),
    r.FAKE_NEW: ((PAGE, 1, _frame), (OBJECT, 2, _object_lock)),
    r.FAKE_FREE: ((PAGE, 1, _frame),),
    r.FREE_TAKE: ((PAGE, 1, _frame), (FREE, ACTOR, _name)),
    r.FREE_PUT: ((PAGE, 1, _frame), (FREE, ACTOR, _name)),
    r.FREE_ASIDE: ((PAGE, 1, _frame), (FREE, ACTOR, _name)),
    r.PAGER_TORN: ((PAGE, 1, _frame),),
    r.FREE_WITHHOLD: ((FREE, ACTOR, _name),),
    r.FREE_COUNTS: ((FREE, ACTOR, _name),),
    r.OBJECT_IO: ((PAGE, 2, _frame), (OBJECT, ACTOR, _name)),
    r.OBJECT_NEW: ((OBJECT, 1, _object_lock),),
    r.PTE_SET: ((PAGE, 2, _frame), (OLD_PAGE, 4, _frame), (PMAP, ACTOR, _name)),
    r.PTE_CLEAR: ((PAGE, 2, _frame), (PMAP, ACTOR, _name)),
    r.PTE_BITS: ((PAGE, 2, _frame), (PMAP, ACTOR, _name)),
    r.PT_INSTALL: ((PAGE, 3, _frame), (PMAP, ACTOR, _name)),
    r.PT_REMOVE: ((PAGE, 3, _frame), (PMAP, ACTOR, _name)),
    r.PT_REFS: ((PMAP, ACTOR, _name),),
    r.PMAP_ACTIVE: ((PMAP, ACTOR, _name),),
    r.TLB_FILL: ((OLD_PAGE, 1, _every), (PAGE, 3, _frame), (PMAP, 1, _name)),
    r.TLB_EVICT: ((PAGE, 1, _every), (PMAP, 1, _name)),
    r.WINDOW_SET: ((PMAP, ACTOR, _name),),
    r.WINDOW_FILL: ((PMAP, 1, _name),),
    r.TLB_FLUSH: ((PAGE, 1, _every), (PMAP, 1, _space)),
    r.SHOOT_BEGIN: ((PMAP, 2, _name), (PAGE, 2, _every), (SHOOT, 2, _rendezvous)),
    r.SHOOT_DONE: ((PMAP, 2, _name), (PAGE, 2, _every), (SHOOT, 2, _rendezvous)),
    r.SHOOT_ACK: ((SHOOT, ACTOR, _name),),
    r.IPI_SEND: ((SHOOT, 1, _rendezvous),),
    r.STORE: ((PAGE, 4, _frame),),
    r.BELIEF: ((PAGE, 2, _frame),),
    r.PAGE_RECLAIM: ((PAGE, 2, _frame),),
    r.TRANSITION: ((PAGE, 2, _frame), (OBJECT, 3, _object_lock)),
    r.UNGUARDED: ((THREAD, 3, _number), (OBJECT, 3, _every)),
    r.PEEK: ((THREAD, 2, _number),),
    r.LOCK_ACQUIRE: ((THREAD, 1, _number), (LOCK, 2, _name), (OBJECT, 2, _object_lock), (PAGE, 2, _page_queues)),
    r.LOCK_RELEASE: ((THREAD, 1, _number), (LOCK, 2, _name), (PMAP, 2, _pmap_lock)),
    r.LOCK_WAIT: ((THREAD, 1, _number), (LOCK, 2, _name)),
    r.SLEEP: ((THREAD, 1, _number), (PAGE, 2, _channel), (OBJECT, 3, _object_lock)),
    r.WAKE: ((THREAD, 1, _number), (PAGE, 2, _channel)),
    r.WAKEUP: ((PAGE, 1, _channel), (OBJECT, ACTOR, _object_lock)),
}
"""Record number to (role, position of the key in the record, who owns that key)."""


Owners = tuple[tuple[int, int], ...]
"""(shard, roles) of every shard that must read a record."""


REMEMBERED = 1 << 12
"""Keys of one kind of record whose owners are kept in mind: more than are in use at a time. A run creates objects without end."""


class Router:
    """Routes records to ``shards`` shards, and remembers for each kind of record where its keys lead.

    A number leads where its remainder does, so what there is to remember are the names of actors; when they are too many, all are
    forgotten, for who was used last is not worth knowing. Working the owners out anew for each record costs half as much again.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.known: dict[int, dict[Any, Owners]] = {number: {} for number in ROUTES}
        """Number of the record to its keys to their owners."""
        self._finders = {number: self._finder(number) for number in ROUTES}

    def route(self, entries: list[Entry]) -> list[list[RoutedEntry]]:
        """The entries each shard must read, in the order given: item ``i`` is for shard ``i``."""
        out: list[list[RoutedEntry]] = [[] for _ in range(self.shards)]
        finders = self._finders
        for head, _, records in entries:
            if not records:
                continue
            parts: dict[int, list[tuple[int, int, tuple[Any, ...]]]] = {}
            for index, record in enumerate(records):
                finder = finders.get(record[0])  # type: ignore[call-overload]
                if finder is not None:
                    for shard, roles in finder(record, head):
                        if shard in parts:
                            parts[shard].append((index, roles, record))
                        else:
                            parts[shard] = [(index, roles, record)]
            for shard, part in parts.items():
                out[shard].append((head, part))
        return out

    def _finder(self, number: int) -> Callable[[tuple[Any, ...], Head], Owners]:
        """How the owners of a record of this kind are found: by one key, or by several."""
        routes = [route for route in ROUTES[number] if route[2] is not _every]
        positions = sorted({position for _, position, _ in routes})
        numbers = {position for _, position, place in routes if place in (_number, _frame)}
        known, shards, learn = self.known[number], self.shards, self._learn

        def by_one(record: tuple[Any, ...], head: Head, position: int = positions[0] if positions else 0) -> Owners:
            key: Any = record[position] if position else head[3]
            if position in numbers and key >= shards:
                key %= shards
            return known.get(key) or learn(key, record, head)

        def by_several(record: tuple[Any, ...], head: Head) -> Owners:
            key = tuple([record[p] % shards if p in numbers and record[p] >= 0 else record[p] if p else head[3] for p in positions])
            return known.get(key) or learn(key, record, head)

        return by_one if len(positions) <= 1 else by_several

    def _learn(self, key: Any, record: tuple[Any, ...], head: Head) -> Owners:
        """What was not known, or leads nowhere."""
        known = self.known[record[0]]
        if len(known) >= REMEMBERED:
            known.clear()
        owners = known[key] = self._work_out(record, head)
        return owners

    def _work_out(self, record: tuple[Any, ...], head: Head) -> Owners:
        owners: dict[int, int] = {}
        for role, position, place in ROUTES[record[0]]:
            for shard in place(record[position] if position else head[3], self.shards):
                owners[shard] = owners.get(shard, 0) | role
        return tuple(owners.items())


def merge(batches: Iterable[list[Any]]) -> list[Any]:
    """Batches from several workers, each ascending by event key, as one ascending list. Works for entries and routed entries alike."""
    merged = [entry for batch in batches for entry in batch]
    merged.sort(key=_event_key)
    return merged


def _event_key(entry: Any) -> Any:
    return entry[0][:6]


_decoder = msgspec.msgpack.Decoder(list[RoutedEntry])


def encode_routed(entries: list[RoutedEntry]) -> bytes:
    """A batch for another worker."""
    return msgspec.msgpack.encode(entries)


def decode_routed(data: bytes) -> list[RoutedEntry]:
    """A batch from another worker. Raises msgspec.ValidationError or msgspec.DecodeError on anything else."""
    return _decoder.decode(data)
