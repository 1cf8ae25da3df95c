"""One worker's engine: order, causes, FIFO, refusals, records, budgets."""

from typing import ClassVar

import pytest

from actors.actor import Actor
from cluster.engine.clock import NEVER
from cluster.engine.engine import Engine, Place
from cluster.engine.inproc import run_actors, run_inline
from cluster.errors import InputError, RunError
from cluster.plan import Model
from protocol.messages import LOCAL, MEMORY, Message
from protocol.records import NOTE

PHOLD = Model("phold", parameters={"actors": 16, "lookahead_ns": 500, "remote_percent": 40})


class Say(Message, tag=2001, gc=False):
    link: ClassVar[int] = MEMORY
    word: ClassVar[str] = "say"
    text: str


class Tick(Message, tag=2002, gc=False):
    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "tick"
    count: int


class Talker(Actor, kw_only=True):
    """Does at each tick what its script says: (method, receiver, text, delay)."""

    handlers: ClassVar[dict[type[Message], str]] = {Say: "say", Tick: "tick"}
    script: list[tuple[str, str, str, int]] = []
    heard: list[tuple[int, str, str]] = []

    def begin(self) -> None:
        if self.script:
            self.port.timer(Tick(0), 10)

    def tick(self, message: Tick, sender: str) -> None:
        for method, to, text, delay_ns in self.script:
            if method == "spawn":
                self.port.spawn(Talker(name=to))
            elif method == "timer":
                self.port.timer(Tick(1), delay_ns)
            else:
                getattr(self.port, method)(to, Say(text), delay_ns)

    def say(self, message: Say, sender: str) -> None:
        self.heard.append((self.clock.now, sender, message.text))
        self.record((NOTE, message.text))


def talk(*script, latency_ns=20):
    return run_actors([Talker(name="a.0", script=list(script)), Talker(name="b.0")], latency_ns=latency_ns)


def heard(run, name="b.0"):
    return run.actors[name].heard


def test_a_message_arrives_after_delay_and_latency():
    assert heard(talk(("send", "b.0", "x", 7))) == [(10 + 7 + 20, "a.0", "x")]


def test_links_are_fifo_per_ordered_pair():
    run = talk(("send", "b.0", "late", 100), ("send", "b.0", "early", 0), ("send", "a.0", "own", 0))
    assert heard(run) == [(130, "a.0", "late"), (131, "a.0", "early")]
    assert heard(run, "a.0") == [(30, "a.0", "own")]


def test_an_interrupt_is_fifo_too_and_goes_before_messages_of_its_instant():
    run = run_actors(
        [
            Talker(name="a.0", script=[("send", "c.0", "message", 0)]),
            Talker(name="b.0", script=[("interrupt", "c.0", "interrupt", 0)]),
            Talker(name="c.0"),
        ]
    )
    assert [text for _, _, text in heard(run, "c.0")] == ["interrupt", "message"]
    run = talk(("send", "b.0", "first", 0), ("interrupt", "b.0", "second", 0))
    assert heard(run) == [(30, "a.0", "first"), (31, "a.0", "second")]


def test_entries_are_in_order_and_name_their_causes():
    run = talk(("send", "b.0", "x", 0))
    assert [entry[0] for entry in run.entries] == [
        (10, 1, 0, "a.0", "a.0", 1, "boot", 0),
        (30, 1, 0, "b.0", "a.0", 2, "a.0", 1),
    ]
    assert [(word, records) for _, word, records in run.entries] == [("tick", []), ("say", [(NOTE, "x")])]


def test_every_cause_is_an_entry_or_the_start():
    run = run_inline(PHOLD, 3, until_ns=60_000)
    known = {("boot", 0)}
    for head, _, _ in run.entries:
        assert head[6:8] in known
        known.add(head[4:6])
    keys = [head[:6] for head, _, _ in run.entries]
    assert keys == sorted(set(keys))
    assert len(known) == len(keys) + 1


def test_records_of_begin_stand_in_an_entry_from_boot():
    class Beginner(Talker, kw_only=True):
        def begin(self) -> None:
            self.record((NOTE, "here"))

    run = run_actors([Beginner(name="b.0"), Beginner(name="a.0")])
    assert run.entries == [
        ((0, 1, 0, "a.0", "boot", 1, "boot", 0), "begin", [(NOTE, "here")]),
        ((0, 1, 0, "b.0", "boot", 2, "boot", 0), "begin", [(NOTE, "here")]),
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (("timer", "", "", 0), "at least 1 ns"),
        (("send", "b.0", "x", -25), "at least 1 ns"),
        (("send", "c.0", "x", 0), "no actor 'c.0'"),
        (("send", "object.1.a.0", "x", 0), "does not exist"),
        (("spawn", "object.1.b.0", "", 0), "cannot create"),
        (("spawn", "a.0", "", 0), "two actors called"),
    ],
)
def test_what_an_actor_may_not_do_is_refused_in_a_sentence(step, said):
    with pytest.raises(RunError, match=said):
        talk(step)


def test_a_local_message_to_another_actor_is_refused():
    class Rude(Talker, kw_only=True):
        def tick(self, message: Tick, sender: str) -> None:
            self.port.send("b.0", Tick(1), 5)

    with pytest.raises(RunError, match="no time to arrive"):
        run_actors([Rude(name="a.0", script=[("", "", "", 0)]), Talker(name="b.0")])


def test_what_an_actor_raises_is_told_with_its_event():
    class Broken(Talker, kw_only=True):
        def say(self, message: Say, sender: str) -> None:
            raise KeyError("frame 17")

    with pytest.raises(RunError, match=r"b.0 failed while handling 'say' from a.0 at 30 ns: KeyError: 'frame 17'"):
        run_actors([Talker(name="a.0", script=[("send", "b.0", "x", 0)]), Broken(name="b.0")])


def test_a_message_without_a_handler_is_an_error():
    class Deaf(Actor, kw_only=True):
        pass

    with pytest.raises(RunError, match="has no handler"):
        run_actors([Talker(name="a.0", script=[("send", "b.0", "x", 0)]), Deaf(name="b.0")])


def test_a_spawned_actor_can_be_sent_to_at_once():
    run = talk(("spawn", "object.1.a.0", "", 0), ("send", "object.1.a.0", "hello", 0))
    assert heard(run, "object.1.a.0") == [(30, "a.0", "hello")]


def test_forgetting_idle_routes_changes_nothing(monkeypatch):
    kept = run_inline(PHOLD, 3, until_ns=60_000)
    monkeypatch.setattr("cluster.engine.engine.ROUTES_MAX", 2)
    forgot = run_inline(PHOLD, 3, until_ns=60_000)
    assert forgot.entries == kept.entries
    assert max(len(port.routes) for port in forgot.engine.ports.values()) < max(len(port.routes) for port in kept.engine.ports.values())


def test_a_bare_engine_records_nothing_and_does_the_same():
    bare, whole = run_inline(PHOLD, 3, until_ns=60_000, record=False), run_inline(PHOLD, 3, until_ns=60_000)
    assert bare.entries == []
    assert bare.engine.events == whole.engine.events == len(whole.entries)
    assert bare.actors == whole.actors


def test_stopping_for_the_budget_changes_nothing():
    whole = run_inline(PHOLD, 3, until_ns=60_000)
    stopped = run_inline(PHOLD, 3, until_ns=1)
    while not stopped.engine.run_before(60_000, 7):
        pass
    assert stopped.engine.take_journal() == whole.entries


def test_a_run_that_never_ends_fails_instead():
    with pytest.raises(RunError, match="more than 100 events"):
        run_inline(PHOLD, 3, events_max=100)


def test_an_event_from_the_past_is_refused():
    engine = Engine(0, Place(0, 1, {"a.0": 0}, {"a.0": 0}), (((20,),),) * 3)
    engine.add(Talker(name="a.0"))
    engine.run_before(1000)
    with pytest.raises(RunError, match="came after 1000 ns had been reached"):
        engine.push([(999, 1, 0, "a.0", "b.0", 1, "boot", 0, Say("x"))])


def test_the_same_event_twice_is_found():
    engine = Engine(0, Place(0, 1, {"a.0": 0}, {"a.0": 0}), (((20,),),) * 3)
    engine.add(Talker(name="a.0"))
    event = (5, 1, 0, "a.0", "b.0", 1, "boot", 0, Say("x"))
    engine.push([event, event])
    with pytest.raises(RunError, match="events out of order"):
        engine.run_before(NEVER)


def test_sending_away_brings_the_limit_forward_to_the_first_possible_answer():
    engine = Engine(0, Place(0, 2, {"a.0": 0, "b.0": 1}, {"a.0": 0, "b.0": 0}), (((20,),),) * 3, lookahead_ns=20)
    script = [("timer", "", "", 60), ("send", "b.0", "x", 0), ("timer", "", "", 15)]
    engine.boot([Talker(name="a.0", script=script)], {"a.0": 1})
    assert engine.run_before(120)
    # Sent at 10, there at 30, an answer could be here at 50: the timers at 25 and 40 were handled (25 sends again), that at 70 not.
    assert engine.horizon_ns == 50
    assert [entry[0][0] for entry in engine.take_journal()] == [10, 25, 40]
    assert engine.earliest() == 30


def test_events_for_elsewhere_wait_in_their_outbox():
    engine = Engine(0, Place(0, 2, {"a.0": 0, "b.0": 1}, {"a.0": 0, "b.0": 0}), (((20,),),) * 3)
    engine.boot([Talker(name="a.0", script=[("send", "b.0", "x", 0)]), Talker(name="b.0")], {"a.0": 1, "b.0": 2})
    assert list(engine.actors) == ["a.0"]
    assert engine.run_before(11)
    assert engine.earliest() == 30
    outboxes, sent_ns = engine.take_outboxes()
    assert [[event[:6] for event in box] for box in outboxes] == [[], [(30, 1, 0, "b.0", "a.0", 2)]]
    assert sent_ns == 30
    assert engine.earliest() == NEVER


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Model("qhold"), "no model is called"),
        (Model("phold", parameters={"actors": 0}), "model.parameters.actors is 0, not 1 to"),
        (Model("phold", parameters={"actor": 3}), "unknown parameter 'actor'"),
        (Model("machine"), "needs a machine"),
    ],
)
def test_models_that_cannot_be_meant(model, said):
    with pytest.raises(InputError, match=said):
        run_inline(model, 1)
