"""Every change and hazard is reproduced, with the figure that its formula predicts, whatever its parameters and whoever runs it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cluster.experiments.experiment import Experiment, experiment_files, load_experiment
from cluster.experiments.form import ArmTable
from cluster.experiments.judging import reasons_against
from protocol.changes import CHANGES
from shootdown.experimenting import Reproduction, reproduce
from tests.promises.parameter_values import LONG as LONG_VALUES
from tests.promises.parameter_values import at_ends, is_allowed, named, three, tried

BOTH = (1, 2)
IDS = list(experiment_files())
SHORT, LONG = tried(long=False), tried(long=True)
FIRST = {id: of[0] for id in IDS if (of := [values for other, values in SHORT if other == id])}
"""The values that are shipped, or the nearest that are short: these are run on two workers as well."""


@cache
def shipped(id: str) -> Reproduction:
    """The experiment with its own values, or the nearest that are short, on one worker and on two."""
    return reproduce(id, FIRST[id], BOTH, transport="inproc")


def with_arm(experiment: Experiment, name: str, arm: ArmTable) -> Experiment:
    """The experiment with another arm in the place of one."""
    table = experiment.table.model_copy(update={"arms": {**experiment.arms, name: arm}})
    return replace(experiment, table=table)


def test_every_change_and_hazard_has_an_experiment():
    assert sorted(CHANGES) == IDS


@pytest.mark.parametrize(("id", "values"), SHORT, ids=[named(*case) for case in SHORT])
def test_an_experiment_is_reproduced(id, values):
    done = shipped(id) if values == FIRST[id] else reproduce(id, values)
    assert done.against == []


@pytest.mark.promise
@pytest.mark.parametrize(("id", "values"), SHORT + LONG, ids=[named(*case) for case in SHORT + LONG])
def test_an_experiment_is_reproduced_on_two_workers(id, values):
    assert reproduce(id, values, BOTH, transport="inproc").against == []


@pytest.mark.promise
@pytest.mark.parametrize("id", IDS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), seed=st.integers(0, (1 << 64) - 1))
def test_with_any_values_and_any_seed_it_is_reproduced(id, data, seed):
    most = LONG_VALUES.get(id, {})
    parameters = load_experiment(id).table.parameters
    values = {name: data.draw(st.integers(one.min, min(one.max, most.get(name, one.max))), label=name) for name, one in parameters.items()}
    assume(is_allowed(id, values))
    assert reproduce(id, values, BOTH, seed=seed, transport="inproc").against == []


@pytest.mark.parametrize("id", IDS)
def test_two_workers_see_the_same(id):
    for arm in shipped(id).arms.values():
        assert sorted(arm.digests) == [1, 2] and len(set(arm.digests.values())) == 1, arm.name


@pytest.mark.parametrize("id", IDS)
def test_every_parameter_is_tried_at_its_ends_and_between(id):
    for name, parameter in load_experiment(id).table.parameters.items():
        assert set(three(parameter)) <= {values[name] for values in at_ends(id)}, name


@pytest.mark.parametrize("id", IDS)
def test_what_is_clean_is_silent(id):
    table, clean = load_experiment(id).arms["clean"], shipped(id).arms["clean"]
    assert (table.shows, table.may, table.revert, table.forms) == ([], [], None, {})
    assert (clean.said, clean.ended) == ([], "finished")


@pytest.mark.parametrize("id", IDS)
def test_a_formula_that_is_off_by_one_is_told(id):
    done = shipped(id)
    for name, arm in done.experiment.arms.items():
        if arm.predict is not None:
            table = arm.model_copy(update={"predict": f"({arm.predict}) + 1"})
            experiment = with_arm(done.experiment, name, table)
            (reason,) = reasons_against(experiment, done.arms)
            assert reason.startswith(f"{name}: ") and f"({table.predict})" in reason


@pytest.mark.parametrize("id", IDS)
def test_what_must_speak_is_missed_when_it_is_silent(id):
    done = shipped(id)
    for name, arm in done.experiment.arms.items():
        for check in arm.shows:
            said = done.arms[name].said
            done.arms[name].said = [word for word in said if word.check != check]
            assert f"{name}: {check} did not speak" in reasons_against(done.experiment, done.arms)
            done.arms[name].said = said


@pytest.mark.parametrize("id", IDS)
def test_what_speaks_unasked_is_a_surprise(id):
    done = shipped(id)
    for name, arm in done.experiment.arms.items():
        spoken = done.arms[name].spoke & set(arm.shows)
        for check in spoken:
            table = arm.model_copy(update={"shows": [other for other in arm.shows if other != check]})
            experiment = with_arm(done.experiment, name, table)
            assert any(f"{name}: {check} spoke" in reason for reason in reasons_against(experiment, done.arms))
