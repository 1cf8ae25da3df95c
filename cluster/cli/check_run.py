"""``shootdown check-run RUN``: the checks over a stored run."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli.options import Json, RunArgument
from cluster.cli.output import DIFFERS, DONE, FAILED, counted, duration, note, print_json, say

Names = Annotated[list[str], typer.Option("--check", metavar="NAME", help="Only this check. Repeatable; default: all.")]


def command(run: RunArgument, checks: Names = [], as_json: Json = False) -> int:
    """Evaluate the checks over a stored run; status 1 if one is violated, 3 if not all of it can be read."""
    import shootdown as sd
    from cluster.cli.summary_text import check_lines, violation_lines

    report = sd.recheck(run, checks)
    if as_json:
        print_json(report)
    else:
        say(f"{report['run']}: {counted(report['violations_total'], 'violation')}", *violation_lines(report), *check_lines(report))
    note(*(f"shootdown: {loss}" for loss in report["losses"]))
    if report["checked_until_ns"] is not None:
        note(f"shootdown: only the first {duration(report['checked_until_ns'])} of the run could be judged")
    if report["violations_total"]:
        return DIFFERS
    return FAILED if report["losses"] else DONE
