"""With the modelled mechanism taken out of the code, an experiment is not reproduced: it shows what it is about, and not what a form says.

Every row of the table of changes is tried: with a routine that does something else (``disabled_*.py``), and with the switch stuck at either
end. For an equivalence a form that differs is put in the place of one of the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from cluster.experiments.experiment import load_experiment
from cluster.experiments.form import ARMS
from protocol.changes import CHANGES
from shootdown.experimenting import Reproduction, reproduce
from tests.promises.disabled_contig import CONTIG
from tests.promises.disabled_faults import FAULTS
from tests.promises.disabled_mechanisms import always_newest, always_oldest, foil_in_place_of
from tests.promises.disabled_pages import PAGES
from tests.promises.disabled_pmaps import PMAPS

DISABLED = [*PAGES, *FAULTS, *CONTIG, *PMAPS]
LEAST = {"C21": {"schedules": 1}, "C32": {"schedules": 2, "pages": 20}}
"""Fewer schedules than are shipped, for those that try many."""
EQUIVALENCES = [id for id, change in CHANGES.items() if change.kinds[0] == "equivalence"]
OTHERS = [id for id in CHANGES if id not in EQUIVALENCES]


def run(id: str, arms: Sequence[str] | None = None) -> Reproduction:
    """Of all arms, or of these."""
    experiment = load_experiment(id, LEAST.get(id, {}))
    table = experiment.table.model_copy(update={"arms": {name: experiment.arms[name] for name in arms or experiment.arms}})
    return reproduce(replace(experiment, table=table))


def run_plain(id: str) -> Reproduction:
    """Without the arms that an experiment has besides the three of every one."""
    return run(id, ARMS)


@cache
def is_reproduced_as_it_is(id: str) -> bool:
    """Is the code as it is what the experiment expects? Asked before anything is patched."""
    return run(id).reproduced


@pytest.mark.parametrize("row", DISABLED, ids=[row.name for row in DISABLED])
def test_a_mechanism_that_is_taken_out_is_missed(row, monkeypatch):
    assert is_reproduced_as_it_is(row.change)
    row.patch(monkeypatch)
    against = run(row.change, None if row.arms is None else ("before", "after", *row.arms)).against
    assert any(row.missed in reason for reason in against), against


@pytest.mark.parametrize("id", OTHERS)
@pytest.mark.parametrize(("stuck", "arm"), [(always_newest, "before"), (always_oldest, "after")])
def test_a_switch_that_is_stuck_is_missed(stuck, arm, id, monkeypatch):
    assert is_reproduced_as_it_is(id)
    stuck(monkeypatch, id)
    assert any(reason.startswith((f"{arm}: ", "clean: ")) or "does not fall" in reason for reason in run_plain(id).against)


@pytest.mark.parametrize("id", EQUIVALENCES)
def test_a_form_that_differs_is_told_apart_from_the_new_one(id, monkeypatch):
    assert is_reproduced_as_it_is(id)
    foil_in_place_of(monkeypatch, id, CHANGES[id].newest)
    assert any(reason.startswith("before: ") for reason in run_plain(id).against)


def test_no_row_is_missing():
    assert {row.change for row in DISABLED} == set(CHANGES)


def test_every_patch_says_which_change_it_is_about():
    for row in DISABLED:
        assert (inspect.getdoc(row.patch) or "").startswith(f"{row.change}: "), row.name
