"""Recordings, generators and scripts compiled to the one workload form (``protocol.workload``, ``docs/workload-form.md``).

Names are loaded when first used: a generated workload needs no decompressors, a recording no generators.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.intake.compile_perf import compile_recording, inspect
    from cluster.intake.generators import GENERATORS, generator
    from cluster.intake.scripts import compile_script, load_script
    from cluster.intake.spreading import respread

__all__ = ["GENERATORS", "compile_recording", "compile_script", "generator", "inspect", "load_script", "respread"]

_HOMES = {
    "GENERATORS": "generators",
    "compile_recording": "compile_perf",
    "compile_script": "scripts",
    "generator": "generators",
    "inspect": "compile_perf",
    "load_script": "scripts",
    "respread": "spreading",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
