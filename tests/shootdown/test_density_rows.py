"""Rows of the density table that are kept in a file: taken from it if they are of the very same thing, appended otherwise."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from cluster.errors import InputError, RunError
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
    assert list(rows(CASES, SEEDS, 1, keep)) == one == read_rows(keep)[0]
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
    assert len(asked) == 4 and read_rows(keep) == (one + other, 0)


def test_a_row_of_another_model_is_not_taken(asked, tmp_path, monkeypatch):
    keep = tmp_path / "rows.jsonl"
    list(rows(CASES, SEEDS, 1, keep))
    monkeypatch.setattr(density_rows, "MODEL_VERSION", MODEL_VERSION + 1)
    list(rows(CASES, SEEDS, 1, keep))
    assert len(asked) == 4


NO_ROWS = ["", "{", "[]", "7", json.dumps({"id": "R03"}), '{"id": "\\ud800', '{"id": ' + "[" * 100_000]


@pytest.mark.parametrize("line", NO_ROWS)
def test_a_line_that_is_no_row_is_refused_with_its_place(asked, tmp_path, line):
    keep = tmp_path / "rows.jsonl"
    list(rows(CASES[:1], SEEDS, 1, keep))
    with keep.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl:2: .*found .* allowed: ") as caught:
        list(rows(CASES, SEEDS, 1, keep))
    assert (caught.value.file, caught.value.line) == (str(keep), 2)
    assert asked == [REPAIRED], "nothing is run for a table that cannot be kept"


@pytest.mark.parametrize("tail", ["7", "[]", "a list of what to buy", '{"id": "R03"}', '{"id": 7', "R03"])
def test_another_file_s_last_line_is_refused_and_not_cut_off(asked, tmp_path, tail):
    keep = tmp_path / "rows.jsonl"
    keep.write_text(tail)
    with pytest.raises(InputError, match=r"rows\.jsonl:1: "):
        list(rows(CASES, SEEDS, 1, keep))
    assert keep.read_text() == tail and asked == []


def test_half_a_line_at_the_end_is_told_cut_off_and_run_again(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    one = list(rows(CASES, SEEDS, 1, keep))
    whole = keep.read_bytes()
    second = whole.index(b"\n") + 1
    for length in (second + 1, second + 4, second + 20, len(whole) - 2):
        keep.write_bytes(whole[:length])
        told = []
        asked.clear()
        assert list(rows(CASES, SEEDS, 1, keep, told.append)) == one
        assert asked == ["R03"] and keep.read_bytes() == whole
        assert len(told) == 1 and "rows.jsonl, line 2: half a row" in told[0]


def test_a_last_line_without_its_end_is_a_row_and_gets_one(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    list(rows(CASES[:1], SEEDS, 1, keep))
    keep.write_bytes(keep.read_bytes().rstrip(b"\n"))
    told = []
    found = list(rows(CASES, SEEDS, 1, keep, told.append))
    assert asked == [REPAIRED, "R03"] and told == []
    assert read_rows(keep) == (found, 0)


def test_a_row_begins_on_a_line_of_its_own_whoever_wrote_meanwhile(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    table = rows(CASES, SEEDS, 1, keep)
    first = next(table)
    with keep.open("a") as file:
        file.write(json.dumps({**first, "first": 99}))
    assert [*table] == read_rows(keep)[0][2:]


def test_a_row_that_cannot_be_written_leaves_the_file_as_it_was(asked, tmp_path):
    keep = tmp_path / "rows.jsonl"
    table = rows(CASES, SEEDS, 1, keep)
    next(table)
    before = keep.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(RunError, match=r"rows\.jsonl: the row of R03 cannot be written: only 10 of"):
            next(table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert keep.read_bytes() == before


def test_a_case_that_is_asked_for_twice_is_told_once(asked):
    assert [row["id"] for row in rows([*CASES, *CASES], SEEDS, 1)] == [REPAIRED, "R03"]
    assert asked == [REPAIRED, "R03"]


def test_files_that_cannot_be_used(asked, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, found in [(tmp_path, "a directory"), (tmp_path / "pipe", "a pipe"), (Path("/dev/full"), "a device")]:
        with pytest.raises(InputError, match=f"--keep: found {found}, allowed: a file that density --keep has written"):
            list(rows(CASES, SEEDS, 1, path))
    (tmp_path / "junk").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"junk:1: --keep: found .* allowed: a row"):
        list(rows(CASES, SEEDS, 1, tmp_path / "junk"))
    with pytest.raises(InputError, match="cannot be read"):
        list(rows(CASES, SEEDS, 1, tmp_path / "junk" / "rows.jsonl"))
    with pytest.raises(InputError, match="cannot be written"):
        list(rows(CASES, SEEDS, 1, tmp_path / "nowhere" / "rows.jsonl"))
    assert asked == []


def test_the_rows_that_are_kept_with_the_project_can_be_read():
    found, half = read_rows(Path(__file__).resolve().parents[2] / "docs" / "density.jsonl")
    assert found and not half
