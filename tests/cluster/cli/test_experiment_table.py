"""The table of experiments: 120 columns, plain when it is not a terminal, nothing cut off."""

from __future__ import annotations

from cluster.cli import experiment_table
from cluster.cli.experiment_table import COLUMNS, WIDTH, head, row
from cluster.experiments.experiment import experiment_files, load_experiment
from cluster.experiments.judging import ArmResult
from cluster.experiments.measures import Said
from shootdown.experimenting import Reproduction


def reproduction(name, figures=(12, 0), extra=(), against=()):
    experiment = load_experiment(name)
    arms = {}
    for arm, figure in zip(("before", "after"), figures, strict=True):
        said = [Said(check, 1, "pq", "pq:1", "") for check in (*experiment.arms[arm].shows, *extra)]
        arms[arm] = ArmResult(arm, "finished", said, {}, {1: "x"}, figure=figure)
    return Reproduction(experiment, arms, list(against))


def test_no_row_of_any_experiment_is_wider_than_the_page():
    for name in experiment_files():
        for line in row(reproduction(name, (4_330, 100_000))):
            assert len(line) <= WIDTH, line
    assert len(head()) <= WIDTH


def test_every_cell_fits_its_column():
    """What is wider than its column would push the others to the right."""
    for name in experiment_files():
        experiment = load_experiment(name)
        cells = {"id": name, "change": experiment.change.slug, "kind": experiment.change.kinds[0], "unit": experiment.table.figure.unit}
        for column, width in COLUMNS:
            assert len(cells.get(column, "")) <= width, (name, column)


def test_figures_stand_under_one_another():
    first, second = (next(iter(row(reproduction("C01", figures)))) for figures in ((12, 0), (4_330, 184)))
    end = first.index(" 12 ") + 3
    assert second[end - 5 : end] == "4,330"
    assert first.index("writes") == second.index("writes")


def spoke(*reproduced, **more):
    lines = row(reproduction(*reproduced, **more))
    return " ".join(" ".join(lines).split()).partition(" yes ")[2]


def test_all_that_spoke_is_said_what_the_arms_must_show_first():
    assert spoke("C24", extra=["I-LOCKSET"]) == "I-ONEQ, panic, I-SINGLE-OWNER, I-LOCKSET | I-LOCKSET"
    assert spoke("C17") == "I-PROGRESS | panic"
    assert spoke("C24") == "I-ONEQ, panic, I-SINGLE-OWNER"


def test_reasons_are_wrapped_under_the_row():
    lines = list(row(reproduction("C01", against=["before: " + "word " * 60])))
    assert " NO " in lines[0]
    assert len(lines) > 2
    assert all(line.startswith("     ") and len(line) <= WIDTH for line in lines[1:])


def test_colour_is_for_terminals_only(monkeypatch):
    done = reproduction("C01", against=["before: no"])
    assert "\x1b" not in head() + "".join(row(done))
    monkeypatch.setattr(experiment_table.sys.stdout, "isatty", lambda: True, raising=False)
    assert "\x1b" in head()
    assert "\x1b" in next(iter(row(done)))
