"""What holds for the whole suite: Ctrl-C in its children, no deadline for an example, and the order of its files.

A shell starts background jobs with SIGINT ignored, and an ignored signal stays ignored in every child. A handler does not: it becomes the
default.
"""

from __future__ import annotations

import signal
from pathlib import Path

from hypothesis import settings

TESTS = Path(__file__).parent
LONG = ("promises", "shootdown", "cluster")
"""Directories with tests that take long. They come first, so that no process is left alone with one of them at the end."""

signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine is no failure.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_collection_modifyitems(items):
    """The long ones first; otherwise as collected."""
    items.sort(key=_place)


def _place(item):
    directory = item.path.relative_to(TESTS).parts[0]
    return LONG.index(directory) if directory in LONG else len(LONG)
