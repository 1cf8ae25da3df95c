"""Pages in Markdown that are written from what was measured, never by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def density_page(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """docs/density.md, from the rows of ``density --json``, all over the same seeds."""
    seeds, first = (rows[0]["seeds"], rows[0]["first"]) if rows else (0, 0)
    yield "# How dense the bugs are"
    yield ""
    yield f"In how many of {seeds:,} schedules (seeds {first} to {first + seeds - 1}) a random workload meets a bug whose old form is in"
    yield "place. No script helps: the scenario draws user and kernel work of every kind on too little memory, with random delays; a run is"
    yield "over when the first check speaks or the kernel panics. Rows `repaired`: the same schedules with everything repaired."
    yield f"Written by `shootdown density --seeds {seeds} --first {first} --markdown`."
    yield ""
    yield "| change | | workload | met in | first seed | what spoke first, in how many |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        spoke = ", ".join(f"{name} {count}" for name, count in row["spoke"].items()) or "nothing"
        where = " ".join([f"`{row['scenario']}`", *(f"`{text}`" for text in row["sets"]), *(f"without {name}" for name in row["ignores"])])
        first_seed = "" if row["first_seed"] is None else row["first_seed"]
        yield f"| {row['id']} | {row['slug']} | {where} | {row['met']} of {row['seeds']} | {first_seed} | {spoke} |"
