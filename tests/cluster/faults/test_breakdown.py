"""A machine that breaks down because its links do: strays, last words, and that nothing of this touches a run whose links are sound."""

from __future__ import annotations

import msgspec
import pytest

from actors.actor import Actor
from cluster.engine.ending import PANIC as PANICKED
from cluster.engine.ending import decide, status_of
from cluster.engine.engine import Engine
from cluster.errors import RunError
from cluster.faults.watch import Watch
from cluster.plan import Limits
from protocol.faults import Fault, When
from protocol.records import NOTE, STRAY
from tests.cluster.faults.nodes import Talker, panics, talk

LOST = Fault("gone", "lose", When(nth=4))
WORDS = "breaks down over word from a.0: ValueError: no meaning for 2"


def failing():
    return [Talker(name="a.0", to="b.0", words=4), Talker(name="b.0", fails_at=2)]


def test_an_actor_that_fails_where_links_fail_says_its_last_words():
    heard = talk(LOST, actors=failing())
    assert heard.got == [(120, "a.0 1")]
    assert panics(heard) == ([WORDS], [("b.0", WORDS)])
    assert (220, (NOTE, "begins")) in heard.records, "what it had recorded by then stays"
    ending = decide([status_of(heard.engine.reporters, 0)], 1 << 62, 1 << 20, Limits(), 1, None)
    assert (ending.ended, ending.why) == (PANICKED, f"b.0: {WORDS}")


@pytest.mark.parametrize("fault", [LOST, Fault("gone", "lose", When(to="c.*"))], ids=["watched", "not watched"])
def test_it_handles_nothing_any_more(fault):
    heard = talk(fault, actors=failing())
    assert [at_ns for at_ns, record in heard.records if record[0] == NOTE] == [120, 220]
    assert heard.engine.events == 8, "three words more or less, and each is an event all the same"


@pytest.mark.parametrize(
    "faults",
    [(), (Fault("slow", "delay", When(nth=1), delay_ns=5),), (Fault("gone", "lose", When(nth=4), retransmit_ns=10),)],
    ids=["none", "a delay", "a link layer"],
)
def test_where_links_keep_their_word_a_failure_is_a_defect(faults):
    with pytest.raises(RunError, match=r"b\.0 failed while handling 'word' from a\.0 at 220 ns: ValueError"):
        talk(*faults, actors=failing())


def test_speaking_to_nobody_is_a_failure_too():
    actors = [Talker(name="a.0", to="b.0", words=4), Talker(name="b.0", fails_at=2, to="nobody.7")]
    (words,), reported = panics(talk(LOST, actors=actors))
    assert words.startswith("breaks down over word from a.0: RunError: there is no actor 'nobody.7'")
    assert reported == [("b.0", words)]
    with pytest.raises(RunError, match=r"^there is no actor 'nobody\.7'"):
        talk(actors=[Talker(name="a.0", to="b.0", words=4), Talker(name="b.0", fails_at=2, to="nobody.7")])


def test_a_message_that_nobody_has_a_handler_for_is_no_breakdown():
    class Deaf(Actor, kw_only=True):
        pass

    for name in ("b.0", "z.0"):
        with pytest.raises(RunError, match=r"a\.0 sent 'word' to b\.0"):
            talk(LOST, actors=[Talker(name="a.0", to="b.0", words=4), Deaf(name=name)], domains={"a.0": 0, "b.0": 0, "z.0": 0})


def test_what_fails_while_a_fault_is_decided_is_no_actor(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("cluster.faults.inject.in_time", broken)
    with pytest.raises(RunError, match="ZeroDivisionError"):
        talk(LOST)


def test_last_words_are_state():
    heard = talk(LOST, actors=failing())
    watch = msgspec.msgpack.decode(msgspec.msgpack.encode(heard.injector.watches["b.0"]), type=Watch)
    assert watch.broken == WORDS
    later = talk(LOST, actors=failing(), until_ns=1)
    later.injector.watches["b.0"] = watch
    later.injector.breakdown.added(later.engine.actors["b.0"])
    later.engine.run_before(1 << 40)
    assert later.engine.actors["b.0"].got == []
    assert status_of(later.engine.reporters, 0).panics == [("b.0", WORDS)]


class Choosy(Talker, kw_only=True):
    """Awaits all but number 3, and records what it is told of its end."""

    def unawaited(self, message, sender):
        return "three is nothing to me" if message.number == 3 else ""

    def broke_down(self, text):
        self.record((NOTE, f"last words: {text}"))


def test_what_nobody_awaits_is_ignored_and_recorded():
    actors = [Talker(name="a.0", to="b.0", words=4), Choosy(name="b.0")]
    heard = talk(Fault("gone", "lose", When(nth=4)), actors=actors)
    assert heard.got == [(120, "a.0 1"), (220, "a.0 2")]
    assert [(at_ns, record) for at_ns, record in heard.records if record[0] == STRAY] == [
        (320, (STRAY, "word", "a.0", "three is nothing to me"))
    ]
    sound = talk(actors=[Talker(name="a.0", to="b.0", words=4), Choosy(name="b.0")])
    assert len(sound.got) == 4, "nobody asks where links are sound"


def test_an_actor_may_have_last_words_of_its_own():
    heard = talk(LOST, actors=[Talker(name="a.0", to="b.0", words=4), Choosy(name="b.0", fails_at=2)])
    assert (NOTE, f"last words: {WORDS}") in [record for _, record in heard.records]
    assert panics(heard) == ([], [])


def test_a_sound_engine_has_nobody_to_answer_for_a_failure():
    assert talk().engine.failed is None
    assert isinstance(talk(LOST).engine, Engine)
    assert talk(LOST).engine.failed is not None
