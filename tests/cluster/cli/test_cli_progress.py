from __future__ import annotations

import io
import sys

import pytest

from cluster.cli.progress import facts, progress
from cluster.engine.results import Progress

HALF = Progress(1_500_000, 30_000, 10, 61.0, 20.0, 9.0, 3.0, 1, 2, 1.5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("looks_on", [True, False])
def test_a_bar_on_a_terminal_and_nothing_elsewhere(monkeypatch, looks_on):
    stream = Terminal() if looks_on else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    with progress("a run") as draw:
        assert (draw is not None) == looks_on
        if draw is not None:
            draw(HALF, 0.5)
    text = stream.getvalue()
    assert bool(text) == looks_on
    assert ("20,000 events/s" in text) == looks_on


def test_facts_are_virtual_time_and_rate():
    assert facts(HALF) == "1.5 ms virtual, 20,000 events/s, 61 % busy"
