"""Options that several commands share, declared once so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.seeds import SEED_MAX

DIGITS_MAX = 18
"""More than any number of workers has, and fewer than Python refuses to convert."""
SCENARIO_HELP = "A .toml file, a name under configs/ (see `shootdown list`), or a recording (.perf.txt, .xz, .gz)."


def integer_option(name: str, *names: str, least: int | None = None, most: int | None = None, **more: Any) -> Any:
    """An option that takes an integer as people write one; typer's own takes ``1.0`` for 1 as well."""
    return typer.Option(name, *names, min=least, max=most, parser=lambda given: _integer(given, least, most), **more)


def _integer(given: object, least: int | None, most: int | None) -> int:
    """A default comes as an integer. Raises ValueError, which typer makes an error of."""
    number = int(str(given))
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError("an integer out of its range")
    return number


ScenarioArgument = Annotated[str, typer.Argument(metavar="SCENARIO", help=SCENARIO_HELP, show_default=False)]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]
Seed = Annotated[int, integer_option("--seed", least=0, most=SEED_MAX, help="Seed of every random choice, 0 to 2^64 - 1.")]
Workers = Annotated[int, integer_option("--workers", "-w", help="Worker processes (1: everything in this process).")]
Out = Annotated[Path | None, typer.Option("--out", help="Run directory to make; default: runs/<scenario>-<seed>-<n>.", show_default=False)]
Sets = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a key, such as machine.cpus=8. Repeatable.")]
Kernel = Annotated[str | None, typer.Option("--kernel", help="Kernel preset in place of the scenario's.", show_default=False)]
Revert = Annotated[list[str], typer.Option("--revert", "--before", metavar="CHANGE[,...]", help="Put changes back to their oldest form.")]
Apply = Annotated[list[str], typer.Option("--apply", metavar="CHANGE[,...]", help="Put changes to their newest form.")]
Backend = Annotated[str, typer.Option("--backend", help="Async library of the processes: trio or asyncio.")]
At = Annotated[str, typer.Option("--at", metavar="NS", help="An instant of virtual time: ns, or with a unit ('2 ms').", show_default=False)]
SnapshotMs = Annotated[int, integer_option("--snapshot-ms", help="Snapshot so often, in ms of wall-clock time; 0: never.")]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value.")]
Seeds = Annotated[int, integer_option("--seeds", least=1, most=1_000_000, help="How many seeds, from --first on.")]
First = Annotated[int, integer_option("--first", least=0, most=SEED_MAX, help="The first seed.")]
Jobs = Annotated[int | None, integer_option("--jobs", least=1, most=1024, help="Processes; default: as many as CPUs.", show_default=False)]


def worker_counts(command: str, text: str) -> tuple[int, ...]:
    """The numbers in a text such as ``1,2,4``, each once, in order. Raises InputError."""
    from cluster.scenario.refusal import refuse

    parts = [part.strip() for part in text.split(",")]
    counts = [int(part) if part.isascii() and part.isdigit() and len(part) <= DIGITS_MAX else 0 for part in parts]
    if min(counts) < 1:
        raise refuse(command, "--workers", text, "numbers of workers, such as 1,2")
    return tuple(dict.fromkeys(counts))
