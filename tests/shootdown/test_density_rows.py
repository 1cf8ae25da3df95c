"""Rows of the density table that are kept in a file: taken from it if they are of the very same thing, appended otherwise."""

from __future__ import annotations

import json

import pytest

from cluster.errors import InputError
from cluster.plan import MODEL_VERSION
from shootdown import density, density_rows
from shootdown.density import REPAIRED, Case
from shootdown.density_rows import KEY, key_of, read_rows, rows

CASES = [Case(REPAIRED, "mix", ()), Case("R03", "mix", ("a=1",), ("I-MAP",))]
SEEDS = range(3, 7)


@pytest.fixture
def asked(monkeypatch):
    """Densities without runs; the ids of the cases that were run."""
    ran = []

    def batch(case, seeds):
        ran.append(case.id)
        return {5: "I-TLB"} if case.id == "R03" else {}

    monkeypatch.setattr(density, "_batch", batch)
    return ran


def test_a_row_says_what_it_is_of(asked):
    (row,) = rows(CASES[1:], SEEDS, 1)
    assert {field: row[field] for field in KEY} == key_of(CASES[1], SEEDS)
    assert (row["first"], row["seeds"], row["ignores"], row["model"]) == (3, 4, ["I-MAP"], MODEL_VERSION)
    assert (row["slug"], row["met"], row["first_seed"], row["spoke"]) == ("pm-active-order", 1, 5, {"I-TLB": 1})


def test_what_is_kept_is_not_run_again(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    one = list(rows(CASES, SEEDS, 1, keep))
    assert list(rows(CASES, SEEDS, 1, keep)) == one == read_rows(keep)
    assert asked == [REPAIRED, "R03"]


def test_an_interrupted_table_goes_on_where_it_ended(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    next(iter(rows(CASES, SEEDS, 1, keep)))
    assert [row["id"] for row in rows(CASES, SEEDS, 1, keep)] == [REPAIRED, "R03"]
    assert asked == [REPAIRED, "R03"]


OTHERS = [
    (CASES, range(4, 8)),
    (CASES, range(3, 8)),
    ([case._replace(sets=("a=2",)) for case in CASES], SEEDS),
    ([case._replace(ignores=("I-ACT",)) for case in CASES], SEEDS),
]


@pytest.mark.parametrize(("cases", "seeds"), OTHERS)
def test_a_row_of_something_else_is_not_taken_and_stays(asked, tmp_path, cases, seeds):
    keep = tmp_path / "rows.jsonl"
    one = list(rows(CASES, SEEDS, 1, keep))
    other = list(rows(cases, seeds, 1, keep))
    assert len(asked) == 4 and read_rows(keep) == one + other


def test_a_row_of_another_model_is_not_taken(asked, tmp_path, monkeypatch):
    keep = tmp_path / "rows.jsonl"
    list(rows(CASES, SEEDS, 1, keep))
    monkeypatch.setattr(density_rows, "MODEL_VERSION", MODEL_VERSION + 1)
    list(rows(CASES, SEEDS, 1, keep))
    assert len(asked) == 4


@pytest.mark.parametrize("line", ["", "{", "[]", "7", json.dumps({"id": "R03"}), '{"id": "\\ud800'])
def test_a_line_that_is_no_row_is_refused_with_its_place(asked, tmp_path, line):
    keep = tmp_path / "rows.jsonl"
    list(rows(CASES[:1], SEEDS, 1, keep))
    with keep.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2: found .* allowed: a row that density --keep has written"):
        list(rows(CASES, SEEDS, 1, keep))
    assert asked == [REPAIRED], "nothing is run for a table that cannot be kept"


def test_files_that_cannot_be_used(asked, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(rows(CASES, SEEDS, 1, tmp_path))
    (tmp_path / "junk").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        list(rows(CASES, SEEDS, 1, tmp_path / "junk"))
    asked.clear()
    with pytest.raises(InputError, match="cannot be written"):
        list(rows(CASES, SEEDS, 1, tmp_path / "nowhere" / "rows.jsonl"))
    assert asked == []
