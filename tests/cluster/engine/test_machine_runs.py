"""The whole machine on the engine: any number of workers, stopped and restored anywhere, faults and checks on: one digest, the same
verdicts."""

import random
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec
import pytest

from cluster.engine.snapshot import unpack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.plan import Plan
from cluster.scenario import load
from protocol.workload import encode

SCENARIOS = {
    "map-churn": "[machine]\npreset = 'socket-8'\ncpus = 4\n[workload]\ncpus = 4\ngenerator = 'map_churn'\n"
    "parameters = { cpus = 4, threads = 4, pages = 4, rounds = 3 }\n"
    "[[faults]]\nname = 'late-ipi'\nkind = 'delay'\ndelay_ns = '5 us'\nwhen = { kind = 'ipi', every = 2 }\n"
    "[[faults]]\nname = 'stalled'\nkind = 'stall'\ncpu = 1\nat_ns = '50 us'\nduration_ns = '30 us'\n",
    "memory-pressure": "[machine]\npreset = 'recordings-2cpu'\nframes = 128\n[workload]\ngenerator = 'memory_pressure'\n"
    "parameters = { cpus = 2, tasks = 2, pages = 70, touches = 0 }\n"
    "[[faults]]\nname = 'short'\nkind = 'memory'\nframes = 10\nat_ns = '1 ms'\nduration_ns = '2 ms'\n",
}


@dataclass
class Prepared:
    """A scenario whose workload stands compiled in a file."""

    plan: Plan

    def run(self, workers, **options):
        async def main():
            return await run_plan(msgspec.structs.replace(self.plan, workers=workers), **options)

        return anyio.run(main, backend="trio")


@pytest.fixture(scope="module")
def prepared(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("scenario")
    (place / "scenario.toml").write_text(SCENARIOS[request.param])
    scenario = load(place / "scenario.toml")
    workload = scenario.compile(7)
    (place / "workload").write_bytes(encode(workload))
    plan = scenario.to_plan(7, 1, "trio", "inproc", True, workload)
    return Prepared(msgspec.structs.replace(plan, workload_path=str(place / "workload")))


@pytest.fixture(scope="module")
def alone(prepared):
    made = prepared.run(1)
    assert made.ended == "finished", made.why
    assert all(made.faults_fired.values()), made.faults_fired
    assert sum(evaluated for evaluated, _ in made.evaluated.values()) > 1000
    return made


def same(made, alone):
    return (made.digest, made.events, made.records, made.virtual_ns, made.violations, made.evaluated, made.faults_fired) == (
        alone.digest,
        alone.events,
        alone.records,
        alone.virtual_ns,
        alone.violations,
        alone.evaluated,
        alone.faults_fired,
    )


CHURN, PRESSURE = "map-churn", "memory-pressure"  # the second makes a window for every other event: few workers, few runs


@pytest.mark.parametrize(("prepared", "workers"), [(CHURN, 2), (CHURN, 3), (CHURN, 4), (PRESSURE, 2)], indirect=["prepared"])
def test_any_number_of_workers_gives_the_same(prepared, alone, workers):
    made = prepared.run(workers)
    assert made.shares[1]["events_sent"] > 0
    assert same(made, alone)


@pytest.mark.parametrize(
    ("prepared", "before", "after"), [(CHURN, 2, 1), (CHURN, 2, 3), (CHURN, 3, 2), (PRESSURE, 2, 1)], indirect=["prepared"]
)
def test_restored_anywhere_on_any_number_of_workers_it_ends_the_same(prepared, alone, before, after, tmp_path, request):
    windows = tuple(sorted(random.Random(before * 10 + after).sample(range(2, 900 if before + after > 3 else 6000), 24)))
    prepared.run(before, snapshots=Snapshots(windows, str(tmp_path)))
    taken = sorted(int(path.name.split("-")[0]) for path in Path(tmp_path).glob("*-0.snapshot"))
    assert taken
    if request.node.callspec.id.startswith(PRESSURE):  # only behind a slice's edge do checks and recorder have a past
        assert unpack((tmp_path / f"{taken[-1]}-0.snapshot").read_bytes()).slice_index > 0
    for window in (taken[0], taken[-1]):
        states = [unpack((tmp_path / f"{window}-{rank}.snapshot").read_bytes()) for rank in range(before)]
        assert same(prepared.run(after, states=states), alone)
