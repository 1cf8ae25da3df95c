from __future__ import annotations

from pathlib import Path

import pytest

from cluster.experiments.experiment import Experiment, load_experiment

SMALL = """id = "C30"
title = "a small one"
wrong = "what was wrong"
did = "what was done"

[parameters.pages]
value = 3
min = 1
max = 20
meaning = "copy-on-write faults"

[switches]
reads = 0

[scenario.machine]
cpus = 2
frames = 2048

[[scenario.workload.file]]
name = "program"
pages = 32

[[scenario.workload.task]]
name = "writer"
cpu = 1
steps = [
    { do = "mmap", vpn = 0x1000, pages = "${pages}", file = "program" },
    { each = { i = "pages" }, do = "access", vpn = "${0x1000 + i}", write = "${reads == 0}" },
]

[arms.before]
shows = ["I-LOCKSET"]
predict = "pages"

[arms.after]
predict = "0"

[arms.clean]
predict = "0"

[figure]
name = "writes of valid without the object's lock"
unit = "writes"
records = { kind = "unguarded", where = { field = "valid" } }
"""
"""An experiment file that takes little time: C30's, with a switch."""


@pytest.fixture
def written(tmp_path: Path):
    """Write the small experiment with some of its text replaced; the file's path."""

    def write(*changes: tuple[str, str], more: str = "") -> Path:
        text = SMALL
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "small.toml"
        path.write_text(text + more)
        return path

    return write


@pytest.fixture
def loaded(written):
    """The small experiment, changed and loaded."""

    def load(*changes: tuple[str, str], more: str = "", **sets: int) -> Experiment:
        return load_experiment(str(written(*changes, more=more)), sets)

    return load
