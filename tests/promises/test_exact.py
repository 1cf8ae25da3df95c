"""A worker restored from its part of a cut says, to the byte, what it said the first time: only then may it take the dead one's place.

The last tests take out of the snapshot what was once forgotten: T, and which lock orders a shard of the checks had reported. Such runs
ended with the right digest, and only the bytes tell.
"""

import msgspec
import pytest

from cluster.engine.checking import ShardState
from cluster.engine.snapshot import pack, unpack
from cluster.scenario import load
from protocol.workload import encode
from tests.promises.exactness import differences, run_original

CASES = {
    "kernel-mix": (("workload.parameters.steps=16",), (7, 5000)),
    "redis-bgsave": (("workload.lines_max=500",), (130, 260, 450)),
    "domains-64": (("workload.parameters.pages=2",), (40, 900)),
    "lost-ipi": ((), (25,)),
}
"""Windows before and after the shards of the checks have told each other something for the first time."""


@pytest.fixture(scope="module", params=CASES)
def original(request, tmp_path_factory):
    sets, windows = CASES[request.param]
    scenario = load(request.param, sets)
    workload = scenario.compile(3)
    path = tmp_path_factory.mktemp("work") / "workload"
    path.write_bytes(encode(workload))
    plan = scenario.to_plan(3, 2, workload=workload)
    return run_original(msgspec.structs.replace(plan, workload_path=str(path)), set(windows))


def test_every_worker_says_again_what_it_said(original):
    assert len(original.states) >= 2, "no snapshot was taken: choose smaller windows"
    for rank, window in sorted(original.states):
        assert differences(original, rank, window) == [], f"worker {rank}, restored at window {window}"


def test_without_t_in_the_snapshot_the_bytes_differ(original, monkeypatch):
    """Where T was no more than the worker's own earliest event nothing is lost with it; it was more at one cut at least."""
    found = []
    for rank, window in sorted(original.states):
        state = unpack(original.states[rank, window])
        state.earliest_ns = -1
        monkeypatch.setitem(original.states, (rank, window), pack(state))
        found += [(said, state.rounds + 1) for said in differences(original, rank, window)]
    assert found
    assert all(said.startswith(f"round {rounds}: another batch") for said, rounds in found)


@pytest.mark.parametrize("original", ["redis-bgsave"], indirect=True)
def test_without_what_the_checks_have_reported_the_bytes_differ(original, monkeypatch):
    rank, window = min(original.states)
    state = unpack(original.states[rank, window])
    checks = msgspec.msgpack.decode(state.checks, type=ShardState)
    assert checks.suite.sightings
    checks.suite.sightings = []
    state.checks = msgspec.msgpack.encode(checks)
    monkeypatch.setitem(original.states, (rank, window), pack(state))
    (said,) = differences(original, rank, window)
    assert ": another status" in said
