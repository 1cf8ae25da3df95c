"""Injected faults at delivery: what they do, that they are recorded and counted, and that nobody else pays."""

from typing import ClassVar

import pytest

from actors.actor import Actor
from cluster.engine.engine import Engine, Place
from cluster.errors import InputError
from cluster.faults.inject import install
from protocol.faults import Fault, When
from protocol.messages import LOCAL, MEMORY, Message
from protocol.messages.device import PagerRead
from protocol.messages.free import Withhold
from protocol.messages.processor import Stall
from protocol.records import FAULT_FIRED, NOTE


class Ping(Message, tag=2101, gc=False):
    link: ClassVar[int] = MEMORY
    word: ClassVar[str] = "ping"
    number: int


class Tock(Message, tag=2102, gc=False):
    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "tock"


class Node(Actor, kw_only=True):
    """Sends ``pings`` to ``to`` at 100, 200, ...; notes what it gets."""

    handlers: ClassVar[dict[type[Message], str]] = {Ping: "ping", Tock: "tock", PagerRead: "read", Stall: "stall", Withhold: "withhold"}
    to: str = ""
    pings: int = 0
    sent: int = 0
    got: list[tuple[int, str]] = []

    def begin(self) -> None:
        if self.pings:
            self.port.timer(Tock(), 100)

    def tock(self, message: Tock, sender: str) -> None:
        self.sent += 1
        self.port.send(self.to, Ping(self.sent))
        if self.sent < self.pings:
            self.port.timer(Tock(), 100)

    def note(self, text: str) -> None:
        self.got.append((self.clock.now, text))
        self.record((NOTE, text))

    def ping(self, message: Ping, sender: str) -> None:
        self.note(f"{sender} {message.number}")

    def read(self, message: PagerRead, sender: str) -> None:
        self.note("fails" if message.fail else "reads")

    def stall(self, message: Stall, sender: str) -> None:
        self.note(f"stall {message.duration_ns}")

    def withhold(self, message: Withhold, sender: str) -> None:
        self.note(f"withhold {message.frames} until {message.until_ns} reply {message.reply}")


def run(*faults, actors=None):
    """a.0 and c.0 ping b.0 at 120, 220, ... each; returns engine, what b.0 got, fault records, counts."""
    actors = actors or [Node(name="a.0", to="b.0", pings=4), Node(name="b.0"), Node(name="c.0", to="b.0", pings=4)]
    domains = {actor.name: 0 for actor in actors}
    engine = Engine(0, Place(0, 1, domains, domains), (((20,),),) * 3)
    injector = install(engine, tuple(faults), len(actors) + 1)
    engine.boot(actors, {actor.name: number for number, actor in enumerate(actors, 1)})
    engine.run_before(1 << 40)
    entries = engine.take_journal()
    keys = [entry[0][:6] for entry in entries]
    assert keys == sorted(set(keys))
    assert len({head[4:6] for head, _, _ in entries}) == len(entries) == engine.events, "an identity was recorded twice"
    fired = [(head[0], record) for head, _, records in entries for record in records if record[0] == FAULT_FIRED]
    counts = {name: count.fired for name, count in injector.counts.items()}
    return engine, engine.actors["b.0"].got if "b.0" in engine.actors else [], fired, counts


PLAIN = [(100 * n + 20, f"{sender} {n}") for n in range(1, 5) for sender in ("a.0", "c.0")]


def test_without_faults_nothing_is_watched():
    engine, got, fired, counts = run()
    assert (got, fired, counts) == (PLAIN, [], {})
    assert engine.intercept is None


def test_a_delay_moves_a_message_and_keeps_its_pair_in_order():
    _, got, fired, counts = run(Fault("slow", "delay", When(kind="ping", to="b.0", sender="a.0", nth=2), delay_ns=150))
    assert [item for item in got if item[1].startswith("a")] == [(120, "a.0 1"), (370, "a.0 2"), (371, "a.0 3"), (420, "a.0 4")]
    assert [item for item in got if item[1].startswith("c")] == [item for item in PLAIN if item[1].startswith("c")]
    assert fired == [(370, (FAULT_FIRED, "slow", "ping from a.0 delayed by 150 ns"))]
    assert counts == {"slow": 1}


def test_every_message_delayed_stays_in_order():
    _, got, _, counts = run(Fault("slow", "delay", When(sender="a.*", kind="p?ng"), delay_ns=1000))
    assert [item for item in got if item[1].startswith("a")] == [(1120 + 100 * n, f"a.0 {n + 1}") for n in range(4)]
    assert counts == {"slow": 4}


def test_a_lost_message_is_recorded_and_not_handled():
    _, got, fired, _ = run(Fault("gone", "lose", When(kind="ping", to="b.0", nth=3)))
    assert got == [item for item in PLAIN if item != (220, "a.0 2")]
    assert fired == [(220, (FAULT_FIRED, "gone", "ping from a.0 lost"))]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        (When(sender="a.0", every=2), [1, 3]),
        (When(sender="a.0", every=2, count=1), [1, 3, 4]),
        (When(sender="a.0", count=2), [3, 4]),
        (When(sender="a.0", from_ns=220, until_ns=400), [1, 4]),
        (When(sender="a.0", from_ns=221), [1, 2]),
        (When(sender="a.0", nth=4), [1, 2, 3]),
        (When(sender="a.0", kind="PING"), [1, 2, 3, 4]),
        (When(sender="a", kind="ping"), [1, 2, 3, 4]),
        (When(sender="a.0", to="c.*"), [1, 2, 3, 4]),
    ],
)
def test_the_predicate(when, numbers):
    _, got, _, counts = run(Fault("gone", "lose", when))
    assert [int(text[4:]) for _, text in got if text.startswith("a")] == numbers
    assert counts == {"gone": 4 - len(numbers)}


def test_a_fault_that_never_fires_is_counted_as_zero():
    assert run(Fault("never", "lose", When(kind="ipi")))[3] == {"never": 0}


def test_a_failing_pager_request_is_handed_over_as_failing():
    class Asker(Node, kw_only=True):
        def tock(self, message: Tock, sender: str) -> None:
            self.port.send("pager.0", PagerRead(object="object.1", pindex=3, thread=1))
            self.port.send("pager.0", PagerRead(object="object.1", pindex=4, thread=1))

    fault = Fault("eio", "pager-error", When(kind="pager.read", nth=1))
    engine, _, fired, counts = run(fault, actors=[Asker(name="a.0", pings=1), Node(name="pager.0")])
    assert [text for _, text in engine.actors["pager.0"].got] == ["fails", "reads"]
    assert fired == [(120, (FAULT_FIRED, "eio", "pager.read from a.0 fails"))]
    assert counts == {"eio": 1}


def test_a_failing_request_behind_a_delayed_one_stays_behind():
    class Asker(Node, kw_only=True):
        def tock(self, message: Tock, sender: str) -> None:
            for pindex in range(3):
                self.port.send("pager.0", PagerRead(object="object.1", pindex=pindex, thread=1))

    slow = Fault("slow", "delay", When(kind="pager.read", nth=1), delay_ns=50)
    failing = Fault("eio", "pager-error", When(kind="pager.read", nth=1))
    engine, _, fired, _ = run(slow, failing, actors=[Asker(name="a.0", pings=1), Node(name="pager.0")])
    assert engine.actors["pager.0"].got == [(170, "reads"), (171, "fails"), (172, "reads")]
    assert [record[1] for _, record in fired] == ["slow", "eio"]


def test_stall_and_memory_are_events_of_the_start():
    stall = Fault("nap", "stall", cpu=1, at_ns=500, duration_ns=70)
    memory = Fault("short", "memory", at_ns=900, duration_ns=100, frames=12)
    engine, _, fired, counts = run(stall, memory, actors=[Node(name="cpu.1"), Node(name="fq")])
    assert engine.actors["cpu.1"].got == [(500, "stall 70")]
    assert engine.actors["fq"].got == [(900, "withhold 12 until 1000 reply False")]
    assert fired == [(500, (FAULT_FIRED, "nap", "stall")), (900, (FAULT_FIRED, "short", "memory"))]
    assert counts == {"nap": 1, "short": 1}


def test_an_actor_spawned_later_is_watched_too():
    class Mother(Node, kw_only=True):
        def tock(self, message: Tock, sender: str) -> None:
            self.port.spawn(Node(name="object.1.a.0"))
            self.port.send("object.1.a.0", Ping(1))

    engine, _, fired, _ = run(Fault("gone", "lose", When(to="object.*")), actors=[Mother(name="a.0", pings=1)])
    assert engine.actors["object.1.a.0"].got == []
    assert len(fired) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("x", "melt"), "of no known kind"),
        (Fault("x", "stall", cpu=9), "is on cpu.9, which this run does not have"),
        (Fault("x", "memory", frames=1), "is on fq, which this run does not have"),
    ],
)
def test_faults_that_cannot_be_are_refused(fault, said):
    with pytest.raises(InputError, match=said):
        run(fault)
