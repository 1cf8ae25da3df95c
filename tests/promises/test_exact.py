"""A worker restored from its part of a cut says, to the byte, what it said the first time: only then may it take the dead one's place.

The last test takes T out of the snapshot, as a prototype did; its runs ended with the right digest, and only the bytes tell.
"""

import msgspec
import pytest

from cluster.engine.snapshot import pack, unpack
from cluster.scenario import load
from protocol.workload import encode
from tests.promises.exactness import differences, run_original

CASES = {
    "kernel-mix": ((), (7, 150, 800)),
    "redis-bgsave": (("workload.lines_max=500",), (90, 1200, 2500)),
    "domains-64": (("workload.lines_max=60",), (40, 900)),
    "lost-ipi": ((), (25,)),
}


@pytest.fixture(scope="module", params=CASES)
def original(request, tmp_path_factory):
    sets, windows = CASES[request.param]
    scenario = load(request.param, [text for text in sets if request.param != "domains-64"])
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
    rank, window = min(original.states)
    state = unpack(original.states[rank, window])
    state.earliest_ns = -1
    monkeypatch.setitem(original.states, (rank, window), pack(state))
    (said,) = differences(original, rank, window)
    assert said.startswith(f"round {state.rounds + 1}: another batch")
