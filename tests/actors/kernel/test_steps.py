"""The steps of faults and of munmap in order, locks included, on freebsd-2006 and on repaired (vm-facts 3.9, 3.14, 3.15)."""

from __future__ import annotations

import pytest

from protocol.records import TASK_END
from protocol.workload import Access, File, Fork, Mmap, Munmap, Think
from tests.actors.machine_kit import all_done, outcomes, run, step_words, workload

LIB = File("lib", 40)
DROP = (
    "task.step", "task.end", "compute", "object.refs", "page.act", "page.flags", "pte.bits", "switch", "pt.refs", "alloc.colour",
    "frame.zero", "frame.copy", "frame.fill", "object.new", "object.tree", "object.flags",
)  # fmt: skip
KERNELS = ("freebsd-2006", "repaired")

ENTER_IT = ["enter", "+pq", "+pmap", "pte.set", "-pq", "-pmap", "leave", "page.pv-add"]
"""pmap_enter."""
ENTER_DIRTY = ["enter", "page.dirty", *ENTER_IT[1:]]
"""A written page is said to be dirty by a posted message, which arrives meanwhile."""
FINISH = ["+obj", "+pq", "-pq", "-obj", "-map", "fault.done", "leave", "object.pip", "page.queue", "page.unbusy", "tlb.fill"]
TAKE_A_PAGE = ["peek", "free.counts", "+fq", "free.take", "page.bind", "-fq", "object.insert"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_zero_fill_fault(kernel):
    done = run(workload([Mmap(1000, 1010), Access(1001, write=True), Access(1000, write=True)]), kernel)
    assert outcomes(done) == ["zero-fill", "zero-fill"]
    assert step_words(done, 2, drop=DROP) == [
        "enter", "+map", "+obj", "object.pip", *TAKE_A_PAGE, "object.valid", "+pq", "-pq", "-obj", *ENTER_DIRTY, *FINISH,
        "store",
    ]  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
def test_soft_fault_on_a_resident_page(kernel):
    steps = [Mmap(1000, 1010, file=0, prot=1), Access(1000), Mmap(2000, 2010, file=0, prot=1), Access(2001), Access(2000)]
    done = run(workload(steps, files=(LIB,)), kernel)
    assert outcomes(done) == ["soft", "soft", "soft"]
    claim = ["+pq", "-pq", "page.queue", "page.busy", "-obj"]
    found = step_words(done, 4, drop=DROP)
    assert found[:4] == ["enter", "+map", "+obj", "object.pip"]
    assert sorted(found[4:9]) == sorted(claim)
    assert found[9:] == [*ENTER_IT, *FINISH]


@pytest.mark.parametrize("kernel", KERNELS)
def test_copy_on_write_fault(kernel):
    steps = [Mmap(1000, 1010, file=0), Access(1001, write=True), Access(1000, write=True)]
    done = run(workload(steps, files=(LIB,)), kernel)
    assert outcomes(done) == ["cow", "cow"]
    assert step_words(done, 2, drop=DROP) == [
        "enter", "+map", "+obj", "object.pip", *TAKE_A_PAGE,
        "+obj", "-obj", "object.pip", *TAKE_A_PAGE, "object.valid",
        "+pq", "-pq", "-obj", "object.pip", "page.queue", "page.unbusy",
        "+obj", "object.valid", "+pq", "-pq", "-obj", *ENTER_DIRTY, *FINISH, "store",
    ]  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
def test_hard_fault_drops_map_and_object_around_the_read(kernel):
    steps = [Mmap(1000, 1010, file=0, prot=1), Access(1001), Access(1000, cold=True)]
    done = run(workload(steps, files=(LIB,)), kernel)
    assert outcomes(done) == ["soft", "hard"]
    assert step_words(done, 2, drop=DROP) == [
        "enter", "+map", "+obj", "object.pip", *TAKE_A_PAGE, "-map", "-obj", "pager.start", "pager.done",
        "+obj", "object.valid", "+map", "-obj", *ENTER_IT, *FINISH,
    ]  # fmt: skip


def unmapping(kernel):
    """munmap of one page that a thread on the other CPU has in its TLB."""
    first = [
        Mmap(1000, 1100), Access(1000, write=True, cpu=0), Access(1001, write=True, cpu=0), Fork(1, "thread"),
        Munmap(1000, 1001, cpu=0, at_ns=200_000),
    ]  # fmt: skip
    second = [Access(1000, cpu=1), Think(1_000_000)]
    done = run(workload(first, second, parents=(-1, 0)), kernel)
    assert all_done(done)
    return step_words(done, 4, drop=DROP)


SHOOT = [
    "+smp", "shootdown.begin", "tlb.flush", "ipi.send", "shootdown.arm", "ipi.deliver", "tlb.flush", "shootdown.ack",
    "shootdown.done", "-smp",
]  # fmt: skip
FREE_IT = ["+obj", "+pq", "object.remove", "page.queue", "page.release", "+fq", "-fq", "-pq", "free.put", "-obj", "-map", "leave"]


def test_munmap_with_a_remote_cpu_on_repaired_keeps_the_page_queues_until_every_cpu_has_acknowledged():
    assert unmapping("repaired") == [
        "enter", "+map", "map.remove", "+pq", "+pmap", "pte.clear", "page.pv-del", *SHOOT, "-pq", "-pmap", *FREE_IT,
    ]  # fmt: skip


def test_munmap_on_freebsd_2006_peeks_at_resident_count_and_drops_the_page_queues_before_the_shootdown():
    assert unmapping("freebsd-2006") == [
        "enter", "+map", "map.remove", "peek", "+pq", "+pmap", "pte.clear", "-pq", "page.pv-del", *SHOOT, "-pmap", *FREE_IT,
    ]  # fmt: skip


def test_every_task_reports_its_end():
    done = run(workload([Mmap(1, 2)], [Mmap(1, 2)]))
    assert [record[1] for record in done.records(TASK_END)] == [0, 1]
