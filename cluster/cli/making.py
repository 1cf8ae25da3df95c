"""Make a run for a command: progress on a terminal, Ctrl-C as an error with a sentence."""

from __future__ import annotations

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
    from cluster.cli.progress import progress

    try:
        with progress(label) as on_progress:
            return sd.run(scenario, on_progress=on_progress, **options)
    except sd.Interrupted as interrupt:
        path = interrupt.path
        raise InterruptedRunError(f"interrupted; what was recorded can be read: shootdown log {path}", file=str(path)) from None
