"""``shootdown check-run RUN``: the checks over a stored run."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli.options import Json, RunArgument
from cluster.cli.output import DIFFERS, DONE, note, print_json, say

Names = Annotated[list[str], typer.Option("--check", metavar="NAME", help="Only this check. Repeatable; default: all.")]


def command(run: RunArgument, checks: Names = [], as_json: Json = False) -> int:
    """Evaluate the checks over a stored run; status 1 if one is violated."""
    import shootdown as sd
    from cluster.cli.summary_text import check_lines, violation_lines

    report = sd.recheck(run, checks)
    if as_json:
        print_json(report)
    else:
        say(f"{report['run']}: {report['violations_total']} violations", *violation_lines(report), *check_lines(report))
    note(*(f"shootdown: {loss}" for loss in report["losses"]))
    return DIFFERS if report["violations_total"] else DONE
