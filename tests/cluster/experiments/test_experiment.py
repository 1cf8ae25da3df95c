"""An experiment with its parameters: found by name, set within bounds, its arms as scenarios, its formulas with what they may name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.errors import InputError
from cluster.experiments.experiment import experiment_files, load_experiment, parameter_sets
from protocol.changes import CHANGES
from protocol.kernels import PRESETS


def test_by_id_slug_and_file():
    path = experiment_files()["C25"]
    found = [load_experiment(name) for name in ("C25", "c25", "contig-restart", str(path))]
    assert {one.change.id for one in found} == {"C25"} and path.name == "C25-contig-restart.toml"


@pytest.mark.parametrize("name", ["C99", "contig", "", "/tmp", "C25 "])
def test_a_name_that_is_none_is_told_all_that_are(name):
    with pytest.raises(InputError) as raised:
        load_experiment(name)
    assert raised.value.found == (name or "") and "C01 (remove-without-busy)" in str(raised.value) and "R06" in str(raised.value)


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="no such file"):
        load_experiment("nowhere.toml")


def test_the_title_is_the_files_or_the_changes(loaded):
    assert loaded().title == "a small one"
    assert loaded(('title = "a small one"\n', "")).title == CHANGES["C30"].title


# Parameters ------------------------------------------------------------------------------------------------------------------------


def test_parameters_have_their_values_until_they_are_set(loaded):
    assert loaded().values == {"pages": 3} and loaded(pages=20).values == {"pages": 20}


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ({"pages": 0}, "--set pages: found 0, allowed: 1 to 20: copy-on-write faults"),
        ({"pages": 21}, "--set pages: found 21, allowed: 1 to 20"),
        ({"page": 1}, "--set page: unknown parameter; found page, allowed: pages"),
        ({"reads": 1}, "--set reads: unknown parameter; found reads, allowed: pages"),
    ],
)
def test_a_parameter_out_of_its_range_or_unknown_is_refused(loaded, sets, words):
    with pytest.raises(InputError) as raised:
        loaded(**sets)
    assert words in str(raised.value) and str(raised.value).startswith("experiment C30: ")


def test_an_experiment_without_parameters_says_so(loaded):
    whole = 'value = 3\nmin = 1\nmax = 20\nmeaning = "copy-on-write faults"\n'
    with pytest.raises(InputError, match="this experiment has none"):
        loaded((f"[parameters.pages]\n{whole}", ""), ("reads = 0", "reads = 0\npages = 1"), pages=2)


def test_parameters_that_cannot_stand_together_are_refused_with_the_need_and_its_reason(loaded):
    need = '[[needs]]\nthat = "pages % 2 == 1"\nwhy = "the last one is alone"\n'
    assert loaded(more=need, pages=5).values == {"pages": 5}
    with pytest.raises(InputError) as raised:
        loaded(more=need, pages=4)
    assert str(raised.value) == "experiment C30: parameters: found pages = 4, allowed: pages % 2 == 1 (the last one is alone)"


@pytest.mark.parametrize(("texts", "found"), [([], {}), (["a=1", "b = -2"], {"a": 1, "b": -2}), (["a=1", "a=2"], {"a": 2})])
def test_what_set_takes(texts, found):
    assert parameter_sets(texts) == found


@pytest.mark.parametrize("text", ["", "a", "a=", "=1", "a=x", "a=1.5", "a=--1", "a=1_0", "a=²", "a=0x1", "a b=1", f"a={'9' * 4001}"])
def test_what_set_refuses(text):
    with pytest.raises(InputError) as raised:
        parameter_sets([text])
    assert raised.value.key == "--set" and raised.value.found == text and "NAME=INTEGER" in str(raised.value)


# Arms ------------------------------------------------------------------------------------------------------------------------------


def test_the_arm_before_reverts_the_change_and_the_others_nothing(loaded):
    experiment = loaded()
    assert experiment.scenario("before").kernel == {**PRESETS["repaired"], "C30": "wrapper"}
    assert experiment.scenario("after").kernel == experiment.scenario("clean").kernel == PRESETS["repaired"]


@pytest.mark.parametrize(
    ("says", "forms"),
    [
        ('revert = ["C29"]', {"C29": "silent"}),
        ('forms = { C29 = "silent" }', {"C29": "silent"}),
        ("revert = []", {}),
        (
            'preset = "freebsd-2006"\napply = ["R01"]',
            {**{name: PRESETS["freebsd-2006"][name] for name in CHANGES if name > "R01"}, "C30": "wrapper"},
        ),
    ],
)
def test_an_arm_that_names_forms_has_those(loaded, says, forms):
    experiment = loaded(("[arms.before]", f"[arms.before]\n{says}"))
    assert experiment.scenario("before").kernel == {**PRESETS["repaired"], **forms}


def test_an_arms_form_is_named(loaded):
    with pytest.raises(InputError, match=r"small\.toml: arms\.before\.forms\.C25: .*has no form ''; found '', allowed: dequeue-as-you-go"):
        loaded(("[arms.before]", '[arms.before]\nforms = { C25 = "" }')).scenario("before")


def test_a_switch_where_there_is_none_is_told_so(loaded):
    experiment = loaded(
        ("[switches]\nreads = 0\n", ""),
        ('write = "${reads == 0}"', "write = true"),
        ("[arms.clean]", "[arms.clean]\nswitches = { reads = 1 }"),
    )
    with pytest.raises(InputError, match=r"unknown switch; found reads, allowed: no switch: this experiment has none$"):
        experiment.scenario("clean")


def test_an_arm_as_a_scenario(loaded):
    experiment = loaded(('shows = ["I-LOCKSET"]', 'shows = ["I-LOCKSET", "panic"]\nmay = ["I-TLB"]\nended = ["panic", "stuck"]'))
    scenario = experiment.scenario("before")
    assert (scenario.name, scenario.title) == ("C30-before", "a small one (before)")
    assert scenario.expect.ended == ["panic", "stuck"] and scenario.expect.violations == ["I-LOCKSET", "I-TLB"]
    steps = experiment.workload("before", 1).tasks[0].steps
    assert len(steps) == 4 and all(step.write for step in steps[1:])


def test_parameters_and_switches_of_an_arm_are_its_own(loaded):
    more = '[arms.other]\nparameters = { pages = "2 * pages" }\nswitches = { reads = 1 }\npredict = "pages + reads"\n'
    experiment = loaded(more=more)
    steps = experiment.workload("other", 1).tasks[0].steps
    assert len(steps) == 7 and not any(step.write for step in steps[1:])
    assert experiment.predicted("other") == 7 and experiment.predicted("before") == 3
    assert experiment.names("clean") == {"pages": 3, "reads": 0}


INJECT = '[[inject]]\nwhat = "free-frames"\nframes = "${50 * pages}"\n[[faults]]\nkind = "jitter"\ndelay_ns = 9\n'


@pytest.mark.parametrize(
    ("arm", "says", "there"),
    [("before", "", True), ("clean", "", False), ("clean", "injected = true", True), ("after", "injected = false", False)],
)
def test_what_is_injected_is_not_in_the_clean_arm(loaded, arm, says, there):
    experiment = loaded((f"[arms.{arm}]", f"[arms.{arm}]\n{says}"), more=INJECT)
    workload = experiment.workload(arm, 1)
    assert len(workload.injected) == len(experiment.scenario(arm).to_plan(1).model.faults) == there


def test_formulas_may_name_the_machine_and_its_thresholds(loaded):
    experiment = loaded(('predict = "pages"', 'predict = "cpus * 10000 + frames + pages"'))
    assert experiment.predicted("before") == 22_051
    known = experiment.known("before")
    assert known["free_reserved"] == experiment.scenario("before").machine.thresholds.free_reserved > 0
    assert loaded(('predict = "pages"\n', "")).predicted("before") is None


def test_an_arm_may_measure_something_else(loaded):
    experiment = loaded(more='[arms.after.figure]\nname = "x"\nunit = "y"\nmetric = "faults.cow"\n')
    assert experiment.figure("after").metric == "faults.cow" and experiment.figure("before").name.startswith("writes")


def test_every_shipped_file_is_called_after_its_change():
    assert {id: path.stem for id, path in experiment_files().items()} == {id: f"{id}-{change.slug}" for id, change in CHANGES.items()}


def test_an_arms_scenario_is_made_once_and_anew_for_another_table():
    experiment = load_experiment("C25")
    made = experiment.scenario("before")
    assert experiment.scenario("before") is made
    other = replace(experiment, values={**experiment.values, "run": 9, "index": 8})
    assert other.scenario("before") != made
