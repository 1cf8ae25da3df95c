"""Is a change reproduced? Every reason why not is a sentence, and there is none for what is as it must be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.experiments.experiment import load_experiment
from cluster.experiments.judging import ArmResult, reasons_against
from cluster.experiments.measures import Said
from protocol.changes import CHANGES

WORD = Said("I-LOCKSET", 5, "object.1", "cpu.0:3", "thread 0 accesses valid without object.1")


def arm(name, figure=0, said=(), **others):
    return ArmResult(name, others.pop("ended", "finished"), list(said), {}, others.pop("digests", {1: "a", 2: "a"}), figure, **others)


def good(**others):
    return {"before": arm("before", 3, [WORD]), "after": arm("after"), "clean": arm("clean"), **others}


def test_what_is_as_it_must_be_is_reproduced(loaded):
    assert reasons_against(loaded(), good()) == []


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (arm("before", 3), "before: I-LOCKSET did not speak"),
        (
            arm("before", 3, [WORD, WORD._replace(check="I-TLB", message="a stale entry")]),
            "before: I-TLB spoke, which was not expected: a stale entry",
        ),
        (arm("before", 3, [WORD], ended="stuck"), "before: it ended stuck, expected was finished"),
        (arm("before", 4, [WORD]), "before: writes of valid without the object's lock is 4 writes, predicted was 3 (pages)"),
        (arm("before", None, [WORD]), "before: writes of valid without the object's lock is None writes, predicted was 3 (pages)"),
        (arm("before", 3, [WORD], unheld=["a.b", "c.d"]), "before: no thread came to a.b, c.d"),
        (arm("before", 3, [WORD], digests={1: "a", 2: "b"}), "before: the digest depends on the number of workers: a on 1, b on 2"),
    ],
)
def test_one_thing_that_is_wrong_is_one_reason(loaded, result, reason):
    found = reasons_against(loaded(), good(before=result))
    assert found[0] == reason and all("does not fall" in other for other in found[1:])


def test_a_clean_arm_in_which_something_speaks_is_a_reason(loaded):
    assert reasons_against(loaded(), good(clean=arm("clean", 0, [WORD])))[0].startswith("clean: I-LOCKSET spoke")


def test_who_may_speak_is_no_surprise_and_need_not(loaded):
    experiment = loaded(('shows = ["I-LOCKSET"]', 'shows = ["I-LOCKSET"]\nmay = ["I-TLB"]'))
    both = arm("before", 3, [WORD, WORD._replace(check="I-TLB")])
    assert reasons_against(experiment, good()) == reasons_against(experiment, good(before=both)) == []


def test_what_must_be_said_is_looked_for_in_every_message(loaded):
    experiment = loaded(('shows = ["I-LOCKSET"]', 'shows = ["I-LOCKSET"]\nsays = ["accesses valid", "vanished"]'))
    assert reasons_against(experiment, good()) == ["before: nothing said 'vanished'"]


def test_several_endings_may_be_expected(loaded):
    experiment = loaded(('shows = ["I-LOCKSET"]', 'shows = ["I-LOCKSET"]\nended = ["panic", "stuck"]'))
    assert reasons_against(experiment, good(before=arm("before", 3, [WORD], ended="stuck"))) == []
    assert reasons_against(experiment, good()) == ["before: it ended finished, expected was panic or stuck"]


@pytest.mark.parametrize(("kind", "matters"), [("cost", True), ("rule", True), ("detection", True), ("bug", False)])
def test_a_cost_must_fall(loaded, kind, matters):
    experiment = loaded(('predict = "pages"\n', ""), ('predict = "0"\n', ""))
    experiment = replace(experiment, change=CHANGES["C30"]._replace(kinds=(kind,)))
    for before, after in ((3, 3), (2, 3), (None, 0), (3, None)):
        found = reasons_against(experiment, good(before=arm("before", before, [WORD]), after=arm("after", after)))
        assert found == ([f"writes of valid without the object's lock does not fall: {before} before, {after} after"] if matters else [])


def test_an_equivalence_must_tell_its_foil_apart():
    experiment = load_experiment("C32", {"schedules": 2, "pages": 20})
    results = {name: arm(name) for name in experiment.arms}
    assert reasons_against(experiment, results) == ["other-order: a form that differs was not told apart"]
    assert reasons_against(experiment, {**results, "other-order": arm("other-order", 1)}) == []


def test_an_equivalence_without_a_foil_shows_nothing():
    experiment = load_experiment("C32", {"schedules": 2, "pages": 20})
    arms = {name: table for name, table in experiment.arms.items() if name != "other-order"}
    bare = replace(experiment, table=experiment.table.model_copy(update={"arms": arms}))
    assert reasons_against(bare, {name: arm(name) for name in arms}) == ["no arm has a form made to be told apart"]


def test_an_arm_as_json_has_its_first_hundred_words_and_their_number():
    value = arm("before", 3, [WORD] * 150, held={"a.b": 2}, forms={"C30": "wrapper"}).as_json()
    assert (len(value["violations"]), value["violations_total"], value["figure"]) == (100, 150, 3)
    assert value["digests"] == {"1": "a", "2": "a"} and value["held"] == {"a.b": 2} and value["kernel_forms"] == {"C30": "wrapper"}
