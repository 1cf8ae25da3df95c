"""Pagers: latency, the device's queue, swap blocks, errors, completion of writes."""

from __future__ import annotations

import pytest

from actors.homes.pagers import Pager
from protocol.messages import Reply
from protocol.messages.device import DeviceTimer, PagerDone, PagerFree, PagerHas, PagerRead, PagerWrite
from protocol.records import PAGER_DONE, PAGER_START
from tests.actors.fake_port import Bench, restored

OBJ = "object.1.cpu.0"


def bench(swap: bool = False, depth: int = 2) -> Bench:
    return Bench(Pager(name="pager.1", service_ns=5, read_ns=100, write_ns=40, depth=depth, swap=swap))


def read(thread: int, pindex: int = 0, **more: object) -> PagerRead:
    return PagerRead(OBJ, pindex, thread=thread, **more)


def write(*pindexes: int, fail: bool = False) -> PagerWrite:
    return PagerWrite(OBJ, tuple((p, p + 500) for p in pindexes), fail, thread=1, reply=False)


def finish(b: Bench, number: int) -> None:
    b.give(DeviceTimer(number), b.home.name)


def test_a_read_is_answered_after_the_devices_time():
    b = bench()
    b.give(read(7, 3, count=2), "cpu.1")
    assert b.take_sent() == []
    assert b.port.timers == [(DeviceTimer(1), 100)]
    finish(b, 1)
    assert b.take_sent() == [("cpu.1", Reply(7, True), 5)]
    assert b.take_records() == [(PAGER_START, "read", OBJ, 3, 2), (PAGER_DONE, "read", OBJ, 3, 2, True)]


def test_a_write_ends_with_an_interrupt():
    b = bench()
    b.give(write(3, 4), "cpu.1")
    assert b.port.timers == [(DeviceTimer(1), 40)]
    finish(b, 1)
    assert b.take_sent() == []
    assert b.port.interrupts == [("cpu.1", PagerDone(OBJ, ((3, 503), (4, 504)), True), 5)]
    assert b.take_records() == [(PAGER_START, "write", OBJ, 3, 2), (PAGER_DONE, "write", OBJ, 3, 2, True)]


def test_the_answer_to_a_write_says_only_that_it_is_queued():
    b = bench()
    assert b.ask(PagerWrite(OBJ, ((3, 4),))) is None
    assert b.port.interrupts == []


def test_only_so_many_requests_are_worked_on_at_once_in_order_of_arrival():
    b = bench(depth=2)
    for thread in (1, 2, 3, 4):
        b.give(read(thread, thread), "cpu.0")
    assert [t.request for t, _ in b.port.timers] == [1, 2]
    assert [r[3] for r in b.take_records()] == [1, 2], "a request that waits has not begun"
    finish(b, 2)
    assert [m for _, m, _ in b.take_sent()] == [Reply(2, True)]
    assert [t.request for t, _ in b.port.timers] == [1, 2, 3]
    assert b.take_records() == [(PAGER_DONE, "read", OBJ, 2, 1, True), (PAGER_START, "read", OBJ, 3, 1)]
    finish(b, 1)
    finish(b, 3)
    finish(b, 4)
    assert [m.thread for _, m, _ in b.take_sent()] == [1, 3, 4]
    assert b.home.working == {} and b.home.waiting == []


def test_a_file_has_every_page_and_swap_what_was_written():
    assert bench().ask(PagerHas(OBJ, 10**6)) is True
    b = bench(swap=True)
    assert b.ask(PagerHas(OBJ, 3)) is False
    b.give(write(3, 4, 90), "cpu.0")
    assert b.ask(PagerHas(OBJ, 3)) is False, "not before the write has ended"
    finish(b, 1)
    assert [b.ask(PagerHas(OBJ, p)) for p in (3, 4, 5, 90)] == [True, True, False, True]
    assert b.ask(PagerHas("object.2.cpu.0", 3)) is False
    b.ask(PagerFree(OBJ, 0, 50))
    assert [b.ask(PagerHas(OBJ, p)) for p in (3, 4, 90)] == [False, False, True]
    b.ask(PagerFree(OBJ, 0, 1 << 52))
    assert b.home.blocks == {}
    b.ask(PagerFree(OBJ, 0, 1 << 52))


@pytest.mark.parametrize("swap", [False, True])
def test_an_error_is_told_to_who_asked(swap):
    b = bench(swap)
    b.give(read(7, fail=True), "cpu.0")
    b.give(write(3, fail=True), "cpu.1")
    finish(b, 1)
    finish(b, 2)
    assert b.take_sent() == [("cpu.0", Reply(7, False), 5)]
    assert b.port.interrupts[0][1].ok is False
    assert [r[-1] for r in b.take_records()[2:]] == [False, False]
    assert b.ask(PagerHas(OBJ, 3)) is not swap, "a failed write leaves no block"


def test_swap_cannot_read_what_was_never_written():
    b = bench(swap=True)
    b.give(read(7, 3, count=2), "cpu.0")
    finish(b, 1)
    assert b.take_sent()[0][1] == Reply(7, False)
    b.give(write(3, 4), "cpu.0")
    finish(b, 2)
    b.give(read(7, 3, count=2), "cpu.0")
    finish(b, 3)
    assert b.take_sent()[0][1] == Reply(7, True)


def test_state_survives_a_snapshot():
    b = bench(swap=True, depth=1)
    b.give(write(3, 4), "cpu.0")
    finish(b, 1)
    b.give(read(1, 3), "cpu.0")
    b.give(write(5), "cpu.0")
    assert b.home.working and b.home.waiting and b.home.blocks
    assert restored(b.home) == b.home
