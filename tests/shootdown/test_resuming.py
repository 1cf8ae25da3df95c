"""``resume`` finishes what was interrupted, on any number of workers, and refuses what it cannot finish."""

import os
import shutil

import msgspec
import pytest

import shootdown as sd
from cluster.engine.deaths import Death
from cluster.recording.manifest import read_manifest, write_manifest
from tests.promises.test_fuzz import SETS, interrupted

SMALL = "lost-ipi"


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return interrupted(tmp_path_factory.mktemp("cut") / "run", 1, patch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sd.run(sd.load("redis-bgsave", SETS), seed=1, out=tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def again(cut, tmp_path):
    return shutil.copytree(cut, tmp_path / "run.partial")


@pytest.mark.parametrize(("workers", "backend"), [(1, "asyncio"), (2, "trio"), (3, "asyncio")])
def test_resumed_on_other_workers_the_run_is_the_same(workers, backend, whole, again):
    made = sd.resume(again, workers=workers, backend=backend)
    assert made.path == again.with_name("run")
    assert (made.digest, made.metrics, made.checks) == (whole.digest, whole.metrics, whole.checks)
    assert made.violations == whole.violations
    assert made.losses == []
    assert made.stored.digest_of_trace() == whole.digest
    assert made.resumed_at_ns > 0
    assert made.repaired == []
    assert made.summary["workers"] == workers
    assert sorted(path.name for path in (made.path / "snapshots").iterdir() if path.suffix != ".snapshot") == ["cuts.json"]


def test_a_worker_that_dies_after_a_resume_is_started_anew_from_where_the_run_was_resumed(whole, again):
    from shootdown import carrying

    original = carrying.How

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shootdown.resuming.How", lambda *given: original(*given, deaths=[Death(1, "send", 1), Death(0, "send", 2)]))
        made = sd.resume(again, workers=2)
    assert made.digest == whole.digest
    assert len(made.summary["restarts"]) == 2
    assert all("started anew from the cut of window" in said for said in made.summary["restarts"]), "not from the beginning of all"


def test_without_a_cut_it_begins_anew(whole, again):
    shutil.rmtree(again / "snapshots")
    (again / "snapshots").mkdir()
    made = sd.resume(again)
    assert (made.digest, made.resumed_at_ns, made.losses) == (whole.digest, 0, [])


def test_what_is_lost_is_named_and_what_is_used_instead(whole, again):
    newest = max((again / "snapshots").glob("*.snapshot"), key=lambda path: int(path.name.partition("-")[0]))
    newest.write_bytes(newest.read_bytes()[:-1])
    made = sd.resume(again)
    assert made.digest == whole.digest
    (said,) = made.repaired
    assert newest.name in said
    assert "used instead: the cut of window 3" in said


def test_a_run_that_lacks_only_its_name_gets_it(tmp_path):
    made = sd.run(SMALL, out=tmp_path / "run")
    made.path.rename(tmp_path / "run.partial")
    assert sd.resume(tmp_path / "run").digest == made.digest


def test_what_cannot_be_resumed_is_refused(tmp_path, again, monkeypatch):
    finished = sd.run(SMALL, out=tmp_path / "finished")
    with pytest.raises(sd.InputError, match="has ended; there is nothing to resume"):
        sd.resume(finished.path)
    with pytest.raises(sd.InputError, match="no unfinished run, found nothing"):
        sd.resume(tmp_path / "nowhere")
    with pytest.raises(sd.InputError, match="--workers: found 0"):
        sd.resume(again, workers=0)
    shutil.rmtree(again / "snapshots")
    with pytest.raises(sd.InputError, match="99"):
        sd.resume(again, workers=99)
    assert (again / "trace").is_dir(), "a refusal costs nothing of the run"
    manifest = read_manifest(again)
    manifest.model_version = 1
    write_manifest(again, manifest)
    with pytest.raises(sd.InputError, match="begun with model version 1"):
        sd.resume(again)


def test_a_run_at_which_somebody_is_at_work_is_left_alone(again, monkeypatch):
    from cluster.recording.run_dir import RunDirectory

    monkeypatch.setattr("cluster.recording.run_dir.PATIENCE_S", 0.0)
    held = RunDirectory.of(again).hold()
    with pytest.raises(sd.InputError, match="another process is at work"):
        sd.resume(again)
    os.close(held)


def test_a_damaged_workload_is_refused(again):
    path = again / "workload.msgpack"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(sd.InputError, match=r"workload\.msgpack is damaged or was changed"):
        sd.resume(again)


def test_a_directory_can_be_moved_before_it_is_resumed(whole, again, tmp_path):
    moved = tmp_path / "elsewhere" / "other.partial"
    moved.parent.mkdir()
    again.rename(moved)
    assert msgspec.json.decode((moved / "manifest.json").read_bytes())["plan"]["run_dir"] == ""
    assert sd.resume(moved).digest == whole.digest


def test_an_interrupted_run_can_be_forked_by_the_name_it_will_have(again, whole, tmp_path):
    made = sd.fork(tmp_path / "run", 1_500_000, out=tmp_path / "fork")
    assert made.digest == whole.digest
