"""Make a run for a command: progress on a terminal, Ctrl-C as an error with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cluster.cli.output import INTERRUPTED
from cluster.errors import ShootdownError

if TYPE_CHECKING:
    from shootdown import Run, Scenario


class InterruptedRunError(ShootdownError):
    """Ctrl-C, or SIGTERM."""

    kind = "interrupted"
    status = INTERRUPTED


def make_run(scenario: Scenario, label: str, **options: Any) -> Run:
    """``shootdown.run`` with a progress bar called ``label``. Raises InterruptedRunError after Ctrl-C, naming what can be read."""
    import shootdown as sd

    return watched(sd.run, scenario, label, **options)


def watched(made: Callable[..., Run], what: object, label: str, **options: Any) -> Run:
    """Run ``made(what, **options)`` with a progress bar. Raises InterruptedRunError after Ctrl-C."""
    import shootdown as sd
    from cluster.cli.progress import progress

    try:
        with progress(label) as on_progress:
            return made(what, on_progress=on_progress, **options)
    except sd.Interrupted as interrupt:
        path = interrupt.path
        sentence = f"interrupted; what was recorded can be read: shootdown log {path}; to go on: shootdown resume {path}"
        raise InterruptedRunError(sentence, file=str(path)) from None
