"""Faults of links, between actors that only count: what arrives when, without a link layer and with one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.faults import Fault, When
from tests.cluster.faults.nodes import Talker, talk

PLAIN = [(120, "a.0 1"), (220, "a.0 2"), (320, "a.0 3"), (420, "a.0 4")]
SECOND = When(kind="word", nth=2)


def test_what_is_lost_is_sent_again_and_what_follows_waits_for_it():
    heard = talk(Fault("gone", "lose", SECOND, retransmit_ns=150))
    assert heard.got == [(120, "a.0 1"), (370, "a.0 2"), (371, "a.0 3"), (420, "a.0 4")]
    assert heard.fired == [(370, "gone", "word from a.0 lost, sent again once and 150 ns late")]
    assert (heard.counts, heard.matched) == ({"gone": 1}, {"gone": 5})


def test_a_copy_that_is_sent_again_can_be_hit_again():
    heard = talk(Fault("gone", "lose", When(from_ns=200, until_ns=460), retransmit_ns=100))
    assert heard.got == [(120, "a.0 1"), (520, "a.0 2"), (521, "a.0 3"), (522, "a.0 4")]
    assert [what for _, _, what in heard.fired] == [
        "word from a.0 lost, sent again 3 times and 300 ns late",
        "word from a.0 lost, sent again 2 times and 201 ns late",
        "word from a.0 lost, sent again once and 102 ns late",
    ]
    assert heard.counts == {"gone": 6}


def test_any_fault_that_drops_can_hit_a_copy():
    heard = talk(
        Fault("gone", "lose", SECOND, retransmit_ns=100),
        Fault("cut", "partition", side=("a.0",), at_ns=310, duration_ns=150, retransmit_ns=100),
    )
    assert heard.got[1] == (520, "a.0 2"), "hit at 220 by one and at 320 and 420 by the other"
    assert heard.counts == {"gone": 1, "cut": 2 + 2 + 1}


def test_a_link_layer_gives_up_and_then_lets_the_others_through():
    heard = talk(Fault("gone", "lose", When(until_ns=10_000, from_ns=200), retransmit_ns=50, tries=3))
    assert heard.got == [(120, "a.0 1")]
    assert [(at_ns, what) for at_ns, _, what in heard.fired] == [
        (at_ns, "word from a.0 lost, sent again 3 times and given up") for at_ns in (370, 470, 570)
    ]
    patient = talk(Fault("gone", "lose", When(until_ns=400, from_ns=200), retransmit_ns=50, tries=4))
    assert patient.got == [(120, "a.0 1"), (420, "a.0 2"), (421, "a.0 3"), (422, "a.0 4")]


def test_overtaken_and_in_order_again():
    heard = talk(Fault("late", "reorder", SECOND, delay_ns=250))
    assert heard.got == [(120, "a.0 1"), (320, "a.0 3"), (420, "a.0 4"), (470, "a.0 2")]
    assert heard.fired == [(470, "late", "word from a.0 overtaken, 250 ns late")]
    heard = talk(Fault("late", "reorder", SECOND, delay_ns=250, retransmit_ns=1))
    assert heard.got == [(120, "a.0 1"), (470, "a.0 2"), (471, "a.0 3"), (472, "a.0 4")]
    assert heard.fired == [(470, "late", "word from a.0 overtaken, put in order again 250 ns late")]


def test_a_second_copy_has_an_identity_and_a_time_of_its_own():
    heard = talk(Fault("echo", "duplicate", SECOND, delay_ns=130))
    assert heard.got == [(120, "a.0 1"), (220, "a.0 2"), (320, "a.0 3"), (350, "a.0 2"), (420, "a.0 4")]
    assert heard.fired == [(350, "echo", "word from a.0 a second time")]


def test_the_link_layer_drops_a_second_copy():
    heard = talk(Fault("echo", "duplicate", SECOND, delay_ns=130, retransmit_ns=1))
    assert heard.got == PLAIN
    assert heard.fired == [(350, "echo", "word from a.0 a second time, dropped by the link layer")]


def test_a_copy_of_what_is_held_back_comes_after_it():
    heard = talk(Fault("slow", "delay", When(nth=1), delay_ns=300), Fault("echo", "duplicate", When(nth=1), delay_ns=5))
    assert heard.got == [(420, "a.0 1"), (421, "a.0 2"), (422, "a.0 3"), (423, "a.0 4"), (426, "a.0 2")]


def test_no_second_copy_comes_after_the_heal():
    heard = talk(Fault("echo", "duplicate", SECOND, delay_ns=10_000, heal_ns=300))
    assert heard.got == [(120, "a.0 1"), (220, "a.0 2"), (300, "a.0 2"), (320, "a.0 3"), (420, "a.0 4")]


def test_a_damaged_message_is_found_out():
    heard = talk(Fault("noise", "corrupt", SECOND))
    assert heard.got == [item for item in PLAIN if item[1] != "a.0 2"]
    (at_ns, _, what) = heard.fired[0]
    found = re.fullmatch(r"word from a\.0 damaged in bit \d+ \(checksum ([0-9a-f]{8}), not ([0-9a-f]{8})\)", what)
    assert at_ns == 220
    assert found[1] != found[2]
    again = talk(Fault("noise", "corrupt", SECOND, retransmit_ns=40))
    assert again.got == [(120, "a.0 1"), (260, "a.0 2"), (320, "a.0 3"), (420, "a.0 4")]
    assert again.fired[0][2] == f"{what}, sent again once and 40 ns late"


BOTH = ["a.0", "b.0"]


def both_ways(**options):
    actors = [Talker(name="a.0", to="b.0", words=4), Talker(name="b.0", to="a.0", words=4)]
    heard = talk(Fault("cut", "partition", **options), actors=actors, domains={"a.0": 0, "b.0": 1})
    return [[int(text[-1]) for _, text in heard.engine.actors[name].got] for name in BOTH], heard


@pytest.mark.parametrize(
    ("options", "a", "b"),
    [
        ({"side": ("a.0",)}, [1, 4], [1, 4]),
        ({"side": ("a.0",), "one_way": True}, [1, 2, 3, 4], [1, 4]),
        ({"side": ("domain.1",), "one_way": True}, [1, 4], [1, 2, 3, 4]),
        ({"side": ("domain.0",), "other": ("b.*",)}, [1, 4], [1, 4]),
        ({"side": ("a.*", "b.*")}, [1, 2, 3, 4], [1, 2, 3, 4]),
        ({"side": ("a.0",), "other": ("c.0",)}, [1, 2, 3, 4], [1, 2, 3, 4]),
        ({"side": ("a.0",), "when": When(to="b.0", count=1)}, [1, 2, 3, 4], [1, 3, 4]),
    ],
)
def test_partitions(options, a, b):
    (got_a, got_b), _ = both_ways(at_ns=200, duration_ns=200, **options)
    assert (got_a, got_b) == (a, b)


def test_a_partition_with_a_link_layer_is_over_when_it_is_over():
    (got_a, got_b), heard = both_ways(side=("a.0",), at_ns=200, duration_ns=200, retransmit_ns=70)
    assert got_a == got_b == [1, 2, 3, 4]
    assert [at_ns for at_ns, text in heard.got] == [120, 430, 460, 461]
    assert heard.fired[0][2] == "word from b.0 cut off, sent again 3 times and 210 ns late"


@pytest.mark.parametrize(("kind", "layer"), [("delay", 0), ("reorder", 0), ("reorder", 1)])
def test_nothing_is_held_back_beyond_the_heal(kind, layer):
    heard = talk(Fault("late", kind, delay_ns=10_000, heal_ns=330, retransmit_ns=layer))
    assert [at_ns for at_ns, _ in heard.got][-1] == 420
    assert heard.counts == {"late": 3}
    assert all(at_ns <= 332 for at_ns, _, _ in heard.fired)


@pytest.mark.parametrize("kind", ["lose", "corrupt"])
def test_no_fault_fires_after_the_heal(kind):
    heard = talk(Fault("gone", kind, When(kind="word"), heal_ns=230))
    assert [text for _, text in heard.got] == ["a.0 3", "a.0 4"]
    assert heard.counts == {"gone": 2}


LAYERED = st.sampled_from(["lose", "corrupt", "reorder", "duplicate", "partition", "delay", "jitter"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LAYERED, st.integers(1, 300), st.integers(1, 4), st.integers(1, 200)), min_size=1, max_size=4))
def test_with_a_link_layer_every_message_arrives_once_and_in_order(drawn):
    """Whatever faults there are: tries enough, and what follows a message stays behind it."""
    faults = []
    for index, (kind, delay_ns, nth, timeout_ns) in enumerate(drawn):
        layer = {} if kind in ("delay", "jitter") else {"retransmit_ns": timeout_ns, "tries": 1000}
        where = {"side": ("a.0",), "at_ns": delay_ns, "duration_ns": 200} if kind == "partition" else {"when": When(nth=nth)}
        late = {"delay_ns": delay_ns} if kind in ("delay", "jitter", "reorder", "duplicate") else {}
        faults.append(Fault(f"f{index}", kind, **layer, **where, **late))
    heard = talk(*faults)
    assert [text for _, text in heard.got] == [f"a.0 {number}" for number in range(1, 5)]
    assert all(at_ns >= due for (at_ns, _), (due, _) in zip(heard.got, PLAIN, strict=True)), "a fault only ever makes it later"
