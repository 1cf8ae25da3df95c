"""Requests that get no frame, and memory without a run of free frames."""

from __future__ import annotations

import pytest

from actors.homes.free_queues import FreeQueues
from protocol.faults import Fault
from protocol.machine import thresholds
from protocol.messages.contig import FreeWindow
from protocol.messages.faults import Begins, Ends
from protocol.messages.free import Put, PutZeroed, Take, TakeDirty
from protocol.pages import CLASS_NORMAL
from protocol.records import FREE_ASIDE, FREE_FAIL, FREE_PUT
from tests.actors.fake_port import restored
from tests.actors.faults.kit import Afflicted

FAIL = Fault("x", "allocation-failure")
PIECES = Fault("x", "memory-fragmented", pages=4, at_ns=100, duration_ns=1000)


def afflicted(fault, *turns):
    bench = Afflicted(FreeQueues(name="fq", service_ns=5, frames=64, colours=8, thresholds=thresholds(64)), fault, *turns)
    bench.lock()
    return bench


def test_a_request_gets_none_and_changes_nothing():
    bench = afflicted(FAIL, 2)
    assert bench.ask(Take(0, CLASS_NORMAL))[0] == 8
    assert bench.ask(Take(0, CLASS_NORMAL)) == (-1, False, False)
    assert bench.take_records()[-1] == (FREE_FAIL, CLASS_NORMAL, 63, 0)
    assert bench.trigger.said == ["a request of class NORMAL from cpu.0 gets no frame"]
    assert bench.ask(Take(0, CLASS_NORMAL))[0] == 16
    assert bench.home.free == 62


def fragmented():
    bench = afflicted(PIECES)
    bench.port.clock.now = 100
    bench.give(Begins("x"), "boot")
    return bench


def longest(bench):
    _, spans, _ = bench.ask(FreeWindow(1, 65))
    return max(last - first + 1 for first, last in spans)


def test_no_run_is_free_while_the_fault_lasts_and_all_are_afterwards():
    bench = fragmented()
    assert sorted(bench.home.aside) == list(range(4, 65, 4))
    assert (longest(bench), bench.home.free) == (3, 48)
    assert bench.port.timers == [(Ends("x"), 1000)]
    bench.port.clock.now = 1100
    bench.give(Ends("x"), "fq")
    assert (longest(bench), bench.home.free, bench.home.aside) == (64, 64, {})


def test_what_is_set_aside_is_recorded_frame_by_frame():
    bench = fragmented()
    asides = [record for record in bench.take_records() if record[0] == FREE_ASIDE]
    assert asides == [(FREE_ASIDE, frame, False, True, 64 - place) for place, frame in enumerate(range(4, 65, 4), 1)]
    bench.port.clock.now = 1100
    bench.give(Ends("x"), "fq")
    assert bench.take_records() == [(FREE_ASIDE, frame, False, False, 48 + place) for place, frame in enumerate(range(4, 65, 4), 1)]


@pytest.mark.parametrize(("frame", "aside"), [(8, True), (1, False)])
def test_a_frame_that_becomes_free_meanwhile_is_set_aside_if_it_would_make_a_run(frame, aside):
    bench = afflicted(PIECES)
    assert bench.ask(Take(frame, CLASS_NORMAL))[0] == frame
    bench.port.clock.now = 100
    bench.give(Begins("x"), "boot")
    bench.take_records()
    free = bench.home.free
    assert bench.ask(Put(frame)) == ((free, free) if aside else (free + 1, free + 1))
    assert [record[0] for record in bench.take_records()] == ([FREE_PUT, FREE_ASIDE] if aside else [FREE_PUT])


def test_frames_that_are_zero_come_back_zero():
    bench = afflicted(PIECES)
    frame = bench.ask(TakeDirty(4))
    bench.ask(PutZeroed(frame))
    bench.port.clock.now = 100
    bench.give(Begins("x"), "boot")
    assert (bench.home.aside[frame], bench.home.zeroed) == (True, 0)
    bench.give(Ends("x"), "fq")
    assert bench.home.zeroed == 1


def test_who_scans_for_a_run_is_told_that_the_frames_are_taken():
    """A frame that is neither free nor a page nor told of would be one that somebody has popped and not yet initialised (C22)."""
    bench = fragmented()
    _, _, taken = bench.ask(FreeWindow(1, 10))
    assert taken == (4, 8)


def test_frames_set_aside_are_state():
    bench = fragmented()
    assert restored(bench.home) == bench.home
    assert restored(bench.home).aside[4] is False
