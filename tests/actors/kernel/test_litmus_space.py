"""I/O on a page of an address space, as a random workload does it: what it finds the page doing is no business of its caller."""

from __future__ import annotations

import pytest

from protocol.messages.pages import page_channel
from protocol.pages import CACHE, INACTIVE
from protocol.records import PAGE_BUSY, PAGE_QUEUE, SLEEP
from protocol.workload import Access, Exit, File, Fork, Hold, Inject, Kernel, Mmap, Think
from tests.actors.machine_kit import all_done, judged, run, step_words, workload

FILE = File("one", 4)
VPN = 0x400


def io(at_ns, vpn=VPN):
    return Kernel(routine="space_page_io", arguments=(vpn,), at_ns=at_ns, holds=(Hold("space_page_io.busy", for_ns=100_000),))


def test_a_page_that_is_busy_is_waited_for():
    first = [Mmap(VPN, VPN + 1), Access(VPN, write=True), Fork(1, "thread"), io(50_000), Exit()]
    done = run(workload(first, [Think(for_ns=1, cpu=1), io(60_000), Exit()], parents=(-1, 0)), cpus=2)
    assert all_done(done)
    assert judged(done).names == set()
    (frame,) = {record[1] for record in done.records(PAGE_BUSY)}
    assert [record[1] for record in done.records(SLEEP) if record[2] == page_channel(frame)] == [1]
    assert [record[2] for record in done.records(PAGE_BUSY)] == [0, 1]


def test_a_page_leaves_the_cache_queue_for_it():
    page = Inject("file-page", {"file": 0, "pindex": 0, "queue": "cache"})
    done = run(workload([Mmap(VPN, VPN + 1, file=0, shared=True), io(50_000), Exit()], files=(FILE,), inject=(page,)))
    assert all_done(done)
    assert judged(done).names == set()
    assert [record[2:4] for record in done.records(PAGE_QUEUE)][-1] == (CACHE, INACTIVE)


@pytest.mark.parametrize("mapped", [(), (Mmap(VPN, VPN + 1),)], ids=["not-mapped", "not-resident"])
def test_where_there_is_no_page_there_is_no_io(mapped):
    done = run(workload([*mapped, io(50_000), Exit()]))
    assert all_done(done)
    assert done.records(PAGE_BUSY) == []
    assert "held" not in step_words(done, len(mapped))
