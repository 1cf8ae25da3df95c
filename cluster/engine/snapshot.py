"""Snapshots: one worker's share of a run at a window's edge, as bytes, and back, in another process and on another number of workers.

A window's edge is a consistent cut: right after an exchange nothing is in flight. What the exchange told is part of it: a restored
worker that exchanged first to learn it would lag behind its peers. Actors are encoded by msgspec as the structs they are; what hangs on
them besides is made anew by ``bind`` and the optional hook ``restored``. pickle was rejected: it ties a snapshot to private names and
lets a file run code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec

from actors.actor import Actor
from cluster.engine.codec import Codec
from cluster.engine.engine import Engine, Place
from cluster.engine.models import Boot
from cluster.engine.port import EnginePort, Route
from cluster.errors import InputError, RunError
from cluster.faults.inject import Injector
from cluster.faults.watch import Turn, Watch, summed
from cluster.recording.recorder import RecorderState, dealt
from protocol.event import Event
from protocol.identity import kind_of, root_of
from protocol.records import Entry

MAGIC = b"shootdown snapshot\0"
VERSION = 2

ScalarWire = None | bool | int | str
RowWire = ScalarWire | tuple[ScalarWire, ...]
RecordWire = tuple[ScalarWire | tuple[RowWire, ...], ...]
EntryWire = tuple[tuple[int, int, int, str, str, int, str, int], str, list[RecordWire]]
"""A trace entry as MessagePack gives it back: records are tuples again, not lists."""


class Cell(msgspec.Struct, array_like=True):
    """One actor: its name, its port's counter of sends, draws by stream, deliveries still ahead by receiver, watch, and its own
    encoding."""

    name: str
    sequence: int
    streams: dict[str, int]
    last_ns: dict[str, int]
    watch: Watch | None
    body: bytes


class ShareState(msgspec.Struct):
    """One worker's share at the edge of ``window``, after ``rounds`` rounds with its peers, when all agreed on ``earliest_ns`` (T) and
    others may still handle ``others_ns``.

    ``queue``, ``journal`` and ``checks`` are encoded. ``run`` names the run it is of, "" for one that has no name.
    """

    window: int
    rounds: int
    earliest_ns: int
    others_ns: int
    slice_index: int
    events: int
    fault_counts: dict[str, Turn]
    cells: list[Cell]
    queue: bytes
    journal: bytes
    recorder: RecorderState
    checks: bytes = b""
    run: str = ""


class Point(NamedTuple):
    """Where the window loop stood."""

    window: int
    rounds: int
    earliest_ns: int
    others_ns: int
    slice_index: int


_JOURNAL = msgspec.msgpack.Decoder(list[EntryWire])
_STATE = msgspec.msgpack.Decoder(ShareState)


def take(
    engine: Engine, injector: Injector, codec: Codec, point: Point, recorder: RecorderState, checks: bytes, run: str = ""
) -> ShareState:
    """The share as data. The engine goes on as if nothing had been asked."""
    return ShareState(
        *point,
        events=engine.events,
        fault_counts={name: msgspec.structs.replace(count) for name, count in injector.counts.items()},
        cells=[_cell(engine.actors[name], engine.ports[name], injector, point.earliest_ns) for name in sorted(engine.actors)],
        queue=codec.events(sorted(engine.heap)),
        journal=msgspec.msgpack.encode(engine.journal),
        recorder=recorder,
        checks=checks,
        run=run,
    )


def _cell(actor: Actor, port: EnginePort, injector: Injector, earliest_ns: int) -> Cell:
    freeze = getattr(actor, "freeze", None)
    if freeze is not None:
        freeze()
    ahead = {to: route.last_ns for to, route in sorted(port.routes.items()) if route.last_ns > earliest_ns}
    return Cell(actor.name, port.sequence(), port.streams_drawn(), ahead, injector.watches.get(actor.name), msgspec.msgpack.encode(actor))


def pack(state: ShareState) -> bytes:
    """Magic, version, CRC-32, MessagePack."""
    body = msgspec.msgpack.encode(state)
    return MAGIC + VERSION.to_bytes(2, "little") + crc32(body).to_bytes(4, "little") + body


def unpack(data: bytes, where: str = "snapshot") -> ShareState:
    """The state from :func:`pack`'s bytes. Raises InputError if they are something else, damaged or of another version."""
    start = len(MAGIC) + 6
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise InputError(f"{where} is not a snapshot of a run", file=where, found=f"{len(data)} bytes", allowed="a file that a run wrote")
    version = int.from_bytes(data[len(MAGIC) : start - 4], "little")
    if version != VERSION:
        raise InputError(f"{where} is a snapshot of version {version}", file=where, found=version, allowed=VERSION)
    body = data[start:]
    if crc32(body) != int.from_bytes(data[start - 4 : start], "little"):
        raise InputError(f"{where} is damaged: its checksum is wrong", file=where, found=crc32(body), allowed="the checksum in its header")
    try:
        return _STATE.decode(body)
    except msgspec.DecodeError as error:
        raise InputError(f"{where} is not a snapshot of this version: {error}", file=where, found=str(error)) from error


def deal(states: Sequence[ShareState], where: Place, codec: Codec) -> list[ShareState]:
    """The shares of a snapshot, dealt out anew for the workers of ``where``. All must be of one window; counters of the whole run go to
    worker 0.

    Raises InputError if they are not of one window or cannot be read.
    """
    windows = sorted({(state.window, state.rounds, state.earliest_ns, state.slice_index) for state in states})
    if len(windows) != 1:
        raise InputError("the parts of the snapshot are of different windows", found=[found[0] for found in windows], allowed="one window")
    window, rounds, earliest_ns, slice_index = windows[0]
    place, workers = where.of, where.workers
    recorders = dealt([state.recorder for state in states], lambda name: where.rank_of.get(root_of(name), 0), workers)
    events = sum(state.events for state in states)
    queues, journals = _deal_queue(states, place, codec, workers), _deal_journal(states, place, workers)
    return [
        ShareState(
            window,
            rounds,
            earliest_ns,
            # Shares dealt out anew stand at several times; T is a bound for whatever anybody may still handle.
            states[rank].others_ns if len(states) == workers else earliest_ns,
            slice_index,
            events=0 if rank else events,
            fault_counts={} if rank else summed(state.fault_counts for state in states),
            cells=[cell for state in states for cell in state.cells if place(cell.name) == rank],
            queue=codec.events(queues[rank]),
            journal=msgspec.msgpack.encode(journals[rank]),
            recorder=recorders[rank],
        )
        for rank in range(workers)
    ]


def _deal_queue(states: Sequence[ShareState], place: Callable[[str], int], codec: Codec, workers: int) -> list[list[Event]]:
    parts: list[list[Event]] = [[] for _ in range(workers)]
    for state in states:
        for event in codec.read_events(state.queue):
            parts[place(event[3])].append(event)
    return [sorted(part) for part in parts]


def _deal_journal(states: Sequence[ShareState], place: Callable[[str], int], workers: int) -> list[list[EntryWire]]:
    parts: list[list[EntryWire]] = [[] for _ in range(workers)]
    for state in states:
        for entry in _JOURNAL.decode(state.journal):
            parts[place(entry[0][3])].append(entry)
    for part in parts:
        part.sort(key=lambda entry: entry[0][:6])
    return parts


def restore(engine: Engine, injector: Injector, codec: Codec, boot: Boot, state: ShareState) -> None:
    """Put a share into a fresh engine. Raises InputError for an actor of a kind that the model does not have, or a body that does not fit
    it."""
    engine.horizon_ns = state.earliest_ns
    engine.clock.now = state.earliest_ns
    engine.events = state.events
    for name, count in state.fault_counts.items():
        injector.counts[name] = count
    actors = [_actor(cell, boot.kinds) for cell in state.cells]
    boot.equip(actors)
    for cell, actor in zip(state.cells, actors, strict=True):
        if cell.watch is not None:
            injector.watches[cell.name] = cell.watch
        engine.add(actor, _preparing(cell))
    for cell in state.cells:
        for to, last_ns in cell.last_ns.items():
            route: Route = engine.route(cell.name, to)
            route.last_ns = last_ns
    for actor in actors:
        _tell(actor)
    engine.push(codec.read_events(state.queue))
    journal: list[Entry] = [(head, word, list(records)) for head, word, records in _JOURNAL.decode(state.journal)]
    engine.journal.extend(journal)


def _tell(actor: Actor) -> None:
    """Let a restored actor make anew what is not its state; it may find that it does not stand where it stood."""
    restored = getattr(actor, "restored", None)
    if restored is not None:
        try:
            restored()
        except AssertionError as error:
            raise RunError(f"{actor.name} cannot go on from the snapshot: {error}", key=actor.name, found=str(error)) from error


def _actor(cell: Cell, kinds: dict[str, type[Actor]]) -> Actor:
    kind = kinds.get(kind_of(cell.name))
    if kind is None:
        raise InputError(
            f"the snapshot holds {cell.name!r}, but this model has no such kind of actor", found=cell.name, allowed=sorted(kinds)
        )
    try:
        return msgspec.msgpack.decode(cell.body, type=kind)
    except msgspec.DecodeError as error:
        raise InputError(f"the snapshot's {cell.name} does not fit its class: {error}", found=str(error), allowed=kind.__name__) from error


def _preparing(cell: Cell) -> Callable[[EnginePort], None]:
    def prepare(port: EnginePort) -> None:
        port.set_sequence(cell.sequence)
        port.restore_streams(cell.streams)

    return prepare
