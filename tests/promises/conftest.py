"""The long tests, marked `promise`, run when they are asked for (`pytest -m promise`); `make promises` shows what they show, and more."""

from __future__ import annotations


def pytest_collection_modifyitems(config, items):
    if "promise" in (config.option.markexpr or ""):
        return
    long = [item for item in items if item.get_closest_marker("promise")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
