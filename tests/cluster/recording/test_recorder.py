import msgspec
import pytest

from cluster.inspect.tally import metrics_of
from cluster.plan import Model, Plan
from cluster.recording.digest import Digest, header, run_digest
from cluster.recording.encode import encoded
from cluster.recording.reader import trace_of
from cluster.recording.recorder import Recorder, RecorderResult, RecorderState, dealt, put_together
from protocol.identity import root_of
from tests.cluster.recording.synthetic import machine_entries, slices

PLAN = Plan(Model("machine"), 7, "redis")
ENTRIES = machine_entries(200, cpus=4, think_ns=60_000)
BATCHES = list(slices(ENTRIES))


def place_on(workers):
    """Roots dealt out over workers: CPUs by number, homes with the last but one."""

    def place(actor):
        root = root_of(actor)
        return int(root[4:]) % workers if root.startswith("cpu.") else {"pq": 1, "fq": 2}.get(root, 0) % workers

    return place


def recorders(workers, directory=None, plan=PLAN):
    return [Recorder(plan, rank, directory) for rank in range(workers)]


def run(machines, batches, cut=None):
    place = place_on(len(machines))
    for index, batch in batches:
        for rank, recorder in enumerate(machines):
            recorder.close_slice(index, [entry for entry in batch if place(entry[0][3]) == rank])
        for recorder in machines:
            recorder.commit(cut if index == batches[-1][0] else None)
    return machines


def wire(value, kind):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def outcome(machines):
    return put_together(PLAN, [wire(recorder.finish(), RecorderResult) for recorder in machines])


ONE = outcome(run(recorders(1), BATCHES))


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_digest_counts_and_metrics_do_not_depend_on_the_number_of_workers(tmp_path, workers):
    got = outcome(run(recorders(workers, tmp_path), BATCHES))
    assert got.digest == ONE.digest
    assert (got.events, got.records) == (ONE.events, ONE.records) == (len(ENTRIES), sum(len(e[2]) for e in ENTRIES))
    assert metrics_of(got.tally, 4096) == metrics_of(ONE.tally, 4096)
    assert [entry for batch in trace_of(tmp_path).entries() for entry in batch] == ENTRIES
    assert got.trace_bytes == trace_of(tmp_path).bytes > 0
    assert trace_of(tmp_path).whole


def test_the_digest_is_the_same_without_a_trace_and_nothing_is_written(tmp_path):
    plan = msgspec.structs.replace(PLAN, trace=False)
    got = outcome(run(recorders(2, tmp_path, plan), BATCHES))
    assert got.digest == ONE.digest
    assert list(tmp_path.iterdir()) == []


def test_another_seed_is_another_digest():
    results = [recorder.finish() for recorder in run(recorders(1), BATCHES)]
    assert put_together(msgspec.structs.replace(PLAN, seed=8), results).digest != ONE.digest


@pytest.mark.parametrize("workers", [1, 3])
def test_a_cut_drops_what_lies_above_its_key_everywhere(tmp_path, workers):
    last = BATCHES[-1][1]
    cut = last[len(last) // 2][0][:6]
    got = outcome(run(recorders(workers, tmp_path), BATCHES, cut))
    kept = [entry for entry in ENTRIES if entry[0][:6] <= cut]
    assert [entry for batch in trace_of(tmp_path).entries() for entry in batch] == kept
    assert got.events == len(kept) < len(ENTRIES)
    assert got.digest == outcome(run(recorders(1), list(slices(kept)))).digest != ONE.digest


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 3), (3, 1), (1, 4), (4, 2)])
@pytest.mark.parametrize("edge", [0, 1, 2])
def test_a_snapshot_goes_on_with_another_number_of_workers(tmp_path, before, after, edge):
    first = run(recorders(before, tmp_path), BATCHES[:edge])
    states = [wire(recorder.state(), RecorderState) for recorder in first]
    run(first, BATCHES[edge : edge + 1])  # what was done after the snapshot is done again
    for recorder in first:
        recorder.abandon()
    second = recorders(after, tmp_path)
    for recorder, state in zip(second, dealt(states, place_on(after), after), strict=True):
        recorder.restore(wire(state, RecorderState))
    got = outcome(run(second, BATCHES[edge:]))
    assert got.digest == ONE.digest
    assert (got.events, got.records) == (ONE.events, ONE.records)
    assert metrics_of(got.tally, 4096) == metrics_of(ONE.tally, 4096)
    assert [entry for batch in trace_of(tmp_path).entries() for entry in batch] == ENTRIES


def test_slices_are_closed_and_committed_in_turn():
    recorder = Recorder(PLAN, 0, None)
    with pytest.raises(AssertionError, match="no slice was closed"):
        recorder.commit()
    recorder.close_slice(*BATCHES[0])
    with pytest.raises(AssertionError, match="before the last one was committed"):
        recorder.close_slice(*BATCHES[1])
    with pytest.raises(AssertionError, match="closed but not committed"):
        recorder.state()


def test_the_digest_can_be_computed_again_from_the_trace(tmp_path):
    got = outcome(run(recorders(3, tmp_path), BATCHES))
    trace = trace_of(tmp_path)
    digest = Digest()
    for index in trace.slices:
        digest.fold(index, *encoded(trace.slice_entries(index)))
    assert run_digest(header(PLAN), [digest.chains()]) == got.digest == ONE.digest
