"""When a worker snapshots: by the clock on rank 0, when a log has grown on any, never so often that it costs much."""

from types import SimpleNamespace

import pytest

from cluster.engine import snapshotting
from cluster.engine.snapshot import ShareState
from cluster.engine.snapshotting import SHARE_MAX, Snapshots, Snapshotter
from cluster.recording.manifest import digest_of
from cluster.recording.recorder import RecorderState


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(ns=0)
    monkeypatch.setattr(snapshotting, "perf_counter_ns", lambda: now.ns)
    return now


def state():
    return ShareState(4, 8, 900, 900, 0, 0, {}, [], b"\x90", b"\x90", RecorderState())


def taker(tmp_path, rank=0, log_bytes=lambda: 0, make=state, **rest):
    told = []
    made = Snapshotter(Snapshots((), str(tmp_path), **rest), rank, make, told.append, log_bytes)
    return made, told


def test_rank_0_asks_by_the_clock_and_the_others_do_not(clock, tmp_path):
    first, _ = taker(tmp_path, every_ns=1000)
    other, _ = taker(tmp_path, rank=1, every_ns=1000)
    assert not first.wants(1)
    clock.ns = 1001
    assert first.wants(2)
    assert not other.wants(2)
    assert not taker(tmp_path)[0].wants(3), "never, if it is not asked for"


def test_a_snapshot_that_takes_long_is_not_asked_for_soon(clock, tmp_path):
    def slow():
        clock.ns += 500
        return state()

    made, told = taker(tmp_path, make=slow, every_ns=1000)
    made.take()
    assert told[0].cost_ns == 500
    clock.ns = 500 + SHARE_MAX * 500
    assert not made.wants(1)
    clock.ns += 1
    assert made.wants(1)


def test_any_worker_asks_when_its_log_has_grown_and_is_patient_then(clock, tmp_path):
    made, _ = taker(tmp_path, rank=2, log_bytes=lambda: 101, log_bytes_max=100)
    clock.ns = 1
    assert made.wants(1)
    assert not made.wants(2)
    clock.ns += snapshotting.AGAIN_NS + 1
    assert made.wants(3)


def test_the_file_is_what_the_parent_is_told(clock, tmp_path):
    made, told = taker(tmp_path)
    made.take()
    (part,) = told
    data = (tmp_path / part.file).read_bytes()
    assert (part.file, part.bytes, part.digest) == ("4-0.snapshot", len(data), digest_of(data))
    assert (part.window, part.rounds, part.earliest_ns, part.failed) == (4, 8, 900, "")
    assert [path.name for path in tmp_path.iterdir()] == ["4-0.snapshot"]


def test_one_that_cannot_be_written_is_told_and_leaves_nothing(clock, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cluster.recording.manifest.os.fsync", full)
    made, told = taker(tmp_path)
    made.take()
    assert "4-0.snapshot: cannot be written: No space left on device" in told[0].failed
    assert list(tmp_path.iterdir()) == []


def test_the_steps_are_told_in_order(clock, tmp_path):
    made, _ = taker(tmp_path)
    steps = []
    made.point = lambda name, window: steps.append((name, window, sorted(path.suffix for path in tmp_path.iterdir())))
    made.take()
    assert steps == [("snapshot-before", 4, []), ("snapshot-within", 4, [".tmp"]), ("snapshot-after", 4, [".snapshot"])]
