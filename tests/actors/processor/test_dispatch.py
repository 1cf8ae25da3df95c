"""Context switches: who runs, whose address space is loaded, and in which order pm_active changes (R03)."""

from __future__ import annotations

import pytest

from actors.processor.state import KERNEL_TIDS, KERNEL_TIDS_EACH
from protocol.records import PMAP_ACTIVE, SWITCH, TLB_FILL, TLB_FLUSH
from protocol.workload import Access, Mmap, Think
from tests.actors.machine_kit import all_done, between, run, workload

ONE_CPU = {"cpus": 1}


def two_spaces():
    """Two tasks with a space each take turns on one CPU."""
    return workload(
        [Mmap(1000, 1010), Access(1000, write=True), Access(1001, write=True, at_ns=100_000)],
        [Mmap(1000, 1010), Access(1000, write=True, at_ns=50_000), Access(1001, write=True, at_ns=150_000)],
    )


def test_tasks_take_turns_and_find_their_own_space_loaded():
    done = run(two_spaces(), **ONE_CPU)
    assert all_done(done)
    loads = [record for record in done.records(TLB_FLUSH) if record[4] == "load"]
    assert len(loads) == 6
    filled = [(record[1], record[2]) for record in done.records(TLB_FILL)]
    assert filled == [("pmap.0", 1000), ("pmap.1", 1000), ("pmap.0", 1001), ("pmap.1", 1001)]


def test_a_kernel_thread_borrows_the_space_that_is_loaded():
    done = run(two_spaces(), **ONE_CPU)
    daemon = [record for record in done.records(SWITCH) if int(record[2]) >= 1 << 24]
    assert daemon
    assert all(record[3] in ("", "pmap.0", "pmap.1") for record in daemon)


@pytest.mark.parametrize(("preset", "first"), [("repaired", ("pmap.1", True)), ("freebsd-2006", ("pmap.0", False))])
def test_the_order_of_pm_active_is_that_of_r03s_form(preset, first):
    done = run(two_spaces(), preset, **ONE_CPU)
    sent = sorted(
        (head[5], head[3], record[2])
        for head, _, records in done.entries for record in records
        if record[0] == PMAP_ACTIVE and head[0] > 40_000
    )  # fmt: skip
    changes = [(pmap, active) for _, pmap, active in sent]
    assert changes[0] == first
    assert sorted(changes[:2]) == [("pmap.0", False), ("pmap.1", True)]


def test_with_r03_open_the_first_walk_may_come_before_the_bit():
    done = run(two_spaces(), "freebsd-2006", **ONE_CPU)
    events = [
        (head[3], record[0])
        for head, word, records in done.entries
        for record in records or [(0,)]
        if head[0] > 50_000 and (record[0] == PMAP_ACTIVE or word == "pmap.walk")
    ]
    ours = [number for actor, number in events if actor == "pmap.1"]
    assert ours[0] != PMAP_ACTIVE
    assert ours[1] == PMAP_ACTIVE


def test_a_task_that_waits_for_its_time_gives_the_cpu_to_one_that_is_ready():
    done = run(workload([Think(1000, at_ns=500_000)], [Think(1000, at_ns=100_000), Think(1000)]), **ONE_CPU)
    assert all_done(done)
    pairs = between(done, SWITCH, SWITCH, -1)
    assert pairs


def test_a_step_recorded_on_another_cpu_makes_the_task_migrate():
    done = run(workload([Mmap(1000, 1010, cpu=0), Access(1000, write=True, cpu=1), Access(1000, cpu=0)]))
    assert all_done(done)
    fills = [head[3] for head, _, records in done.entries for record in records if record[0] == TLB_FILL]
    assert fills == ["cpu.1", "cpu.0"]


def test_a_new_kernel_thread_takes_no_living_ones_number():
    """The page daemon lives as long as the machine, however many interrupts its CPU has handled meanwhile."""
    done = run(workload([Mmap(1000, 1001), Access(1000, write=True)]))
    cpu = done.actors["cpu.0"]
    (daemon,) = cpu.threads
    cpu.kernel_threads = daemon - KERNEL_TIDS
    first, second = (cpu.new_kernel_thread("idle", ()).tid for _ in range(2))
    assert [first, second] == [daemon + 1, daemon + 2]
    cpu.kernel_threads = KERNEL_TIDS_EACH - 1
    numbers = [cpu.new_kernel_thread("idle", ()).tid - KERNEL_TIDS for _ in range(2)]
    assert numbers == [KERNEL_TIDS_EACH - 1, daemon + 3 - KERNEL_TIDS]
