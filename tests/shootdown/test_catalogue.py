"""docs/changes: there for every experiment, and what would be written today, so that it cannot go stale."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from cluster.cli.experiment_pages import INDEX, Catalogue
from cluster.cli.main import main
from cluster.cli.output import FAILED
from cluster.experiments.change_index import index_page
from cluster.experiments.experiment import experiment_files, load_experiment
from protocol.changes import CHANGES
from protocol.kernels import PRESETS
from shootdown.experimenting import reproduce

PAGES = Path(__file__).resolve().parents[2] / "docs" / "changes"
SLOW = ("C21",)
"""Regenerated with the promises only: an equivalence over several schedules of random work."""
UNCERTAIN = ("C13", "C19", "C21", "C22", "C28", "C29", "C30", "C31", "C32", "C33")
AGAIN = "write docs/changes again: shootdown experiments --workers 1 --pages docs/changes"


def regenerated(name, directory):
    done = reproduce(name, tell=True)
    picture = done.experiment.table.picture
    for pattern in filter(None, (picture.begins, picture.ends, *picture.keeps)):
        assert any(fnmatchcase(f"{step.who} {step.text}", pattern) for step in done.arms["before"].steps), pattern
    catalogue = Catalogue(directory)
    catalogue.add(done)
    catalogue.finish()
    return (directory / f"{name}.md").read_text("utf-8"), catalogue._rows[name]


def check(name, directory):
    page, row = regenerated(name, directory)
    assert page == (PAGES / f"{name}.md").read_text("utf-8"), AGAIN
    assert row in (PAGES / INDEX).read_text("utf-8").splitlines(), AGAIN


@pytest.mark.parametrize("name", [name for name in experiment_files() if name not in SLOW])
def test_a_page_is_what_would_be_written_today(name, tmp_path):
    check(name, tmp_path)


@pytest.mark.promise
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_page_is_what_would_be_written_today(name, tmp_path):
    check(name, tmp_path)


def test_every_change_and_hazard_has_its_page_and_no_other_page_is_there():
    assert {path.name for path in PAGES.iterdir()} == {f"{name}.md" for name in CHANGES} | {INDEX}
    assert set(experiment_files()) == set(CHANGES)


def test_the_index_is_made_of_its_rows():
    text = (PAGES / INDEX).read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert [line.partition("]")[0][3:] for line in rows] == list(CHANGES)
    assert text == "".join(f"{line}\n" for line in index_page(rows))


def test_the_index_is_not_written_from_some_of_the_changes(tmp_path):
    regenerated("C30", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["C30.md"]


def test_a_directory_that_cannot_be_made_is_refused_before_anything_runs(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["experiments", "C30", "--pages", str(tmp_path / "file" / "pages")]) == FAILED
    assert "the catalogue cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_uncertain_is_said(name):
    assert load_experiment(name).table.uncertain.strip()
    assert "## What is uncertain" in (PAGES / f"{name}.md").read_text("utf-8")


def test_dates_agree_with_the_presets():
    """A change that the kernel of 2004 has in its newest form was made before it, or cannot be dated."""
    for name, change in CHANGES.items():
        dated = load_experiment(name).table.dated
        early = PRESETS["freebsd-2004"][name] == change.newest
        words = "2006" if change.hazard else "2002 or 2003|cannot be dated" if early else "2004"
        assert re.search(words, dated), (name, dated)


def test_every_check_that_is_linked_is_on_the_page_of_checks():
    heads = {line[3:].lower() for line in (PAGES.parent / "checks.md").read_text("utf-8").splitlines() if line.startswith("## ")}
    for path in PAGES.iterdir():
        assert set(re.findall(r"checks\.md#([a-z-]+)", path.read_text("utf-8"))) <= heads, path.name


def test_pictures_are_short_enough_to_be_looked_at():
    for name in CHANGES:
        page = (PAGES / f"{name}.md").read_text("utf-8")
        assert page.count("->>") <= 30, name
        assert name == "C32" or page.count("```mermaid") == 1, name
