"""Whatever parts of the machine break, in whatever combination: the run is the same on any number of workers, and from its middle."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.engine.snapshot import unpack
from cluster.engine.snapshotting import Snapshots
from protocol.faults import KINDS, PART, Fault, When
from tests.cluster.faults.test_random_plans import COUNTED, WINDOWS, WORKS, carried_out, plans, with_faults

__all__ = ["plans"]

CPU = st.integers(0, 1)
BEGIN = st.integers(0, 60_000)
WHEN = st.builds(lambda counted: When(**counted), COUNTED)
LOCK = st.sampled_from(["pq", "fq", "smp", "object", "map.*", "pmap"])
CHANNEL = st.sampled_from(["*", "page.*", "v_free_count"])
LATE = st.sampled_from([1, 300, 20_000])
PARTS = {
    "cpu-slow": st.builds(lambda cpu, at, p: Fault("", "cpu-slow", cpu=cpu, at_ns=at, percent=p, duration_ns=50_000), CPU, BEGIN,
                          st.sampled_from([101, 900])),
    "cpu-offline": st.builds(lambda cpu, at, ns: Fault("", "cpu-offline", cpu=cpu, at_ns=at, duration_ns=ns), CPU, BEGIN,
                             st.integers(1, 90_000)),
    "interrupt-storm": st.builds(lambda cpu, at, ns: Fault("", "interrupt-storm", cpu=cpu, at_ns=at, duration_ns=60_000, period_ns=ns), CPU,
                                 BEGIN, st.sampled_from([50, 700])),
    "vcpu-preempted": st.builds(lambda cpu, lock, when: Fault("", "vcpu-preempted", when, cpu=cpu, lock=lock, duration_ns=7_000), CPU, LOCK,
                                WHEN),
    "clock-skew": st.builds(lambda cpu, ppm: Fault("", "clock-skew", cpu=cpu, ppm=ppm), CPU, st.sampled_from([-900_000, 7, 900_000])),
    "ipi-acked-early": st.builds(lambda when, ns: Fault("", "ipi-acked-early", when, delay_ns=ns), WHEN, LATE),
    "tlb-stale-entry": st.builds(lambda when: Fault("", "tlb-stale-entry", when), WHEN),
    "tlb-wrong-range": st.builds(lambda when: Fault("", "tlb-wrong-range", when), WHEN),
    "lock-released-early": st.builds(lambda when, lock: Fault("", "lock-released-early", when, lock=lock), WHEN, LOCK),
    "lock-granted-twice": st.builds(lambda when, lock: Fault("", "lock-granted-twice", when, lock=lock), WHEN, LOCK),
    "wakeup-lost": st.builds(lambda when, pair: Fault("", "wakeup-lost", when, **pair), WHEN,
                             st.one_of(st.builds(dict, lock=LOCK), st.builds(dict, channel=CHANNEL))),
    "wakeup-spurious": st.builds(lambda when, channel, ns: Fault("", "wakeup-spurious", when, channel=channel, delay_ns=ns), WHEN, CHANNEL,
                                 LATE),
    "pager-slow": st.builds(lambda at, p: Fault("", "pager-slow", pager="swap", at_ns=at, duration_ns=99_000, percent=p), BEGIN,
                            st.sampled_from([101, 5000])),
    "allocation-failure": st.builds(lambda when: Fault("", "allocation-failure", when), WHEN),
    "memory-fragmented": st.builds(lambda at, pages: Fault("", "memory-fragmented", at_ns=at, pages=pages, duration_ns=50_000), BEGIN,
                                   st.integers(2, 9)),
    "pager-torn-write": st.builds(lambda when: Fault("", "pager-torn-write", of_pagers(when, "pager.write")), WHEN),
    "pager-wrong-data": st.builds(lambda when: Fault("", "pager-wrong-data", of_pagers(when, "pager.read")), WHEN),
    "pager-never": st.builds(lambda when: Fault("", "pager-never", of_pagers(when, "pager.*")), WHEN),
}  # fmt: skip


def of_pagers(when, kind):
    return When(kind=kind, nth=when.nth, every=when.every, count=when.count, from_ns=when.from_ns)


def test_every_part_is_drawn():
    assert {word for word, kind in KINDS.items() if kind.scope == PART} <= set(PARTS)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(WORKS), st.lists(st.one_of(*PARTS.values()), min_size=1, max_size=5), st.sampled_from([0, 0, 60_000]))
def test_any_parts_break_the_same_on_any_number_of_workers_and_from_the_middle(plans, tmp_path_factory, work, faults, heal_ns):
    faults = [fault for fault in faults if not heal_ns or fault.at_ns < heal_ns]
    plan, place = with_faults(plans[work], faults, heal_ns), tmp_path_factory.mktemp("states")
    alone = carried_out(plan, 1)
    assert carried_out(plan, 2, snapshots=Snapshots(WINDOWS, str(place))) == alone
    assert carried_out(plan, 3) == alone
    for window, workers in zip(WINDOWS, (3, 1, 2), strict=True):
        states = [Path(place) / f"{window}-{rank}.snapshot" for rank in range(2)]
        if all(path.exists() for path in states):
            assert carried_out(plan, workers, states=[unpack(path.read_bytes()) for path in states]) == alone
