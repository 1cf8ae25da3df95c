"""The collector is off while a run works, on again afterwards, and works at slices' edges."""

from __future__ import annotations

import gc
import weakref

import pytest

from cluster.engine.garbage import EVENTS_BETWEEN, CollectorPaused


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_garbage_goes_at_an_edge_after_enough_events_and_not_before():
    with CollectorPaused() as collector:
        assert not gc.isenabled()
        seen = weakref.ref(Cycle())
        assert not collector.at_edge(EVENTS_BETWEEN - 1)
        assert seen() is not None
        assert collector.at_edge(EVENTS_BETWEEN)
        assert seen() is None
        assert not collector.at_edge(EVENTS_BETWEEN + 1)
    assert gc.isenabled()


def test_the_collector_is_on_again_after_a_failure():
    with pytest.raises(RuntimeError), CollectorPaused():
        raise RuntimeError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with CollectorPaused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
