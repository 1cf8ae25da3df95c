from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cluster.cli.main import main

SMALL = """title = "small"
[workload]
generator = "fault_storm"
parameters = { tasks = 2, pages = 8, rounds = 1 }
"""


class Ended(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as exactly one JSON value."""
        return json.loads(self.out)


@pytest.fixture
def shootdown(capsys, monkeypatch, tmp_path):
    """Run a command line in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Ended:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(status, out, err)

    return call


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
