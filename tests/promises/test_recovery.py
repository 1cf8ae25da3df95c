"""Kill any worker, get the identical trace. Deaths stand at chosen places, since kills by the clock seldom hit them.

Every run compares what is said again with what was said the first time; the broken recovery at the end shows that this is what tells.
"""

import os
import signal
import tempfile
from pathlib import Path

import anyio
import pytest

from cluster.engine.deaths import POINTS, ROUND_POINTS, Death
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.errors import RunError
from cluster.plan import Limits, Model, Plan
from cluster.recording.cuts import read_cuts
from cluster.recording.reader import trace_of
from shootdown.killing import children

PARAMETERS = {"actors": 16, "lookahead_ns": 50_000, "remote_percent": 30}
WINDOWS = (10, 20, 30, 60)


def plan(workers, restarts=3, backend="trio", **rest):
    model = Model("phold", parameters=PARAMETERS, limits=Limits(virtual_ns=4_300_000, restarts=restarts))
    transport = "inproc" if workers == 1 else "socket"
    return Plan(model, 5, "phold", workers=workers, transport=transport, backend=backend, **rest)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, tmp_path):
    """No process and no temporary file may be left."""
    place = tempfile.mkdtemp(prefix="t", dir="/tmp")  # short: sockets' names are
    monkeypatch.setattr(tempfile, "tempdir", place)
    yield
    assert children(os.getpid()) == []
    assert list(Path(place).iterdir()) == []
    Path(place).rmdir()


@pytest.fixture(scope="module")
def calm():
    return anyio.run(run_plan, plan(1), backend="trio")


class Recovered:
    """A run with deaths in it."""

    def __init__(self, directory, workers, deaths, windows=WINDOWS, **rest):
        self.directory = directory
        (directory / "snapshots").mkdir()
        self.news = []
        made = plan(workers, run_dir=str(directory), **rest)
        snapshots = Snapshots(windows, str(directory / "snapshots"), keep=2)

        async def main():
            return await run_plan(made, snapshots=snapshots, deaths=deaths, news=lambda *said: self.news.append(said))

        self.outcome = anyio.run(main, backend=made.backend)

    @property
    def repeated(self):
        return sum(share["rounds_repeated"] for share in self.outcome.shares)

    def assert_same(self, calm, restarts):
        assert self.outcome.digest == calm.digest
        assert self.outcome.events == calm.events
        assert len(self.outcome.restarts) == restarts, self.outcome.restarts
        trace = trace_of(self.directory, len(self.outcome.shares))
        assert trace.whole, trace.losses
        assert sum(len(batch) for batch in trace.entries()) == calm.events
        assert not list((self.directory / "snapshots").glob("*.tmp"))


ROUNDS = {"first": 1, "before any cut": 7, "between cuts": 45}


@pytest.mark.parametrize("place", ROUNDS)
@pytest.mark.parametrize("point", ROUND_POINTS)
def test_a_death_while_a_round_is_said(point, place, calm, tmp_path):
    found = Recovered(tmp_path, 3, [Death(1, point, ROUNDS[place])])
    found.assert_same(calm, 0 if point == "close" else 1)
    if place != "first":
        assert (found.repeated > 0) == (point != "close")


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in ROUND_POINTS])
def test_a_death_around_a_snapshot(point, number, calm, tmp_path):
    found = Recovered(tmp_path, 3, [Death(1, point, number)])
    found.assert_same(calm, 1)
    starts = ["the beginning", *(f"the cut of window {window}" for window in WINDOWS)]
    may = starts[number - 1 : number] if point != "snapshot-after" else starts[number - 1 : number + 1]
    assert any(start in found.outcome.restarts[0] for start in may), "after it, the others may or may not have theirs"


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("victims", [(0, 1), (0, 1, 2)])
def test_several_die_together(victims, backend, calm, tmp_path):
    found = Recovered(tmp_path, 3, [Death(rank, "send", 45) for rank in victims], backend=backend)
    found.assert_same(calm, len(victims))


def test_a_death_during_the_recovery_from_another(calm, tmp_path):
    deaths = [Death(1, "send", 45), Death(1, "half-frame", 38, 1), Death(1, "snapshot-within", 1, 2), Death(2, "one-peer", 50)]
    found = Recovered(tmp_path, 3, deaths)
    found.assert_same(calm, 4)


def test_two_workers_and_a_death_at_every_round_of_a_stretch(calm, tmp_path):
    """Whatever a round carries (events, a status at a slice's edge), it can be the last."""
    for at in (20, 23, 24, 27):
        directory = tmp_path / str(at)
        directory.mkdir()
        Recovered(directory, 2, [Death(at % 2, "send", at)]).assert_same(calm, 1)


def test_a_worker_that_stands_still_is_replaced(calm, tmp_path):
    found = Recovered(tmp_path, 2, [Death(0, "send", 33, signal=signal.SIGSTOP)])
    found.assert_same(calm, 1)
    assert "stood still" in found.outcome.restarts[0]


def test_cuts_are_committed_and_old_ones_removed(calm, tmp_path):
    found = Recovered(tmp_path, 2, [])
    found.assert_same(calm, 0)
    assert [fields["window"] for event, fields in found.news if event == "cut committed"] == list(WINDOWS)
    names = sorted(path.name for path in (tmp_path / "snapshots").glob("*.snapshot"))
    assert names == ["30-0.snapshot", "30-1.snapshot", "60-0.snapshot", "60-1.snapshot"]


def test_a_log_that_grows_forces_a_cut(calm, tmp_path):
    """With no clock and no window that asks for one, memory is bounded all the same."""
    (tmp_path / "snapshots").mkdir()
    made = plan(2, run_dir=str(tmp_path))
    cuts = []
    snapshots = Snapshots((), str(tmp_path / "snapshots"), log_bytes_max=2000)

    async def main():
        return await run_plan(made, snapshots=snapshots, news=lambda event, fields: cuts.append(event))

    assert anyio.run(main).digest == calm.digest
    assert "cut committed" in cuts


def test_a_death_without_a_place_for_snapshots_ends_the_run(tmp_path):
    async def main():
        await run_plan(plan(2, run_dir=str(tmp_path)), deaths=[Death(1, "send", 30)])

    with pytest.raises(RunError, match=r"worker 1 was killed by signal 9 \(SIGKILL\) before the run was over"):
        anyio.run(main)


@pytest.mark.parametrize("restarts", [1, 3])
def test_what_brings_a_worker_down_every_time_is_named(restarts, tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.engine.child.WORKER", "tests.promises.fatal_worker")
    with pytest.raises(RunError) as caught:
        Recovered(tmp_path, 2, [], restarts=restarts)
    said = str(caught.value)
    assert f"died {restarts + 1} times at " in said
    assert "while phold.3 was handling 'job' from phold." in said
    assert f"started anew {restarts} times (limits.restarts)" in said
    assert caught.value.status == 3


def test_a_slow_disk_makes_a_run_long_and_nothing_else(calm, tmp_path, monkeypatch):
    """What waits for the disk is no death, and what is written late is written whole: also when somebody dies meanwhile."""
    monkeypatch.setattr("cluster.engine.child.WORKER", "tests.promises.slow_disk_worker")
    run = Recovered(tmp_path, 2, [Death(1, "snapshot-within", 3)])
    run.assert_same(calm, 1)
    parts = [part for cut in read_cuts(tmp_path / "snapshots", "").cuts for part in cut.parts]
    assert parts and min(part.cost_ns for part in parts) > 60_000_000, "the disk was not slow"


def test_a_recovery_that_is_not_exact_is_caught(tmp_path, monkeypatch):
    """With T missing from the snapshot the digest may well come out right; the rounds that are said again do not."""
    monkeypatch.setattr("cluster.engine.child.WORKER", "tests.promises.broken_worker")
    with pytest.raises(RunError, match=r"started anew, sent another|is of window|of window \d+, not of window"):
        Recovered(tmp_path, 3, [Death(1, "send", 45)])
