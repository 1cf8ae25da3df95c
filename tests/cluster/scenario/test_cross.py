from __future__ import annotations

import pytest

from cluster.faults.effects import EFFECTS
from cluster.faults.instants import INSTANTS
from cluster.scenario import load
from cluster.scenario.schema import schema
from cluster.scenario.tables import FaultTable
from protocol.faults import FIELDS, INSTANT, KINDS, MESSAGE, Fault, When

WORK = '[workload]\ngenerator = "fault_storm"\n'


def test_every_kind_of_fault_does_something():
    assert {word for word, kind in KINDS.items() if kind.scope == MESSAGE} == set(EFFECTS)
    assert {word for word, kind in KINDS.items() if kind.scope == INSTANT} == set(INSTANTS)


def test_the_table_of_kinds_speaks_of_fields_that_there_are():
    """The declared table, the data and the file's keys agree, ranges included."""
    used = {name for kind in KINDS.values() for name in kind.needs + kind.takes}
    assert (
        set(FIELDS)
        == used
        == set(Fault.__struct_fields__) - {"name", "kind", "heal_ns"}
        == set(FaultTable.model_fields) - {"name", "kind", "vary"}
    )
    keys = schema()["$defs"]["FaultTable"]["properties"]
    integers = [name for name, field in FIELDS.items() if field.unit in ("", "ns")]
    assert {name: _least(keys[name]) for name in integers} == {name: FIELDS[name].least for name in integers}


def _least(key):
    for option in key["anyOf"]:
        for inner in option.get("anyOf", [option]):
            if inner.get("type") == "integer":
                return inner["minimum"]
    raise AssertionError(key)


def test_faults_become_data(scenario_file):
    text = """
[[faults]]
kind = "delay"
delay_ns = "2 us"
when = { kind = "ipi*", to = "cpu.1", every = 2, from_ns = "1 us", until_ns = "1 ms" }
[[faults]]
name = "gone"
kind = "lose"
when = { kind = "ipi-ack", nth = 1 }
[[faults]]
kind = "stall"
cpu = 0
at_ns = 0
duration_ns = "1 ms"
[[faults]]
kind = "pager-error"
[[faults]]
kind = "memory"
frames = 100
at_ns = "1 ms"
duration_ns = "2 ms"
"""
    assert load(scenario_file(WORK + text)).faults(1) == (
        Fault("delay-1", "delay", When(kind="ipi*", to="cpu.1", every=2, from_ns=1000, until_ns=1_000_000), delay_ns=2000),
        Fault("gone", "lose", When(kind="ipi-ack", nth=1)),
        Fault("stall-3", "stall", cpu=0, at_ns=0, duration_ns=1_000_000),
        Fault("pager-error-4", "pager-error", When(kind="pager.read")),
        Fault("memory-5", "memory", frames=100, at_ns=1_000_000, duration_ns=2_000_000),
    )


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('kind = "explode"', "faults[0].kind", "stall"),
        ('kind = "delay"', "faults[0]", "delay_ns"),
        ('kind = "delay"\ndelay_ns = 0', "faults[0].delay_ns", "1 or more"),
        ('kind = "lose"', "faults[0]", "for kind = lose: when"),
        ('kind = "delay"\ndelay_ns = 5\nframes = 3', "faults[0]", "delay_ns (1 or more), and if wanted when"),
        ('kind = "pager-error"\nwhen = { kind = "pager.has" }', "faults[0].when.kind", "pager.read, pager.write"),
        ('kind = "lose"\nwhen = {}\ncpu = 1', "faults[0]", "when"),
        ('kind = "stall"\ncpu = 2\nat_ns = 0\nduration_ns = 1', "faults[0].cpu", "0 to 1"),
        ('kind = "stall"\ncpu = 0\nat_ns = 0\nduration_ns = 1\nwhen = {}', "faults[0]", "duration_ns"),
        ('kind = "memory"\nframes = 65536\nat_ns = 0\nduration_ns = 1', "faults[0].frames", "65536 frames"),
        ('kind = "lose"\nwhen = { kind = "telegram" }', "faults[0].when.kind", "ipi"),
        ('kind = "lose"\nwhen = { kind = "timer" }', "faults[0].when.kind", "ipi"),
        ('kind = "lose"\nwhen = { to = "cpu.2" }', "faults[0].when.to", "cpu.0 to cpu.1"),
        ('kind = "lose"\nwhen = { sender = "object.1.cpu.9" }', "faults[0].when.sender", "cpu.0 to cpu.1"),
        ('kind = "lose"\nwhen = { nth = 1, every = 2 }', "faults[0].when", "one of nth and every"),
        ('kind = "lose"\nwhen = { from_ns = 5, until_ns = 5 }', "faults[0].when", "until_ns above from_ns"),
        ('kind = "lose"\nwhen = { nths = 1 }', "faults[0].when.nths", "nth"),
        ('kind = "pager-error"\nwhen = { kind = "ipi" }', "faults[0].when.kind", "pager.read"),
        ('kind = "lose"\nname = "a b"\nwhen = {}', "faults[0].name", "pattern"),
    ],
)
def test_faults_that_cannot_happen(refused, text, key, allowed):
    error = refused(f"{WORK}[[faults]]\n{text}\n")
    assert error.key == key
    assert allowed in str(error.allowed)


def test_names_are_unique(refused):
    fault = '[[faults]]\nname = "x"\nkind = "lose"\nwhen = {}\n'
    assert refused(WORK + fault + fault).key == "faults[1].name"


def test_checks_by_name(scenario_file, refused):
    assert load(scenario_file(WORK + '[checks]\nenable = ["I-TLB", "I-ONEQ", "I-TLB"]')).checks == ("I-ONEQ", "I-TLB")
    assert load(scenario_file(WORK + "[checks]\nenable = []")).checks == ()
    assert "I-TLB-DONE" in load(scenario_file(WORK)).checks
    error = refused(WORK + '[checks]\nenable = ["I-TLB", "I-TBL"]')
    assert (error.key, error.found) == ("checks.enable[1]", "I-TBL")
    assert "I-TLB" in str(error.allowed)
