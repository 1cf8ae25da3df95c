"""Scenarios run without processes: on so many workers in this one, with a trace that can be read."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import pytest

import shootdown as sd
from cluster.scenario.places import names
from cluster.scenario.scenario import load_tables


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Run a scenario: ``made(name, workers=2, seed=1, faults=False)``; each is made once."""

    @cache
    def run(name, workers=1, seed=1, faults=True, backend="trio"):
        scenario = sd.load(name) if faults else without_faults(name)
        transport = None if workers == 1 else "inproc"
        out = tmp_path_factory.mktemp("run") / "run"
        return sd.run(scenario, seed=seed, workers=workers, out=out, backend=backend, transport=transport)

    return run


def without_faults(name: str):
    """The same machine and work, and nothing that goes wrong."""
    path: Path = names("scenarios")[name]
    raw = tomllib.loads(path.read_text("utf-8"))
    kept = {key: value for key, value in raw.items() if key not in ("faults", "link", "swarm", "liveness", "expect")}
    return load_tables(kept, str(path), path.parent)
