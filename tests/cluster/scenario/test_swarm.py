"""Which faults a seed draws, and with which numbers."""

from __future__ import annotations

import pytest

from cluster.scenario import load
from cluster.scenario.expand import to_toml
from cluster.scenario.places import names
from protocol.faults import Fault, When

WORK = '[workload]\ngenerator = "fault_storm"\n'
FAULTS = """
[[faults]]
name = "slow"
kind = "delay"
delay_ns = "1 us"
when = { kind = "ipi", nth = 4 }
vary = { delay_ns = ["500 ns", "2 us"], nth = [1, 9] }
[[faults]]
name = "nap"
kind = "stall"
cpu = 0
at_ns = 10
duration_ns = 10
vary = { cpu = [0, 1], at_ns = [0, 100] }
"""
SLOW = Fault("slow", "delay", When(kind="ipi", nth=4), delay_ns=1_000)


def test_without_a_swarm_the_faults_are_as_declared(scenario_file):
    scenario = load(scenario_file(WORK + FAULTS))
    assert scenario.faults(1) == scenario.faults(2) == (SLOW, Fault("nap", "stall", cpu=0, at_ns=10, duration_ns=10))


def test_the_seed_decides_what_there_is_within_the_ranges(scenario_file):
    scenario = load(scenario_file(WORK + FAULTS + "[swarm]\n"))
    runs = [scenario.faults(seed) for seed in range(400)]
    assert [scenario.faults(seed) for seed in range(400)] == runs
    for name, least, most in (("slow", 140, 260), ("nap", 140, 260)):
        assert least < sum(any(fault.name == name for fault in run) for run in runs) < most
    found = [fault for run in runs for fault in run]
    slow, naps = [fault for fault in found if fault.name == "slow"], [fault for fault in found if fault.name == "nap"]
    assert {fault.when.nth for fault in slow} == set(range(1, 10))
    assert {fault.cpu for fault in naps} == {0, 1}
    assert all(500 <= fault.delay_ns <= 2_000 and fault.when.kind == "ipi" for fault in slow)
    assert min(fault.at_ns for fault in naps) == 0 and max(fault.at_ns for fault in naps) > 95
    assert len({fault.delay_ns for fault in slow}) > 100


def test_no_draw_depends_on_another_fault(scenario_file):
    both = load(scenario_file(WORK + FAULTS + "[swarm]\n"))
    only = load(scenario_file(WORK + FAULTS[FAULTS.index('[[faults]]\nname = "nap"') :] + "[swarm]\n", "only.toml"))
    assert [only.faults(seed) for seed in range(50)] == [
        tuple(fault for fault in both.faults(seed) if fault.name == "nap") for seed in range(50)
    ]


@pytest.mark.parametrize(("percent", "names_found"), [(0, set()), (100, {"slow", "nap"})])
def test_the_chance_can_be_set(scenario_file, percent, names_found):
    scenario = load(scenario_file(WORK + FAULTS), [f"swarm.percent={percent}"])
    assert {fault.name for seed in range(20) for fault in scenario.faults(seed)} == names_found


def test_the_plan_holds_what_was_drawn():
    scenario = load("swarm-links")
    assert scenario.to_plan(5).model.faults == scenario.faults(5) != scenario.faults(6)


@pytest.mark.parametrize("name", [name for name in names("scenarios") if name.startswith(("link-", "liveness-", "swarm-"))])
def test_an_expanded_scenario_draws_the_same(name, scenario_file):
    scenario = load(name)
    again = load(scenario_file(to_toml(scenario.expanded())))
    assert [again.to_plan(seed).model for seed in range(9)] == [scenario.to_plan(seed).model for seed in range(9)]


@pytest.mark.parametrize(
    ("vary", "key", "allowed"),
    [
        ("{ frames = [1, 2] }", "faults[0].vary.frames", "delay_ns, nth, every"),
        ("{ delay_ns = [1] }", "faults[0].vary.delay_ns", "two times"),
        ("{ delay_ns = [2, 1] }", "faults[0].vary.delay_ns", "1 <= least <= greatest"),
        ("{ delay_ns = [0, 5] }", "faults[0].vary.delay_ns", "1 <= least <= greatest"),
        ('{ delay_ns = [1, "2 parsecs"] }', "faults[0].vary.delay_ns", "two times"),
        ("{ nth = [1, true] }", "faults[0].vary.nth", "two integers"),
        ("{ nth = 3 }", "faults[0].vary.nth", "a list"),
        ("{ every = [0, 3] }", "faults[0].when", "one of nth and every"),
    ],
)
def test_ranges_that_cannot_be(refused, vary, key, allowed):
    error = refused(f'{WORK}[[faults]]\nkind = "delay"\ndelay_ns = 5\nwhen = {{ nth = 2 }}\nvary = {vary}\n')
    assert error.key == key
    assert allowed in str(error.allowed)


def test_a_range_may_not_leave_the_machine(refused):
    error = refused(f'{WORK}[[faults]]\nkind = "stall"\ncpu = 0\nat_ns = 0\nduration_ns = 1\nvary = {{ cpu = [0, 2] }}\n')
    assert (error.key, error.found) == ("faults[0].cpu", 2)
