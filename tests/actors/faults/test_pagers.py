"""A device that is slow for a while, and what goes wrong with single requests."""

from __future__ import annotations

import msgspec
import pytest

from actors.homes.pagers import Pager
from protocol.faults import Fault
from protocol.messages import Reply
from protocol.messages.device import NEVER, TORN, WRONG, DeviceTimer, PagerDone, PagerFree, PagerMove, PagerRead, PagerWrite
from protocol.pages import VALID_ALL
from protocol.records import PAGER_START, PAGER_TORN
from tests.actors.fake_port import Bench, restored
from tests.actors.faults.kit import Afflicted

SLOW = Fault("x", "pager-slow", pager="swap", percent=500, at_ns=1000, duration_ns=100)


def swap(depth=2):
    return Pager(name="pager.1", service_ns=5, read_ns=80, write_ns=40, depth=depth, swap=True)


def ask(bench, op, thread=1):
    bench.give(msgspec.structs.replace(op, thread=thread, reply=isinstance(op, PagerRead)), "cpu.0")


def finish(bench):
    """Let the device end everything it has begun; the answers to reads, and whether writes went well."""
    timers, bench.port.timers = bench.port.timers, []
    for message, _ in timers:
        bench.give(message, "pager.1")
    answers = [message.value for _, message, _ in bench.take_sent() if isinstance(message, Reply)]
    done = [message.ok for _, message, _ in bench.port.interrupts if isinstance(message, PagerDone)]
    bench.port.interrupts = []
    return answers + done


@pytest.mark.parametrize(("now_ns", "takes_ns"), [(999, 80), (1000, 400), (1099, 400), (1100, 80)])
def test_a_slow_device_takes_longer_for_what_it_begins_then(now_ns, takes_ns):
    bench = Afflicted(swap(), SLOW)
    bench.port.clock.now = now_ns
    ask(bench, PagerRead("object.1", 3))
    assert bench.port.timers == [(DeviceTimer(1), takes_ns)]


def test_a_request_without_an_end_keeps_its_place_at_the_device():
    bench = Bench(swap(depth=1))
    ask(bench, PagerRead("object.1", 3, flaw=NEVER))
    ask(bench, PagerRead("object.1", 4), thread=2)
    assert [record[0] for record in bench.take_records()] == [PAGER_START]
    assert (bench.port.timers, len(bench.home.waiting)) == ([], 1)


def write(bench, *pages, flaw="", obj="object.1"):
    ask(bench, PagerWrite(obj, pages, flaw=flaw))
    assert finish(bench) == [True]


def read(bench, pindex, flaw="", obj="object.1"):
    ask(bench, PagerRead(obj, pindex, flaw=flaw))
    return finish(bench)[0]


def test_wrong_data_is_the_next_page_and_says_so():
    bench = Bench(swap())
    write(bench, (3, 30), (4, 40))
    assert read(bench, 3) is True
    assert read(bench, 3, WRONG) == ("object.1", 4, VALID_ALL)
    assert read(bench, 3) is True


def test_of_a_torn_write_the_first_half_reaches_the_device():
    bench = Bench(swap())
    write(bench, (3, 30), (4, 40), (5, 50), flaw=TORN)
    torn = [record for record in bench.take_records() if record[0] == PAGER_TORN]
    assert torn == [(PAGER_TORN, 40, "object.1", 4, 0x0F), (PAGER_TORN, 50, "object.1", 5, 0)]
    assert [read(bench, pindex) for pindex in (3, 4, 5)] == [True, ("object.1", 4, 0x0F), ("object.1", 5, 0)]


def test_what_is_torn_is_whole_when_it_is_written_again():
    bench = Bench(swap())
    write(bench, (3, 30), flaw=TORN)
    assert read(bench, 3) == ("object.1", 3, 0x0F)
    write(bench, (3, 30))
    assert read(bench, 3) is True


def test_a_write_that_fails_tears_nothing():
    bench = Bench(swap())
    ask(bench, PagerWrite("object.1", ((3, 30),), fail=True, flaw=TORN))
    assert finish(bench) == [False]
    assert not bench.home.torn


def test_what_is_torn_moves_with_its_block_and_goes_with_it():
    bench = Bench(swap())
    write(bench, (3, 30), flaw=TORN)
    write(bench, (5, 50), flaw=TORN)
    assert bench.ask(PagerMove("object.1", "object.2", 2, 10), locked=False) == 2
    assert [read(bench, pindex, obj="object.2") for pindex in (1, 3)] == [("object.2", 1, 0x0F), ("object.2", 3, 0x0F)]
    bench.ask(PagerFree("object.2", 0, 2), locked=False)
    assert bench.home.torn.pieces == {"object.2": {3: 0x0F}}
    assert restored(bench.home) == bench.home


def test_a_file_s_device_can_tear_too():
    bench = Bench(Pager(name="pager.0", service_ns=5, read_ns=80, write_ns=40, depth=2))
    write(bench, (3, 30), flaw=TORN)
    assert read(bench, 3) == ("object.1", 3, 0x0F)
