"""Steps: order, delay, expectation, what becomes of a recorded fault, and pages that are touched again (design 7)."""

from __future__ import annotations

import pytest

from protocol.records import EXPECTED, MAP_ADD, RETOUCH, TASK_END, TASK_MOVE, TASK_STEP, TLB_HIT
from protocol.workload import Access, Brk, Exec, Exit, File, Fork, Mmap, Munmap, Think
from tests.actors.machine_audit import ends_well
from tests.actors.machine_kit import run, workload

LIB = File("lib", 16)


def begins(done, task):
    """When each step of a task began."""
    return [head[0] for head, _, records in done.entries for record in records if record[0] == TASK_STEP and record[1] == task]


def done_with(*tasks, parents=(), options=None, **of):
    return ends_well(run(workload(*tasks, parents=parents, files=(LIB,)), options=options, **of))


# When -------------------------------------------------------------------------------------------------------------------------


def test_a_step_begins_at_its_time_or_when_the_one_before_has_ended():
    done = done_with([Think(for_ns=50_000), Think(for_ns=10, at_ns=20_000), Think(for_ns=10, at_ns=90_000)])
    first, second, third = begins(done, 0)
    assert second >= first + 50_000
    assert third == 90_000
    assert [record[4] for record in done.records(TASK_STEP)] == [first, second - 20_000, 0], "how late each was"


def test_a_delayed_step_leaves_the_cpu_to_others():
    slow = [Think(for_ns=10), Think(for_ns=10, delay_ns=100_000)]
    done = done_with(slow, [Think(for_ns=30_000)])
    ended = {record[1]: head[0] for head, _, records in done.entries for record in records if record[0] == TASK_END}
    assert ended[1] < 50_000
    assert ended[0] > 100_000


def test_a_step_waits_for_all_that_it_must_follow_and_its_delay_comes_after_them():
    first = [Think(for_ns=40_000, announced=True, cpu=0)]
    second = [Think(for_ns=70_000, announced=True, cpu=1)]
    third = [Mmap(1000, 1010, after=((0, 0), (1, 0)), delay_ns=5_000, cpu=0)]
    done = done_with(first, second, third)
    (mapped,) = [head[0] for head, _, records in done.entries for record in records if record[0] == MAP_ADD]
    assert mapped > 75_000


def test_what_was_announced_before_it_was_asked_for_is_not_waited_for():
    done = done_with([Think(for_ns=10, announced=True)], [Think(for_ns=10, at_ns=300_000, after=((0, 0),), cpu=1)])
    assert begins(done, 1)[0] <= 300_000 + 600, "a context switch at most"


def test_the_teardown_of_an_exit_is_over_before_it_is_announced():
    last = [Mmap(1000, 1100, after=((0, 2),), cpu=1)]
    done = done_with([Mmap(1000, 1200), Mmap(1000, 1100, populate=True), Exit(announced=True)], last)
    frames = [head[0] for head, _, records in done.entries for record in records if record[0] == 41]
    (mapped,) = [head[0] for head, _, records in done.entries for record in records if record[0] == MAP_ADD and head[3] == "map.1"]
    assert max(frames) < mapped


def test_a_task_moves_to_the_cpu_of_its_next_step():
    done = done_with([Think(for_ns=10, cpu=0), Think(for_ns=10, cpu=1), Think(for_ns=10, cpu=5)])
    assert [record[1:] for record in done.records(TASK_MOVE)] == [(0, 1)], "CPU 5 is CPU 1 on a machine of two"


# Expectations -----------------------------------------------------------------------------------------------------------------


def test_an_expectation_is_recorded_beside_what_was_found():
    steps = [
        Mmap(1000, 1010, file=0), Access(1000, expect="soft"), Access(1000, expect="hit"), Access(1000, write=True, expect="cow"),
        Access(1001, cold=True, expect="hard"), Mmap(2000, 2001), Access(2000, write=True, expect="cow"), Access(3000, expect="segv"),
    ]  # fmt: skip
    done = done_with(steps)
    told = [(record[3], record[4]) for record in done.records(EXPECTED)]
    assert told == [
        ("soft", "soft"), ("hit", "hit"), ("cow", "cow"), ("hard", "hard"), ("cow", "zero-fill"), ("segv", "segv"),
    ]  # fmt: skip


# Recorded faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "present", "reason"),
    [(True, True, "zero_page"), (False, True, "present"), (False, False, "earlier"), (True, False, "earlier")],
)
def test_a_recorded_fault_that_the_model_does_not_need_is_counted_with_its_reason(write, present, reason):
    again = Access(1000, write=write, present=present, recorded=True)
    done = done_with([Mmap(1000, 1010), Access(1000, write=True, recorded=True), again])
    assert [record[1:] for record in done.records(TLB_HIT)] == [(0, 1000, reason)]


def test_a_recorded_fault_outside_every_known_mapping_belongs_to_an_earlier_one():
    done = done_with([Mmap(1100, 1200), Access(1050, write=True, recorded=True), Access(1051, write=True, recorded=True), Exit()])
    assert [(record[1], record[2]) for record in done.records(MAP_ADD)] == [(1100, 1200), (1024, 1100)], "the gap in its 2 MB block"


def test_an_access_that_nobody_recorded_is_not_forgiven():
    done = done_with([Mmap(1100, 1200), Access(1050, write=True, expect="segv"), Exit()])
    assert len(done.records(MAP_ADD)) == 1


# Pages touched again ----------------------------------------------------------------------------------------------------------


def retouched(done):
    return [(record[2], record[4]) for record in done.records(RETOUCH)]


def test_retouch_touches_pages_that_the_task_touched_before():
    steps = [Mmap(1000, 1020), *[Access(1000 + i, write=True) for i in range(20)]]
    done = done_with(steps, options={"retouch": 2})
    assert len(retouched(done)) == 2 * 19
    seen = {vpn for vpn, _ in retouched(done)}
    assert seen <= set(range(1000, 1020))
    assert len(seen) > 5
    assert not done_with(steps).records(RETOUCH)


def test_another_seed_touches_other_pages():
    steps = [Mmap(1000, 1020), *[Access(1000 + i, write=True) for i in range(20)]]
    one, two, again = (retouched(done_with(steps, options={"retouch": 2}, seed=seed)) for seed in (1, 2, 1))
    assert one != two
    assert one == again


@pytest.mark.parametrize(
    "gone",
    [[Munmap(1000, 1020)], [Brk(2000, 2020), Brk(2020, 2000)], [Exec(((1000, 1001, 3, -1, 0, False),))]],
    ids=["munmap", "brk", "exec"],
)
def test_a_page_whose_mapping_went_is_not_touched_again(gone):
    before = [Mmap(1000, 1020), *[Access(1000 + i, write=True) for i in range(20)]]
    if isinstance(gone[0], Brk):
        before = [gone[0], *[Access(2000 + i, write=True) for i in range(20)]]
    after = [Mmap(5000, 5010), *[Access(5000 + i, write=True) for i in range(10)]]
    done = done_with([*before, gone[-1], *after, Exit()], options={"retouch": 4})
    assert {outcome for _, outcome in retouched(done)} <= {"hit", "zero-fill"}
    assert {vpn for vpn, _ in retouched(done)[-36:]} <= set(range(5000, 5010))


def test_a_page_that_another_cpus_thread_unmapped_is_tried_at_most_once():
    first = [Mmap(1000, 1010), Fork(1, "thread"), Munmap(1000, 1010, at_ns=100_000), Think(for_ns=10, at_ns=900_000)]
    second = [*[Access(1000 + i, write=True, cpu=1) for i in range(10)], Mmap(2000, 2040, at_ns=200_000)]
    second += [Access(2000 + i, write=True) for i in range(40)]
    done = done_with(first, second, parents=(-1, 0), options={"retouch": 4})
    lost = [vpn for vpn, outcome in retouched(done) if outcome == "segv"]
    assert lost
    assert len(lost) == len(set(lost))


def test_an_access_that_failed_is_not_remembered():
    done = done_with([Mmap(1000, 1010), Access(3000), *[Access(1000 + i, write=True) for i in range(10)]], options={"retouch": 4})
    assert 3000 not in {vpn for vpn, _ in retouched(done)}
