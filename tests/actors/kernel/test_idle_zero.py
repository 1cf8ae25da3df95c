"""The thread that zeroes free pages: how far it goes, where it sleeps, and who wakes it (vm-facts 3.2, 3.16)."""

from __future__ import annotations

import pytest

from actors.kernel import step
from actors.kernel.page_content import zero_unless
from actors.kernel.vm_page import vm_page_free
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup
from protocol.messages.queues import CHAN_ZERO
from protocol.records import FRAME_ZERO, FREE_COUNTS, FREE_PUT, FREE_TAKE, SLEEP, WAKEUP
from protocol.workload import Access, File, Kernel, Mmap, Munmap, Think
from tests.actors.machine_audit import cpus, ends_well, free_lists, queues
from tests.actors.machine_kit import run, workload

FRAMES = 203
FILE = (File("data", 8),)


def zeroed(*steps, idle_zero=True, until_ns=3_000_000, **of):
    return ends_well(run(workload(list(steps), files=FILE), frames=FRAMES, idle_zero=idle_zero, until_ns=until_ns, **of))


def naps(done):
    return [record for record in done.records(SLEEP) if record[2] == CHAN_ZERO]


def test_it_stops_at_the_page_with_which_four_fifths_of_the_free_ones_are_zero():
    done = zeroed(Think(for_ns=100))
    fq = free_lists(done)
    assert fq.zeroed * 5 >= fq.free * 4 > (fq.zeroed - 1) * 5


def test_it_sleeps_then_and_does_not_look_again():
    done = zeroed(Think(for_ns=100))
    assert len(naps(done)) == 1
    assert [chan for chan in queues(done).sleepers if chan == CHAN_ZERO]
    last = max(head[0] for head, _, records in done.entries for record in records if record[0] == FREE_COUNTS)
    (asleep,) = [head[0] for head, _, records in done.entries for record in records if record[0] == SLEEP and record[2] == CHAN_ZERO]
    assert last <= asleep


def test_a_page_freed_wakes_it_when_fewer_than_two_thirds_are_zero():
    """Half of memory is used and given back; its own frames are zeroed again."""
    pages = 100
    use = [Mmap(1000, 1000 + pages), *[Access(1000 + i, write=True) for i in range(pages)], Munmap(1000, 1000 + pages)]
    done = zeroed(Think(for_ns=600_000, cpu=1), *use, Think(for_ns=100_000))
    woken = [(head[0], record) for head, _, records in done.entries for record in records if record[0] == WAKEUP and record[1] == CHAN_ZERO]
    assert woken
    first = woken[0][0]
    free, zero, put, taken = FRAMES, 0, False, 0
    for head, _, records in done.entries:
        if head[0] > first:
            break
        for record in records:
            taken += record[0] == FREE_TAKE
            put = put or (record[0] == FREE_PUT and head[0] > 600_000)
            if record[0] == FREE_COUNTS:
                free, zero = record[1], record[3]
    assert put and zero * 3 < free * 2, "as it was found by whoever freed"
    assert [entry for entry in done.entries if entry[0][0] > first and any(record[0] == FRAME_ZERO for record in entry[2])]
    assert free_lists(done).zeroed * 3 >= free_lists(done).free * 2


@pytest.mark.parametrize(("on", "zero", "reads"), [(False, False, 0), (True, False, 1), (True, True, 0)])
def test_a_free_looks_at_the_counters_only_for_a_sleeper_and_a_page_that_is_not_zero(monkeypatch, on, zero, reads):
    async def free(k):
        await k.acquire("object.1")
        frame = (await k.call("object.1", Lookup(3)))[0]
        await k.acquire(PAGE_QUEUES)
        await zero_unless(k, frame, not zero)
        await vm_page_free(k, frame, "object.1", 3, zero)
        await k.release(PAGE_QUEUES)
        await k.release("object.1")
        return "ok"

    monkeypatch.setitem(step.SCRIPTED, "free", free)
    load = Kernel(routine="page_alloc", arguments=(0, 3, False))
    done = zeroed(Think(for_ns=600_000, cpu=1), load, Kernel(routine="free"), Think(for_ns=100), idle_zero=on)
    late = [record for head, _, records in done.entries for record in records if head[0] > 600_000 and record[0] == FREE_COUNTS]
    assert len(late) == reads


def test_its_sleep_is_no_wait_in_vain():
    done = zeroed(Think(for_ns=100))
    (thread,) = [thread for cpu in cpus(done) for thread in cpu.threads.values() if thread.want.endswith(CHAN_ZERO)]
    assert thread.waiting_since == -1, "it has an end"
