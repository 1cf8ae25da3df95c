"""Whatever faults there are, with whatever numbers: the run is the same on any number of workers, and from a snapshot in its middle.

This looks for what no scenario thinks of: combinations of faults with and without a link layer, on machines that break down over them.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.engine.snapshot import unpack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.plan import Liveness
from cluster.promises.sizes import SMALL
from cluster.scenario import load
from protocol.faults import Fault, When
from protocol.workload import encode

WORKS = ("map-churn", "fork-cow", "memory-pressure")
WINDOWS = (4, 30, 150)
WORDS = (
    "*",
    "lock-*",
    "lock-grant",
    "reply",
    "ipi*",
    "unlock",
    "page.*",
    "object.*",
    "pte*",
    "map.*",
    "arrive",
    "woken",
    "sleep",
    "free.*",
)
RECEIVERS = ("*", "cpu.*", "cpu.1", "pq", "map.*")
COUNTED = st.one_of(
    st.builds(dict, nth=st.integers(1, 60)),
    st.builds(dict, every=st.integers(2, 40), count=st.integers(0, 3)),
    st.builds(dict, from_ns=st.integers(0, 60_000), nth=st.integers(1, 9)),
)
WHEN = st.builds(lambda kind, to, counted: When(kind=kind, to=to, **counted), st.sampled_from(WORDS), st.sampled_from(RECEIVERS), COUNTED)
LAYER = st.one_of(st.just({}), st.builds(dict, retransmit_ns=st.sampled_from([500, 20_000]), tries=st.sampled_from([1, 3, 8])))
LATE = st.builds(dict, delay_ns=st.sampled_from([1, 100, 2_000, 50_000]))
FAULT = st.one_of(
    st.builds(lambda kind, when, layer: Fault("", kind, when, **layer), st.sampled_from(["lose", "corrupt"]), WHEN, LAYER),
    st.builds(
        lambda kind, when, late, layer: Fault("", kind, when, **late, **layer), st.sampled_from(["reorder", "duplicate"]), WHEN, LATE, LAYER
    ),
    st.builds(lambda kind, when, late: Fault("", kind, when, **late), st.sampled_from(["delay", "jitter"]), WHEN, LATE),
    st.builds(
        lambda side, one_way, at_ns, duration_ns, layer: Fault(
            "", "partition", side=(side,), one_way=one_way, at_ns=at_ns, duration_ns=duration_ns, **layer
        ),
        st.sampled_from(["cpu.1", "cpu.*", "pq", "domain.0"]),
        st.booleans(),
        st.integers(0, 100_000),
        st.integers(1, 100_000),
        LAYER,
    ),
    st.builds(lambda cpu, at_ns: Fault("", "stall", cpu=cpu, at_ns=at_ns, duration_ns=9_000), st.integers(0, 1), st.integers(0, 70_000)),
)


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """A plan for each work, compiled once."""
    place = tmp_path_factory.mktemp("work")
    made = {}
    for name in WORKS:
        scenario = load(SMALL[name].scenario, [*SMALL[name].sets, "limits.wait_ns=20 ms", "limits.events=15000"])
        workload = scenario.compile(7)
        (place / name).write_bytes(encode(workload))
        made[name] = msgspec.structs.replace(scenario.to_plan(7, workload=workload, trace=False), workload_path=str(place / name))
    return made


def with_faults(plan, faults, heal_ns):
    """The plan with these faults, named, and with liveness if they end."""
    named = tuple(msgspec.structs.replace(fault, name=f"f{index}", heal_ns=heal_ns) for index, fault in enumerate(faults))
    limits = plan.model.limits
    if heal_ns:
        limits = msgspec.structs.replace(limits, liveness=Liveness(heal_ns, 400_000))
    return msgspec.structs.replace(plan, model=msgspec.structs.replace(plan.model, faults=named, limits=limits))


def carried_out(plan, workers, **options):
    async def main():
        return await run_plan(msgspec.structs.replace(plan, workers=workers), **options)

    found = anyio.run(main)
    names = ("digest", "ended", "why", "virtual_ns", "events", "violations", "evaluated", "faults_fired", "faults_matched", "waits")
    return {name: getattr(found, name) for name in names}


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(WORKS), st.lists(FAULT, min_size=1, max_size=3), st.sampled_from([0, 0, 80_000]))
def test_any_faults_are_the_same_on_any_number_of_workers_and_from_the_middle(plans, tmp_path_factory, work, faults, heal_ns):
    plan, place = with_faults(plans[work], faults, heal_ns), tmp_path_factory.mktemp("states")
    alone = carried_out(plan, 1)
    assert carried_out(plan, 2, snapshots=Snapshots(WINDOWS, str(place))) == alone
    assert carried_out(plan, 3) == alone
    for window, workers in zip(WINDOWS, (3, 1, 2), strict=True):
        states = [Path(place) / f"{window}-{rank}.snapshot" for rank in range(2)]
        if all(path.exists() for path in states):
            assert carried_out(plan, workers, states=[unpack(path.read_bytes()) for path in states]) == alone
