"""Bounce buffers for DMA: where they lie, what a driver is told, and who may wait for one (C06)."""

from __future__ import annotations

import pytest

from actors.homes.isa import IsaDma
from actors.kernel.contig_scan import Want
from actors.kernel.isa_dma import isa_dmarangecheck
from protocol.messages.isa import DmaBuffer, DriverTold, SetDmaBuffer
from protocol.records import DMA_BUFFER, DMA_INIT, DMA_START, FRAME_STORE, NOTE, PANIC, SLEEP
from protocol.workload import File, Inject, Kernel
from tests.actors.fake_port import Bench, restored
from tests.actors.machine_audit import ends_well, free_lists
from tests.actors.machine_kit import judged, run, workload

LOW = File("low", 128)


def attach(channel, pages, low, wait=False, mutex=False, **of):
    return Kernel(routine="isa_attach", arguments=(channel, pages, low, wait, mutex), **of)


def transfer(channel, **of):
    return Kernel(routine="isa_transfer", arguments=(channel,), **of)


def in_use(last, first=1, dirty=True):
    return tuple(Inject("file-page", {"file": 0, "pindex": at, "queue": "inactive", "dirty": dirty}) for at in range(first, last + 1))


def drive(*steps, inject=(), **of):
    return run(workload(list(steps), files=(LOW,), inject=inject), frames=400, colours=128, until_ns=20_000_000, **of)


def inits(done):
    return [record[2:] for record in done.records(DMA_INIT)]


def test_the_table():
    b = Bench(IsaDma(name="isa"))
    assert b.ask(DmaBuffer(2)) is None and b.ask(DriverTold(2)) == 0
    b.ask(SetDmaBuffer(2, 16, 4))
    assert b.take_records() == [(DMA_BUFFER, 2, 16, 4)]
    assert b.ask(DmaBuffer(2)) == (16, 4)
    assert (b.ask(DriverTold(2, 12)), b.ask(DriverTold(2)), b.ask(DriverTold(3))) == (12, 12, 0)
    assert restored(b.home) == b.home


@pytest.mark.parametrize(
    ("frames", "boundary", "fits"),
    [([4, 5, 6], 16, True), ([4, 6, 5], 16, False), ([14, 15, 16], 16, False), ([14, 15, 16], 32, True), ([30, 31, 32], 64, False)],
)
def test_what_the_controller_can_reach(frames, boundary, fits):
    assert isa_dmarangecheck(frames, Want(3, 1, 32, 1, boundary)) is fits


@pytest.mark.parametrize("form", ["void", "status"])
def test_with_low_memory_free_malloc_gives_the_buffer_and_the_transfer_goes_through_it(form):
    done = ends_well(drive(attach(0, 3, 32, expect="ok"), transfer(0), forms={"C06": form}))
    (buffer,) = done.records(DMA_BUFFER)
    assert inits(done) == [(0, 3, 0)]
    assert [record[2:] for record in done.records(DMA_START)] == [(0, buffer[2], 3)]
    assert [record[1] for record in done.records(FRAME_STORE)] == list(range(buffer[2], buffer[2] + 3))


def test_without_low_memory_the_new_form_says_so_and_the_driver_detaches():
    done = ends_well(drive(attach(0, 3, 32), transfer(0), inject=in_use(31)))
    assert inits(done) == [(0, 3, 12)] and not done.records(DMA_START)
    assert free_lists(done).free == 400 - 31, "what malloc gave in vain was given back"


def test_without_low_memory_the_old_form_is_silent_and_the_transfer_goes_through_a_null_pointer():
    done = drive(attach(0, 3, 32, True), transfer(0), inject=in_use(31), forms={"C06": "void"})
    assert inits(done) == [(0, 3, 0)] and done.records(DMA_START)[0][3] == 0
    assert [record[1] for record in done.records(NOTE)] == ["isa_dmainit(0, 12288) failed"]
    assert done.records(PANIC)[0][2].endswith("(the NULL bounce buffer of DMA channel 0)")
    assert not [record for record in done.records(SLEEP) if record[1] == 0], "it cannot be told to wait"


def test_who_may_wait_has_low_memory_laundered():
    done = ends_well(drive(attach(1, 3, 32, True), transfer(1), inject=in_use(31)))
    assert inits(done) == [(1, 3, 0)]
    assert 0 < done.records(DMA_BUFFER)[0][2] <= 29
    assert [record[2] for record in done.records(SLEEP) if record[1] == 0] == ["pip"]


def test_who_waits_with_a_mutex_held_is_told_by_the_check():
    verdict = judged(drive(attach(1, 3, 32, True, True), inject=in_use(31)))
    assert "I-NOSLEEP" in verdict.names <= {"I-NOSLEEP", "I-ORDER"}


@pytest.mark.parametrize(("channel", "outcome"), [(3, 12), (4, 0)])
def test_the_boundary_is_the_channels(channel, outcome):
    hole = (*in_use(8), *in_use(31, 25))
    assert inits(ends_well(drive(attach(channel, 16, 32), inject=hole))) == [(channel, 16, outcome)]


def test_a_second_driver_of_a_channel_shares_its_buffer_or_panics_the_old_kernel():
    twice = (attach(2, 2, 32), attach(2, 2, 32), transfer(2))
    done = ends_well(drive(*twice))
    assert len(done.records(DMA_BUFFER)) == 1 and done.records(DMA_START)
    assert drive(*twice, forms={"C06": "void"}).records(PANIC)[0][2] == "isa_dmainit: impossible request"


def test_the_macro_warns_and_its_driver_goes_on():
    old = Kernel(routine="isa_old_attach", arguments=(0, 3, 32))
    done = drive(old, transfer(0), inject=in_use(31))
    assert [record[1] for record in done.records(NOTE)] == ["WARNING: isa_dmainit(0, 12288) failed"]
    assert done.records(PANIC)
    assert not ends_well(drive(old, transfer(0))).records(NOTE)


@pytest.mark.parametrize("wait", [False, True])
def test_malloc_that_finds_no_frame_gives_back_what_it_had_or_waits(wait):
    few = (Inject("free-frames", {"frames": 3}),)
    done = drive(attach(0, 8, 32, wait), inject=few)
    if not wait:
        assert inits(ends_well(done)) == [(0, 8, 12)]
        assert free_lists(done).free == 3
    assert bool([record for record in done.records(SLEEP) if record[2] == "v_free_count"]) is wait
