from __future__ import annotations

import itertools
import json

import pytest

import shootdown as sd

SMALL = '[workload]\ngenerator = "fork_cow"\nparameters = { parents = 1, children = 1, pages = 8, touches = 4 }\n'


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_every_public_name_is_there():
    for name in sd.__all__:
        assert getattr(sd, name) is not None
    with pytest.raises(AttributeError, match="it has Actor"):
        _ = sd.nothing


def test_a_run_and_its_parts(small):
    run = sd.run(small, seed=7)
    assert run.ended == "finished"
    assert run.metrics["faults.cow"] > 0
    faults = list(run.records(kind="fault.*"))
    assert len(faults) == sum(run.metrics[name] for name in ("faults.soft", "faults.cow", "faults.hard"))
    assert {record.kind for record in run.records(kind="page.b*")} <= {"page.bind", "page.busy"}
    assert all(record.actor == "cpu.0" for record in run.records(actor="cpu.0", kind="lock.*"))
    assert run.path.name == "small-7-1"


def test_a_stored_run_is_the_run(small):
    run = sd.run(small)
    again = sd.open_run(run.path)
    assert again.summary == run.summary
    assert (again.digest, again.violations, again.ok) == (run.digest, run.violations, run.ok)


def test_a_loaded_scenario_runs_and_takes_no_further_changes(small):
    scenario = sd.load(small, ["machine.frames=4096"])
    assert sd.run(scenario).metrics["free.min"] < 4096
    with pytest.raises(sd.InputError):
        sd.run(scenario, sets=["machine.cpus=4"])


def test_one_digest_on_one_and_two_workers_and_both_backends(small):
    runs = [sd.run(small, workers=workers, backend=backend) for workers, backend in ((1, "trio"), (2, "asyncio"))]
    runs.append(sd.run(small, workers=3, transport="inproc"))
    assert len({run.digest for run in runs}) == 1
    assert [run.summary["transport"] for run in runs] == ["inproc", "socket", "inproc"]
    assert runs[0].metrics == runs[1].metrics
    assert runs[0].checks == runs[1].checks


def test_kernels_differ(small):
    assert sd.run(small).digest != sd.run(small, kernel="freebsd-2006").digest
    assert sd.kernel("repaired", revert=("R02",))["R02"] == "before-shootdown"


@pytest.mark.parametrize("options", [{"workers": 0}, {"seed": -1}, {"backend": "curio"}, {"transport": "pigeon"}, {"workers": 999}])
def test_bad_options_leave_nothing(small, options):
    with pytest.raises(sd.InputError):
        sd.run(small, **options)
    assert [path.name for path in small.parent.iterdir()] == ["small.toml"]


def test_placement(small):
    report = sd.placement(sd.load(small), workers=2)
    assert report["workers"] == len(report["roots"]) == 2
    assert sd.placement(sd.load(small))["lookahead_ns"] is None


def test_recheck(small):
    run = sd.run(small)
    assert sd.recheck(run)["checks"] == run.checks
    assert sd.recheck(run.path, ["I-ONEQ"])["checks"]["I-ONEQ"]["evaluated"] > 0
    with pytest.raises(sd.InputError):
        sd.recheck(sd.run(small, trace=False))


def test_recheck_judges_nothing_that_follows_on_a_loss(small):
    run = sd.run(small, workers=2, transport="inproc")
    whole = sd.recheck(run)
    assert (whole["checked_until_ns"], whole["losses"], whole["violations_total"]) == (None, [], 0)
    for rank in (0, 1):
        path = run.path / "trace" / f"worker-{rank}.trace"
        data = path.read_bytes()
        path.unlink()
        gone = sd.recheck(run.path)
        assert gone["losses"] == [f"{path}: no such file; all that its worker wrote is lost"]
        assert (gone["checked_until_ns"], gone["violations_total"]) == (0, 0)
        assert not any(check["evaluated"] for check in gone["checks"].values())
        path.write_bytes(data[:90] + b"XXXX" + data[94:])
        damaged = sd.recheck(run.path)
        assert (damaged["checked_until_ns"], damaged["violations_total"], len(damaged["losses"])) == (0, 0, 1)
        path.write_bytes(data)
    assert sd.recheck(run.path) == whole


def test_an_interruption_leaves_what_was_recorded(small, monkeypatch):
    import shootdown.carrying as module

    def interrupted(plan, on_progress, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "drive", interrupted)
    with pytest.raises(sd.Interrupted) as caught:
        sd.run(small)
    assert caught.value.path.name == "small-1-1.partial"
    assert not sd.open_run(caught.value.path).ok
    assert [row["event"] for row in log_of(caught.value.path)] == ["run started", "run interrupted"]


def log_of(path):
    return [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]


def test_the_operational_log_says_what_the_processes_did(small):
    rows = log_of(sd.run(small).path)
    assert [row["event"] for row in rows][:1] == ["run started"]
    assert rows[-1]["event"] == "run ended"
    assert rows[-1]["ended"] == "finished"


@pytest.mark.parametrize(("found", "kept"), [("status 9", True), ("No space left on device", False)])
def test_a_failed_run_keeps_what_tells_why_unless_it_filled_the_disk(small, monkeypatch, found, kept):
    import shootdown.carrying as module

    def failed(plan, on_progress, **options):
        raise sd.RunError("worker 1 died", found=found)

    monkeypatch.setattr(module, "drive", failed)
    with pytest.raises(sd.RunError):
        sd.run(small)
    partial = small.parent / "runs" / "small-1-1.partial"
    assert partial.exists() == kept
    if kept:
        assert log_of(partial)[-1]["reason"] == "worker 1 died"


def test_progress_is_told(small, monkeypatch):
    monkeypatch.setattr("cluster.engine.supervise.PROGRESS_NS", -1)
    monkeypatch.setattr("cluster.engine.windows.CHECKPOINT_NS", -1)
    seen = []
    sd.run(small, on_progress=lambda progress, share: seen.append((progress.events, share, progress.tasks_total)))
    assert seen
    assert all(later[:2] >= before[:2] for before, later in itertools.pairwise(seen))
    assert seen[-1][2] == 2
    assert all(0 <= share <= 1 for _, share, _ in seen)
