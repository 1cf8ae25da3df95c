from __future__ import annotations

from pathlib import Path

import pytest

MINIMAL = '[workload]\ngenerator = "fault_storm"\n'


@pytest.fixture
def scenario_file(tmp_path: Path):
    """Write a scenario file and return its path."""

    def write(text: str = MINIMAL, name: str = "case.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def refused(scenario_file):
    """The InputError of loading a scenario file with this text."""
    from cluster.errors import InputError
    from cluster.scenario import load

    def refusal(text: str, **options) -> InputError:
        with pytest.raises(InputError) as caught:
            load(scenario_file(text), **options)
        error = caught.value
        assert error.status == 2
        assert "\n" not in str(error), "one sentence"
        return error

    return refusal
