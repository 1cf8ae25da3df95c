"""The public API: scenarios loaded, runs made and read. The command line is a thin layer over it.

>>> import shootdown as sd
>>> run = sd.run("redis-bgsave", seed=7, workers=2)
>>> run.metrics["faults.cow"], len(list(run.records(kind="ipi.*")))

Names are loaded when first used, so that ``import shootdown`` costs nothing in programs that only read a stored run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.actor import Actor
    from cluster.errors import InputError, RunError
    from cluster.scenario import Scenario, load
    from protocol.checks.base import Check
    from protocol.kernels import kernel
    from shootdown.forking import fork
    from shootdown.placing import placement
    from shootdown.rechecking import recheck
    from shootdown.result import Run, open_run
    from shootdown.resuming import resume
    from shootdown.running import Interrupted, run
    from shootdown.travelling import states

__all__ = [
    "Actor",
    "Check",
    "InputError",
    "Interrupted",
    "Run",
    "RunError",
    "Scenario",
    "fork",
    "kernel",
    "load",
    "open_run",
    "placement",
    "recheck",
    "resume",
    "run",
    "states",
]

_HOMES = {
    "Actor": "actors.actor",
    "Check": "protocol.checks.base",
    "InputError": "cluster.errors",
    "RunError": "cluster.errors",
    "Interrupted": "shootdown.running",
    "Run": "shootdown.result",
    "Scenario": "cluster.scenario",
    "fork": "shootdown.forking",
    "kernel": "protocol.kernels",
    "load": "cluster.scenario",
    "open_run": "shootdown.result",
    "placement": "shootdown.placing",
    "recheck": "shootdown.rechecking",
    "resume": "shootdown.resuming",
    "run": "shootdown.running",
    "states": "shootdown.travelling",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"shootdown has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
