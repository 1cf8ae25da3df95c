"""Experiments run: arms on several workers, what was measured, what is kept, what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.errors import InputError
from cluster.experiments.experiment import load_experiment
from cluster.recording import manifest
from cluster.seeds import SEED_MAX
from protocol.changes import CHANGES
from shootdown import experimenting
from shootdown.experimenting import experiments, formula, reproduce


@pytest.fixture(scope="module")
def c25():
    return reproduce("C25", {"run": 6, "index": 5}, workers=(1, 2), transport="inproc", tell=True)


def test_the_arms_show_what_they_must(c25):
    assert c25.reproduced and c25.against == []
    assert {name: arm.figure for name, arm in c25.arms.items()} == {"before": 5, "after": 0, "clean": 0}
    assert c25.arms["before"].spoke == {"I-CONSERVE"} and not c25.arms["clean"].said


def test_every_arm_ran_on_each_number_of_workers(c25):
    for arm in c25.arms.values():
        assert sorted(arm.digests) == [1, 2] and len(set(arm.digests.values())) == 1
    assert len({arm.digests[1] for arm in c25.arms.values()}) == 3


def test_held_threads_are_counted_and_kernel_forms_listed(c25):
    before, after = c25.arms["before"], c25.arms["after"]
    assert before.held == {"object_hold.locked": 1} and before.unheld == []
    assert (before.forms["C25"], after.forms["C25"]) == ("dequeue-as-you-go", "convert-first")


def test_steps_are_kept_if_asked_for(c25):
    assert any(step.spoken and step.kind == "I-CONSERVE" for step in c25.arms["before"].steps)
    assert reproduce("C25").arms["before"].steps == []


def test_the_value_of_the_json(c25):
    value = c25.as_json()
    assert value["figure"] == {
        "name": "frames lost at the restart", "unit": "pages", "before": 5, "after": 0, "formula": "before: index; after: 0",
        "predicted_before": 5, "predicted_after": 0,
    }  # fmt: skip
    assert (value["id"], value["slug"], value["kind"], value["reproduced"], value["why_not"]) == ("C25", "contig-restart", "bug", True, [])
    assert value["parameters"]["run"] == {"value": 6, "min": 2, "max": 128, "meaning": "frames of the run, in pages"}
    assert value["expectation"] == {"before": ["I-CONSERVE"], "after": []} and value["arms"] == {}
    assert value["before"]["violations_total"] == len(value["before"]["violations"]) > 0


def test_further_arms_stand_beside_the_three():
    value = reproduce("R04").as_json()
    assert list(value["arms"]) == ["alone"] and value["expectation"]["alone"] == []


def test_a_formula_may_be_missing():
    one = load_experiment("C29")
    assert formula(one) is not None
    arms = {name: arm.model_copy(update={"predict": None}) for name, arm in one.arms.items()}
    assert formula(replace(one, table=one.table.model_copy(update={"arms": arms}))) is None


def test_runs_are_dropped_or_kept(tmp_path: Path):
    dropped = reproduce("C25")
    assert not Path(dropped.arms["before"].run_dir).exists()
    reproduce("C25", keep=tmp_path / "kept", workers=(1, 2), transport="inproc")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted(
        f"C25-{arm}{more}" for arm in ("before", "after", "clean") for more in ("", "-2-workers")
    )


def test_only_runs_that_are_kept_wait_for_the_disk(tmp_path: Path, monkeypatch):
    forced = []
    monkeypatch.setattr(manifest, "sync_directory", forced.append)
    reproduce("C25")
    assert forced == []
    reproduce("C25", keep=tmp_path / "kept")
    assert forced


def test_the_seed_is_that_of_every_arm():
    one, other = reproduce("C25", seed=1), reproduce("C25", seed=2)
    assert other.reproduced and all(one.arms[arm].digests != other.arms[arm].digests for arm in one.arms)


def test_a_script_that_holds_a_thread_that_never_comes_is_a_reason(tmp_path):
    text = (
        Path(load_experiment("C25").place.file)
        .read_text()
        .replace("object_hold.locked", "vm_fault.copied")
        .replace(", until =", ", for_ns = 1000, was =")
    )
    path = tmp_path / "C25-other.toml"
    by_form = f'\n[arms.by-form]\nforms = {{ C25 = "{CHANGES["C25"].oldest}" }}\nshows = ["I-CONSERVE"]\n'
    path.write_text(text.replace(', was = "driver.alloc"', "") + by_form)
    against = reproduce(str(path)).against
    for arm in ("before", "by-form"):
        assert f"{arm}: no thread came to vm_fault.copied" in against


def test_an_equivalence_counts_schedules_in_which_others_were_chosen(monkeypatch):
    made = []
    run = experimenting.run
    monkeypatch.setattr(experimenting, "run", lambda scenario, **how: made.append((scenario.name, how["seed"])) or run(scenario, **how))
    done = reproduce("C32", {"schedules": 3, "pages": 20}, seed=SEED_MAX)
    assert {name: done.arms[name].figure for name in ("before", "after", "other-order")} == {"before": 0, "after": 0, "other-order": 3}
    assert len(made) == len(set(made)) == 3 * 4, "the run of the arm itself is the first schedule"
    assert {seed for _, seed in made} == {SEED_MAX, 0, 1}


def test_all_that_are_shipped_by_default_and_checked_before_any_runs():
    assert [one.change.id for one in experiments()] == list(CHANGES)
    with pytest.raises(InputError, match="unknown parameter"):
        list(experiments(["C25", "C24"], {"index": 2}))
