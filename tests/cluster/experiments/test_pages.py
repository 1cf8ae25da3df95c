"""The density page is what was measured, and nothing else."""

from __future__ import annotations

import pytest

from cluster.experiments.pages import SURE, density_page

ROWS = [
    {
        "id": "repaired", "slug": "", "scenario": "kernel-mix", "sets": [], "ignores": [], "first": 7, "seeds": 1000, "model": 6, "met": 0,
        "first_seed": None, "spoke": {},
    },
    {
        "id": "R03", "slug": "pm-active-order", "scenario": "kernel-mix", "sets": ["machine.cpus=3"], "ignores": ["I-MAP"],
        "first": 7, "seeds": 1000, "model": 6, "met": 41,
        "first_seed": 17, "spoke": {"I-TLB": 40, "panic": 1},
    },
]  # fmt: skip


def test_a_row_for_each_case():
    lines = list(density_page(ROWS, {}))
    assert lines[0].startswith("# ")
    assert lines[-2] == "| repaired |  | `kernel-mix` | 0 of 1000 |  | nothing |  |"
    where, met = "`kernel-mix` `machine.cpus=3` without I-MAP", "41 of 1000 | 17 | I-TLB 40, panic 1"
    assert lines[-1] == f"| [R03](changes/R03.md) | pm-active-order | {where} | {met} | 72 |"


def test_it_says_how_it_was_made():
    text = "\n".join(density_page(ROWS, {}))
    assert "1,000 schedules (seeds 7 to 1006)" in text and "`shootdown density --seeds 1000 --first 7 --markdown`, model version 6." in text


def test_no_rows_are_a_page_without_rows():
    assert list(density_page([], {}))[-1] == "|---|---|---|---|---|---|---|"


@pytest.mark.parametrize("met", [1, 3, 41, 500, 960, 999, 1000])
def test_so_many_seeds_are_enough_and_one_less_is_not(met):
    (*_, row) = density_page([ROWS[1] | {"met": met}], {})
    seeds = int(row.split("|")[-2].replace(",", ""))
    chance = [1 - (1 - met / 1000) ** tries for tries in (seeds - 1, seeds)]
    assert chance[0] < SURE <= chance[1]


def test_what_an_experiment_says_of_its_count_comes_after_the_table():
    lines = list(density_page(ROWS, {"R03": "A rare order.", "R04": "Of a row that is not asked for."}))
    assert lines[-2:] == ["", "- R03: A rare order."]
