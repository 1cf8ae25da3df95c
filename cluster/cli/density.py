"""``shootdown density [ID ...]``: in how many schedules random work meets a bug."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.options import First, Jobs, Json, Seeds
from cluster.cli.output import DIFFERS, DONE, note, print_json, say

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="Changes, by id or slug; default: all that can be met.", show_default=False)
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as a page.")]
Keep = Annotated[
    Path | None,
    typer.Option("--keep", metavar="FILE", help="Rows that are done are kept in this file, and taken from it.", show_default=False),
]
WIDTHS = (8, 24, 10, 6, 44)


def command(
    ids: Ids = None,
    seeds: Seeds = 100,
    first: First = 1,
    jobs: Jobs = None,
    keep: Keep = None,
    markdown: Markdown = False,
    as_json: Json = False,
) -> int:
    """Count the schedules in which a random workload meets a bug whose old form is in place."""
    from cluster.experiments.experiment import path_of
    from cluster.experiments.pages import density_page
    from cluster.seeds import seeds_from
    from shootdown.density import REPAIRED, cases, notes
    from shootdown.density_rows import rows

    for name in ids or ():
        path_of(name, "density")
    found: list[dict[str, Any]] = []
    wanted, chosen = cases(ids or ()), seeds_from(first, seeds)
    for row in rows(wanted, chosen, jobs or os.cpu_count() or 1, keep, lambda loss: note(f"shootdown: {loss}")):
        if not (markdown or as_json):
            _say(row, head=not found)
        found.append(row)
    if as_json:
        print_json(found)
    elif markdown:
        say(*density_page(found, notes()))
    loud = [row for row in found if row["id"] == REPAIRED and row["met"]]
    note(
        *(
            f"shootdown: the repaired kernel is not silent: seed {row['first_seed']} of {' '.join(row['sets']) or 'the scenario'}"
            for row in loud
        )
    )
    return DIFFERS if loud else DONE


def _say(row: dict[str, Any], head: bool) -> None:
    if head:
        say(_row("id", "change", "met in", "first", "what spoke first, in how many"))
    spoke = ", ".join(f"{name} {count}" for name, count in row["spoke"].items()) or "nothing"
    first = "" if row["first_seed"] is None else str(row["first_seed"])
    say(_row(row["id"], row["slug"] or " ".join(row["sets"]), f"{row['met']} of {row['seeds']}", first, spoke))


def _row(*cells: str) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS)).rstrip()
