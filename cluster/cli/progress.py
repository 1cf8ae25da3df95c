"""The progress bar: on a terminal, and nowhere else. Virtual time, events per second, time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster.cli.output import duration

if TYPE_CHECKING:
    from cluster.engine.results import Progress


@contextmanager
def progress(name: str) -> Iterator[Callable[[Progress, float], None] | None]:
    """A callback that draws on stderr while the block runs, or None where nobody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}", markup=False), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None, facts="compiling and starting")

        def draw(found: Progress, share: float) -> None:
            bar.update(task, total=1.0, completed=share, facts=facts(found))

        yield draw


def facts(found: Progress) -> str:
    """What stands beside the bar."""
    rate = found.events / found.wall_s if found.wall_s > 0 else 0
    return f"{duration(found.virtual_ns)} virtual, {rate:,.0f} events/s, {found.busy_percent:.0f} % busy"
