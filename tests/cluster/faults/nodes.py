"""Actors that send numbered words to each other, and a run of them under faults: what came when, and what was recorded."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from actors.actor import Actor
from cluster.engine.ending import status_of
from cluster.engine.engine import Engine, Place
from cluster.faults.inject import Injector, install
from protocol.messages import LOCAL, MEMORY, Message
from protocol.records import FAULT_FIRED, NOTE, PANIC, Record


class Word(Message, tag=2111, gc=False):
    link: ClassVar[int] = MEMORY
    word: ClassVar[str] = "word"
    number: int


class Next(Message, tag=2112, gc=False):
    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "next"


class Talker(Actor, kw_only=True):
    """Sends ``words`` to ``to`` at 100, 200, ...; fails over number ``fails_at``; does not await number ``knows``."""

    handlers: ClassVar[dict[type[Message], str]] = {Word: "word", Next: "next"}
    to: str = ""
    words: int = 0
    sent: int = 0
    fails_at: int = 0
    got: list[tuple[int, str]] = []

    def begin(self) -> None:
        if self.words:
            self.port.timer(Next(), 100)

    def next(self, message: Next, sender: str) -> None:
        self.sent += 1
        self.port.send(self.to, Word(self.sent))
        if self.sent < self.words:
            self.port.timer(Next(), 100)

    def word(self, message: Word, sender: str) -> None:
        if message.number == self.fails_at:
            self.record((NOTE, "begins"))
            if self.to:
                self.port.send(self.to, message)
            raise ValueError(f"no meaning for {message.number}")
        self.got.append((self.clock.now, f"{sender} {message.number}"))
        self.record((NOTE, f"{sender} {message.number}"))


class Heard(NamedTuple):
    """What came of a run. ``got``: (time, number) of what each receiver handled; ``fired``: (time, fault, what)."""

    engine: Engine
    injector: Injector
    got: list[tuple[int, str]]
    fired: list[tuple[int, str, str]]
    counts: dict[str, int]
    matched: dict[str, int]
    records: list[tuple[int, Record]]


def talk(*faults, actors=None, domains=None, until_ns=1 << 40) -> Heard:
    """a.0 sends four words to b.0, which arrive at 120, 220, 320, 420. Keys ascend, and no identity is recorded twice."""
    actors = actors or [Talker(name="a.0", to="b.0", words=4), Talker(name="b.0")]
    ranks = {actor.name: 0 for actor in actors}
    domains = domains or ranks
    size = max(domains.values()) + 1
    engine = Engine(7, Place(0, 1, dict.fromkeys(domains, 0), domains), (((20,) * size,) * size,) * 3)
    injector = install(engine, tuple(faults), len(actors) + 1)
    engine.boot(actors, {actor.name: number for number, actor in enumerate(actors, 1)})
    engine.run_before(until_ns)
    entries = engine.take_journal()
    keys = [entry[0][:6] for entry in entries]
    assert keys == sorted(set(keys))
    assert len({head[4:6] for head, _, _ in entries}) == len(entries) == engine.events, "an identity was recorded twice"
    records = [(head[0], record) for head, _, found in entries for record in found]
    fired = [(at_ns, record[1], record[2]) for at_ns, record in records if record[0] == FAULT_FIRED]
    got = engine.actors["b.0"].got if "b.0" in engine.actors else []
    counts = {name: count.fired for name, count in injector.counts.items()}
    matched = {name: count.matched for name, count in injector.counts.items()}
    return Heard(engine, injector, got, fired, counts, matched, records)


def panics(heard: Heard) -> tuple[list[str], list[tuple[str, str]]]:
    """(panics on record, panics reported at an edge)."""
    return [record[2] for _, record in heard.records if record[0] == PANIC], status_of(heard.engine.reporters, 0).panics
