"""Predicates and sides that nothing on the machine can match, and the tables that say something of all faults."""

from __future__ import annotations

import pytest

from cluster.errors import InputError
from cluster.scenario import load
from cluster.scenario.predicates import actor_kinds, can_be, possible_actor, possible_side, receivers, words_of
from cluster.scenario.refusal import Place
from protocol.faults import Fault, When

WORK = '[workload]\ngenerator = "fault_storm"\n'


@pytest.mark.parametrize(
    ("pattern", "kind", "possible"),
    [
        ("cpu.1", "cpu", True),
        ("cpu.1", "pq", False),
        ("pq", "pq", True),
        ("p*", "pq", True),
        ("p*", "cpu", False),
        ("*", "cpu", True),
        ("object.7.*", "object", True),
        ("*.cpu.1", "object", True),
        ("[cp]*", "pq", True),
        ("map", "pmap", False),
    ],
)
def test_what_a_pattern_can_be(pattern, kind, possible):
    assert can_be(pattern, kind) == possible


@pytest.mark.parametrize(
    ("pattern", "possible"),
    [("cpu.007", True), ("cpu.8", False), ("cpu." + "0" * 5000 + "7", True), ("cpu." + "9" * 5000, False)],
    ids=range(4),
)
def test_a_number_in_a_name_can_be_of_any_length(pattern, possible):
    machine, found = load("fork-cow").machine, ""
    try:
        possible_actor(pattern, "faults[0].when.to", machine, Place("x.toml"))
    except InputError as error:
        found = error.key
    assert found == ("" if possible else "faults[0].when.to")
    with pytest.raises(InputError, match=r"allowed: domain\.0 to domain\.0"):
        possible_side(("domain." + "9" * 5000,), "faults[0].side", machine, Place("x.toml"))


def test_who_gets_what_is_asked_of_the_actors():
    assert receivers()["ipi"] == {"cpu"}
    assert receivers()["ipi-ack"] == {"smp"}
    assert {"pq", "map", "giant"} <= receivers()["lock-request"]
    assert [word for word in words_of("lose") if not receivers()[word]] == []
    assert {kind for kinds in receivers().values() for kind in kinds} == set(actor_kinds())


CUT = 'kind = "partition"\nat_ns = 0\nduration_ns = 5\n'


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('kind = "lose"\nwhen = { kind = "ipi", to = "pq" }', "faults[0].when.to", "cpu*"),
        ('kind = "lose"\nwhen = { to = "cpus.1" }', "faults[0].when.to", "cpu*"),
        ('kind = "lose"\nwhen = { sender = "peter" }', "faults[0].when.sender", "pq*"),
        (CUT + 'side = ["domain.1"]', "faults[0].side[0]", "domain.0 to domain.0"),
        (CUT + 'side = ["cpu.0", "cpu.2"]', "faults[0].side[1]", "cpu.0 to cpu.1"),
        (CUT + 'side = ["cpu.0"]\nother = ["queue"]', "faults[0].other[0]", "pq*"),
        (CUT + "side = []", "faults[0].side", "1 item"),
        (CUT, "faults[0]", "side, at_ns (0 or more), duration_ns (1 or more), and if wanted other, one_way, when"),
        ('kind = "lose"\nwhen = {}\ntries = 3', "faults[0].tries", "retransmit_ns"),
        ('kind = "delay"\ndelay_ns = 1\nretransmit_ns = 3', "faults[0]", "for kind = delay: delay_ns"),
        ('kind = "lose"\nwhen = {}\n[link]\ntries = 3', "link.retransmit_ns", "must be given"),
        ('kind = "lose"\nwhen = {}\n[liveness]\nheal_ns = 5', "liveness.bound_ns", "must be given"),
        (
            'kind = "lose"\nwhen = { from_ns = 9 }\n[liveness]\nheal_ns = 9\nbound_ns = 1',
            "faults[0].when.from_ns",
            "less than",
        ),
        (CUT.replace("at_ns = 0", "at_ns = 9") + 'side = ["pq"]\n[liveness]\nheal_ns = 9\nbound_ns = 1', "faults[0].at_ns", "less than"),
    ],
)
def test_what_cannot_be(refused, text, key, allowed):
    error = refused(f"{WORK}[[faults]]\n{text}\n")
    assert error.key == key
    assert allowed in str(error.allowed)


def test_liveness_needs_something_to_heal_from(refused):
    assert refused(f"{WORK}[liveness]\nheal_ns = 5\nbound_ns = 5\n").key == "liveness"


def test_a_link_layer_for_all_and_for_one(scenario_file):
    text = """
[link]
retransmit_ns = "2 us"
tries = 3
[liveness]
heal_ns = "1 ms"
bound_ns = "1 ms"
[[faults]]
kind = "lose"
when = { kind = "ipi" }
[[faults]]
kind = "corrupt"
when = {}
retransmit_ns = 0
[[faults]]
kind = "partition"
side = ["domain.0"]
other = ["cpu.*"]
one_way = true
at_ns = 7
duration_ns = 9
retransmit_ns = 40
[[faults]]
kind = "delay"
delay_ns = 6
"""
    heal = 1_000_000
    assert load(scenario_file(WORK + text)).faults(1) == (
        Fault("lose-1", "lose", When(kind="ipi"), retransmit_ns=2_000, tries=3, heal_ns=heal),
        Fault("corrupt-2", "corrupt", heal_ns=heal),
        Fault(
            "partition-3",
            "partition",
            side=("domain.0",),
            other=("cpu.*",),
            one_way=True,
            at_ns=7,
            duration_ns=9,
            retransmit_ns=40,
            tries=3,
            heal_ns=heal,
        ),
        Fault("delay-4", "delay", delay_ns=6, heal_ns=heal),
    )
