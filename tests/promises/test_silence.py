"""The repaired kernel is silent where memory is short and delays are random, and those runs evaluate every check.

A few seeds of each generator here, two hundred in the long form.
"""

from __future__ import annotations

import msgspec
import pytest

from cluster.engine.results import FoundViolation
from cluster.intake.generators import GENERATORS
from cluster.promises.job import Job, carry_out
from cluster.promises.silence import REACHED, silence
from cluster.promises.sizes import SCARCE, SEEDS
from cluster.scenario import load
from protocol.checks.registry import CHECKS


@pytest.fixture(scope="module")
def swept():
    """What a few seeds of each showed."""
    return {name: silence(name, range(1, 7 if name == "kernel-mix" else 2), carry_out) for name in SCARCE}


def test_the_scenarios_are_of_every_generator_with_delays():
    scenarios = [load(name, []) for name in SCARCE]
    assert {scenario.work.name for scenario in scenarios} == set(GENERATORS)
    assert all([fault.kind for fault in scenario.faults(1)] == ["jitter"] for scenario in scenarios)
    assert len(SEEDS) == 200


@pytest.mark.parametrize("name", SCARCE)
def test_memory_is_short_and_no_check_speaks(swept, name):
    assert swept[name]["broken"] == []
    assert all(swept[name]["reached"]), REACHED


def test_every_check_is_evaluated(swept):
    evaluated = [found["evaluated"] for found in swept.values()]
    assert all(set(found) == set(CHECKS) for found in evaluated)
    assert sorted(name for name in CHECKS if not any(found[name][0] for found in evaluated)) == []


@pytest.mark.promise
@pytest.mark.parametrize("name", SCARCE)
def test_two_hundred_schedules_are_silent(name):
    assert silence(name, SEEDS, carry_out)["broken"] == []


def test_a_violation_an_ending_and_ample_memory_are_told():
    """Each sentence names the seed and what it showed."""
    found = carry_out(Job(label="x", scenario="fault-storm", sets=("workload.parameters.pages=2", "workload.parameters.rounds=1")))
    stuck = msgspec.structs.replace(found, ended="stuck")
    told = silence("fault-storm", [7], lambda job: stuck)
    assert told["broken"] == ["seed 7 ended stuck", "pageouts is 0", "vm_waits is 0"]
    spoke = FoundViolation((0, 1, 0, "pq", "cpu.0", 7), 0, "I-CACHE", "vm page 0x22: mapped")
    loud = msgspec.structs.replace(found, violations=[spoke, spoke], metrics={**found.metrics, "pageouts": 1, "vm_waits": 1})
    assert silence("fault-storm", [7, 9], lambda job: loud)["broken"] == ["seed 7: I-CACHE", "seed 9: I-CACHE"]
