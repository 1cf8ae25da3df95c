"""The density page is what was measured, and nothing else."""

from __future__ import annotations

from cluster.experiments.pages import density_page

ROWS = [
    {
        "id": "repaired", "slug": "", "scenario": "kernel-mix", "sets": [], "ignores": [], "first": 7, "seeds": 1000, "met": 0,
        "first_seed": None, "spoke": {},
    },
    {
        "id": "R03", "slug": "pm-active-order", "scenario": "kernel-mix", "sets": ["machine.cpus=3"], "ignores": ["I-MAP"],
        "first": 7, "seeds": 1000, "met": 41,
        "first_seed": 17, "spoke": {"I-TLB": 40, "panic": 1},
    },
]  # fmt: skip


def test_a_row_for_each_case():
    lines = list(density_page(ROWS))
    assert lines[0].startswith("# ")
    assert lines[-2] == "| repaired |  | `kernel-mix` | 0 of 1000 |  | nothing |"
    assert lines[-1] == "| R03 | pm-active-order | `kernel-mix` `machine.cpus=3` without I-MAP | 41 of 1000 | 17 | I-TLB 40, panic 1 |"


def test_it_says_how_it_was_made():
    text = "\n".join(density_page(ROWS))
    assert "1,000 schedules (seeds 7 to 1006)" in text and "`shootdown density --seeds 1000 --first 7 --markdown`" in text


def test_no_rows_are_a_page_without_rows():
    assert list(density_page([]))[-1] == "|---|---|---|---|---|---|"
