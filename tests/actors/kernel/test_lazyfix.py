"""pmap_lazyfix: before a pmap goes, no CPU has it loaded any more (vm-facts 3.15)."""

from __future__ import annotations

import pytest

from protocol.messages.processor import LAZYPMAP
from protocol.records import IPI_DELIVER, IPI_SEND, PMAP_ACTIVE, SWITCH, TLB_FLUSH
from protocol.workload import Access, Exec, Exit, Fork, Mmap, Think
from tests.actors.machine_audit import ends_well, pmaps
from tests.actors.machine_kit import judged, run, workload

LATER = Think(for_ns=100_000, delay_ns=50_000)


def lazily_left(pmap="i386", cpus=3):
    """A task with a thread on each of three CPUs: two end and leave their CPUs idle with the space loaded, the third ends last."""
    first = [Mmap(0x100, 0x104), Access(0x100, write=True), Fork(1, "thread"), Fork(2, "thread"), LATER, Exit()]
    others = [[Access(0x101, write=True, cpu=1), Exit(cpu=1)], [Access(0x102, write=True, cpu=2), Exit(cpu=2)]]
    work = workload(first, *others, parents=(-1, 0, 0))
    return run(work, pmap=pmap, cpus=cpus)


def test_each_cpu_that_has_it_loaded_lazily_is_interrupted_once():
    done = ends_well(lazily_left())
    sent = [record[2:4] for record in done.records(IPI_SEND) if record[1] == LAZYPMAP]
    assert sent == [(1, "pmap.0"), (2, "pmap.0")]
    assert [record[1] for record in done.records(IPI_DELIVER)].count(LAZYPMAP) == 2
    assert pmaps(done)["pmap.0"].active == []
    assert all(done.actors[f"cpu.{cpu}"].loaded == "" for cpu in range(3))
    assert judged(done).violations == []


def test_the_cpu_itself_comes_first_and_needs_no_interrupt():
    done = lazily_left()
    cleared = [record[1] for record in done.records(PMAP_ACTIVE) if not record[2]]
    assert cleared == [0, 1, 2]
    assert len([record for record in done.records(TLB_FLUSH) if record[1:4] == ("", 0, 0)]) >= 6


@pytest.mark.parametrize("pmap", ["amd64", "alpha"])
def test_others_leave_it_loaded(pmap):
    done = ends_well(lazily_left(pmap))
    assert not [record for record in done.records(IPI_SEND) if record[1] == LAZYPMAP]
    assert pmaps(done)["pmap.0"].active == [0, 1, 2]


def test_a_space_left_by_exec_is_loaded_nowhere():
    steps = [Mmap(0x100, 0x102), Access(0x100), Exec(((0x200, 0x202, 3, -1, 0, False),)), Access(0x200), Exit()]
    done = ends_well(run(workload(steps), pmap="i386"))
    assert all(pmap.active == [] for pmap in pmaps(done).values())
    assert len(pmaps(done)) == 2
    assert done.records(SWITCH)
