from __future__ import annotations

import pytest

from cluster.faults.firings import why_silent
from cluster.faults.watch import Turn, summed
from protocol.faults import Fault, When


def test_counts_of_several_workers_are_added_by_name():
    assert summed([{"a": Turn(5, 2)}, {"a": Turn(1, 0), "nap": Turn(0, 1)}]) == {"a": Turn(6, 2), "nap": Turn(0, 1)}


@pytest.mark.parametrize(
    ("fault", "matched", "why"),
    [
        (Fault("x", "lose"), 0, "no message matched its predicate"),
        (Fault("x", "lose", When(until_ns=5)), 0, "no message matched its predicate in its time"),
        (Fault("x", "lose", When(nth=3)), 7, "its predicate matched 7 times, and at no receiver 3 times (nth)"),
        (Fault("x", "lose", When(every=3)), 2, "its predicate matched 2 times, and at no receiver 3 times (every)"),
        (Fault("x", "lose", When(from_ns=2_000)), 0, "it begins at 2,000 ns, and the run ended at 1,000 ns"),
        (Fault("x", "stall", at_ns=1_000), 0, "it begins at 1,000 ns, and the run ended at 1,000 ns"),
        (Fault("x", "partition", side=("a",), at_ns=10, duration_ns=5), 0, "no message matched its predicate in its time"),
    ],
)
def test_why_a_fault_never_fired(fault, matched, why):
    assert why_silent(fault, matched, 1_000) == why
