"""What faults of the machine's parts remember is state: a run cut off while one acts, and continued from the snapshot, goes on the same.

Each scenario of these faults is snapshotted right after each of its first firings and some times later, in one engine, so that every edge
is where a fault acts: edges drawn over a whole run (``tests/promises/test_snapshots.py``) seldom are. What replaces an actor's methods is
no state; these runs fail if it is not put in place again, and each of these was left out of the snapshot once: that a CPU is halted, the
interrupts that wait at it, a lock's second owner, frames set aside, the occasions counted so far. (What a torn write has left is looked at
where it is: ``tests/actors/faults/test_pagers.py``.)
"""

from __future__ import annotations

import pytest

from cluster.engine.codec import Codec
from cluster.engine.engine import Engine, Place
from cluster.engine.models import build
from cluster.engine.snapshot import Point, restore, take
from cluster.faults.inject import install
from cluster.recording.recorder import RecorderState
from cluster.scenario import load
from protocol.records import FAULT_FIRED

AFTER_NS = (1, 400, 30_000)
"""So long after a firing the run is cut off."""
CASES = [
    "cpu-slow", "cpu-offline", "interrupt-storm", "vcpu-preempted", "ipi-acked-early", "tlb-stale-entry", "tlb-wrong-range",
    "lock-released-early", "lock-granted-twice", "wakeup-lost", "wakeup-spurious", "pager-slow", "pager-never", "pager-wrong-data",
    "memory-fragmented", "allocation-failure",
]  # fmt: skip
UNTIL_NS = 3_000_000


class Runs:
    """A scenario's model, as often as it is wanted."""

    def __init__(self, name, sets=()):
        scenario = load(name, list(sets))
        self.workload = scenario.compile(1)
        self.plan = scenario.to_plan(1, workload=self.workload)

    def engine(self, queue=True):
        """A fresh engine, its injector and what it starts with."""
        boot = build(self.plan.model, self.workload)
        engine = Engine(1, Place(0, 1, dict.fromkeys(boot.domains, 0), boot.domains), boot.latency_ns)
        injector = install(engine, self.plan.model.faults, len(boot.actors) + 1, queue=queue)
        return engine, injector, boot

    def started(self):
        engine, injector, boot = self.engine()
        engine.boot(boot.actors, boot.numbers())
        return engine, injector, boot

    def continued(self, cut_ns):
        """The entries of a run that is cut off and restored at this time, and how often its faults fired."""
        engine, injector, boot = self.started()
        engine.run_before(cut_ns)
        codec = Codec(boot.messages)
        state = take(engine, injector, codec, Point(0, 0, cut_ns, cut_ns, 0), RecorderState(), b"")
        other, again, fresh = self.engine(queue=False)
        restore(other, again, codec, fresh, state)
        other.run_before(UNTIL_NS)
        return other.take_journal(), again.counts


def edges(entries):
    fired = [head[0] for head, _, records in entries if any(record[0] == FAULT_FIRED for record in records)]
    return sorted({at_ns + after_ns for at_ns in fired[:2] for after_ns in AFTER_NS if at_ns + after_ns < UNTIL_NS})


def compare(name, sets=()):
    runs = Runs(name, sets)
    engine, injector, _ = runs.started()
    engine.run_before(UNTIL_NS)
    whole = engine.take_journal()
    cuts = edges(whole)
    assert cuts
    for cut_ns in cuts:
        entries, fired = runs.continued(cut_ns)
        assert fired == injector.counts
        different = [(one, other) for one, other in zip(whole, entries, strict=False) if one != other]
        assert different[:1] == [], f"cut off at {cut_ns} ns"
        assert len(entries) == len(whole)


@pytest.mark.parametrize("name", CASES)
def test_a_run_goes_on_the_same(name):
    compare(name)


def test_a_run_with_a_daemon_that_naps_goes_on_the_same():
    compare("clock-skew", ("machine.frames=64", "workload.parameters.pages=28", "workload.parameters.touches=6"))
