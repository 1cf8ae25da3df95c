"""Pages in Markdown that are written from what was measured, never by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SURE = 0.95
"""How sure to be, with as many seeds as the page says, of meeting a bug once."""


def density_page(rows: Sequence[dict[str, Any]], notes: Mapping[str, str]) -> Iterator[str]:
    """docs/density.md, beside the catalogue, from the rows of ``density --json``, all over the same seeds; ``notes``: by id, the words of
    the experiment files on their counts."""
    seeds, first = (rows[0]["seeds"], rows[0]["first"]) if rows else (0, 0)
    version = f", model version {rows[0]['model']}" if rows else ""
    yield "# How dense the bugs are"
    yield ""
    yield f"In how many of {seeds:,} schedules (seeds {first} to {first + seeds - 1}) a random workload meets a bug whose old form is in"
    yield "place. No script helps: the scenario draws user and kernel work of every kind on too little memory, with random delays; a run is"
    yield "over when the first check speaks or the kernel panics. Rows `repaired`: the same schedules with everything repaired."
    yield f"Last column: how many seeds to run so as to meet it at least once with {SURE:.0%} probability, if the share is as measured."
    yield f"Written by `shootdown density --seeds {seeds} --first {first} --markdown`{version}."
    yield ""
    yield "| change | | workload | met in | first seed | what spoke first, in how many | seeds to run |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        spoke = ", ".join(f"{name} {count}" for name, count in row["spoke"].items()) or "nothing"
        where = " ".join([f"`{row['scenario']}`", *(f"`{text}`" for text in row["sets"]), *(f"without {name}" for name in row["ignores"])])
        first_seed = "" if row["first_seed"] is None else row["first_seed"]
        met = f"{row['met']} of {row['seeds']} | {first_seed} | {spoke} | {_seeds_to_run(row['met'], row['seeds'])}"
        name = f"[{row['id']}](changes/{row['id']}.md)" if row["slug"] else row["id"]
        yield f"| {name} | {row['slug']} | {where} | {met} |"
    told = [f"- {row['id']}: {notes[row['id']]}" for row in rows if row["id"] in notes]
    yield from ["", *told] if told else []


def _seeds_to_run(met: int, seeds: int) -> str:
    """The least n with 1 - (1 - met / seeds) ** n at or above ``SURE``; nothing for what was never met."""
    if met == 0:
        return ""
    return "1" if met == seeds else f"{math.ceil(math.log(1 - SURE) / math.log(1 - met / seeds)):,}"
