"""The end of a run where everybody must have moved some time after the faults."""

from __future__ import annotations

import msgspec
import pytest

from cluster.engine.clock import NEVER
from cluster.engine.ending import FINISHED, LIMIT, PANIC, STUCK, Status, decide
from cluster.plan import Limits, Liveness

LIVE = Limits(liveness=Liveness(1_000, 500))
WAITER = (3, 1, "pq", 900)


def status(*blocked, owners=(), done=0, panics=()):
    return Status(done, min((row[3] for row in blocked), default=-1), list(panics), 10, blocked=list(blocked), owners=list(owners))


def ending(*statuses, earliest_ns=5_000, edge_ns=2_000, limits=LIVE, tasks=2):
    return decide(statuses, earliest_ns, edge_ns, limits, tasks, None)


def test_who_waits_since_before_the_heal_makes_the_run_stuck():
    found = ending(status(), status(WAITER, owners=[("fq", 9)]), status(owners=[("pq", 7)]))
    assert (found.ended, found.at_ns) == (STUCK, 2_000)
    assert found.why == (
        "500 ns after the faults had ended at 1,000 ns there still waits: thread 3 (task 1) for pq since 900 ns, held by thread 7"
    )


def test_a_thread_that_was_given_what_it_waits_for_never_heard_of_it():
    found = ending(status((3, -1, "map.0", 1_000), owners=[("map.0", 5), ("map.0", 3)]))
    assert found.why.endswith("thread 3 for map.0 since 1,000 ns, which it was given and never heard of")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"earliest_ns": 1_499, "edge_ns": 1_400}, None),
        ({"earliest_ns": 1_500, "edge_ns": 1_400}, STUCK),
        ({"earliest_ns": NEVER, "edge_ns": 1_400}, STUCK),
        ({"limits": Limits()}, None),
        ({"tasks": 0}, FINISHED),
    ],
)
def test_when_it_is_judged(changed, expected):
    """As soon as nothing can happen any more before the bound: the earliest event of all lies behind it."""
    found = ending(status(WAITER), **changed)
    assert (found.ended if found else None) == expected


def test_what_began_to_wait_after_the_heal_has_moved():
    assert ending(status((3, 1, "pq", 1_001))) is None


def test_a_panic_and_the_end_of_all_work_come_first():
    assert ending(status(WAITER, panics=[("cpu.0", "no")])).ended == PANIC
    assert ending(status(WAITER, done=2)).ended == FINISHED
    assert decide([status(WAITER)], 5_000, 2_000, LIVE, 2, (7, 1, 0, "a", "b", 1)).ended == LIMIT


def test_many_are_counted_and_the_first_of_them_told():
    found = ending(status(*[(tid, -1, "pq", 10) for tid in range(9, 0, -1)]))
    assert "there still wait: thread 1 for pq since 10 ns; thread 2" in found.why
    assert found.why.endswith("thread 4 for pq since 10 ns; and 5 more")


def test_limits_without_liveness_are_encoded_as_they_were():
    """A plan's digest is over its encoding: a run that does not ask for liveness keeps the digest it had."""
    assert "liveness" not in msgspec.to_builtins(Limits())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(LIVE), type=Limits) == LIVE
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(Limits()), type=Limits) == Limits()
