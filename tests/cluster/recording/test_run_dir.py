import json
import os
import shutil
import stat

import msgspec
import pytest

from cluster.errors import InputError, RunError
from cluster.plan import Model, Plan
from cluster.recording import manifest as manifest_module
from cluster.recording.encode import encoded
from cluster.recording.manifest import Manifest, Violation, digest_of, replace_file, write_manifest
from cluster.recording.manifest import read_manifest as open_manifest
from cluster.recording.recorder import Recorder, put_together
from cluster.recording.run_dir import RunDirectory, open_run
from cluster.recording.trace import TraceWriter
from protocol.records import STORE
from tests.cluster.recording.synthetic import machine_entries, slices

PLAN = Plan(Model("machine"), 7, "redis")
ENTRIES = machine_entries(60)
BROKEN = Violation("I-TLB", 812, "cpu.1", "cpu.0:33", "page 0x1f2 is free but cpu.1 maps it")


def stored(root, out=None, finish=True, trace=True):
    plan = msgspec.structs.replace(PLAN, trace=trace)
    directory = RunDirectory.create("redis", 7, out, root)
    directory.write_manifest(Manifest("redis", 7, 1, plan))
    recorder = Recorder(plan, 0, directory.path)
    for index, batch in slices(ENTRIES):
        recorder.close_slice(index, batch)
        recorder.commit()
    if not finish:
        recorder.abandon()
        return directory.path
    result = recorder.finish()
    directory.write_violations([BROKEN])
    directory.write_summary({"ended": "finished", "metrics": {"faults.soft": 60}})
    digest = put_together(plan, [result]).digest
    directory.write_manifest(Manifest("redis", 7, 1, plan, "finished", digest, result.events, result.records, 99))
    return directory.finish()


@pytest.fixture(scope="module")
def run_path(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("runs"))


def test_runs_are_numbered_and_never_share_a_directory(tmp_path):
    first = RunDirectory.create("redis", 7, root=tmp_path)
    second = RunDirectory.create("redis", 7, root=tmp_path)
    assert (first.final.name, second.final.name) == ("redis-7-1", "redis-7-2")
    first.finish()
    assert RunDirectory.create("redis", 7, root=tmp_path).final.name == "redis-7-3"
    assert RunDirectory.create("redis", 8, root=tmp_path).final.name == "redis-8-1"


@pytest.mark.parametrize("lasting", [True, False])
def test_small_files_are_forced_to_the_disk_where_they_shall_last(lasting, tmp_path, monkeypatch):
    forced = []
    monkeypatch.setattr(manifest_module.os, "fsync", forced.append)
    directory = RunDirectory.create("redis", 7, root=tmp_path, lasting=lasting)
    directory.write_violations([BROKEN])
    directory.write_manifest(Manifest("redis", 7, 1, PLAN))
    assert len(forced) == (4 if lasting else 0), "the content and the name of each"
    assert open_run(directory.path).violations == [BROKEN]


def test_a_run_is_partial_and_private_until_it_is_finished(tmp_path):
    directory = RunDirectory.create("redis", 7, tmp_path / "out")
    assert directory.path == tmp_path / "out.partial"
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert not (tmp_path / "out").exists()
    assert directory.finish() == tmp_path / "out"
    assert not (tmp_path / "out.partial").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["snapshots", "trace"]


@pytest.mark.parametrize("name", ["../../etc", "a b\n\x1b[31m", "...", "", "ü/ß", "x" * 300])
def test_a_hostile_scenario_name_cannot_leave_the_directory_of_runs(tmp_path, name):
    directory = RunDirectory.create(name, 1, root=tmp_path)
    assert directory.path.parent == tmp_path / "runs"
    assert directory.path.name.isascii()
    assert directory.path.name.isprintable()


def test_an_output_directory_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    with pytest.raises(InputError, match=r"out: the output directory must be new or an empty directory, found 1 entries") as caught:
        RunDirectory.create("redis", 7, out)
    assert caught.value.as_json()["file"] == str(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(("make", "found"), [("file", "a file"), ("link", "a broken link")])
def test_an_output_that_is_no_directory_is_refused(tmp_path, make, found):
    out = tmp_path / "out"
    if make == "file":
        out.write_text("")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=found):
        RunDirectory.create("redis", 7, out)


def test_an_unfinished_run_of_the_same_name_is_not_overwritten(tmp_path):
    stored(tmp_path, tmp_path / "out", finish=False)
    with pytest.raises(InputError, match=r"out\.partial: an unfinished run of that name"):
        RunDirectory.create("redis", 7, tmp_path / "out")


def test_an_empty_output_directory_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    path = stored(tmp_path, tmp_path / "out")
    assert path == tmp_path / "out"
    assert open_run(path).whole


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="the run directory cannot be made: Not a directory"):
        RunDirectory.create("redis", 7, tmp_path / "file" / "deeper")


def test_a_discarded_run_leaves_nothing(tmp_path):
    directory = RunDirectory.create("redis", 7, tmp_path / "out")
    directory.write_manifest(Manifest("redis", 7, 1, PLAN))
    directory.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    replace_file(path, b"old")

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest_module.os, "fsync", full)
    with pytest.raises(RunError, match=r"summary.json: cannot be written: No space left on device"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["summary.json"]  # noqa: PTH208


def test_a_stored_run_gives_back_what_was_written(run_path):
    run = open_run(run_path)
    assert run.whole
    assert run.losses == []
    assert run.manifest.plan == PLAN
    assert (run.manifest.ended, run.manifest.events) == ("finished", len(ENTRIES))
    assert run.summary["metrics"] == {"faults.soft": 60}
    assert run.violations == [BROKEN]
    assert [entry for batch in run.trace.entries() for entry in batch] == ENTRIES
    assert json.loads((run_path / "manifest.json").read_text())["digest"] == run.digest_of_trace()


def test_records_by_kind_know_their_event_and_their_fields(run_path):
    found = list(open_run(run_path).records(kind="store"))
    wanted = [(entry[0], record) for entry in ENTRIES for record in entry[2] if record[0] == STORE]
    assert [(found_one.time_ns, found_one.record) for found_one in found] == [(head[0], record) for head, record in wanted]
    assert found[0].event == wanted[0][0][4:6]
    assert found[0].cause == wanted[0][0][6:8]
    assert found[0]["frame"] == wanted[0][1][4]
    assert found[0].fields == dict(zip(("thread", "pmap", "vpn", "frame"), wanted[0][1][1:], strict=True))


def test_a_run_that_was_cut_short_opens_under_its_proper_name_and_says_so(tmp_path):
    path = stored(tmp_path, tmp_path / "out", finish=False)
    run = open_run(tmp_path / "out")
    assert run.path == path
    assert not run.whole
    assert "was not finished" in run.losses[0]
    assert len(list(run.records())) == sum(len(entry[2]) for entry in ENTRIES)


def test_a_run_without_a_trace_opens_but_has_no_records(tmp_path):
    run = open_run(stored(tmp_path, trace=False))
    assert run.whole
    with pytest.raises(InputError, match="kept no trace; run it again without --no-trace"):
        list(run.records())


def test_a_trace_that_is_gone_is_not_one_that_was_never_kept(tmp_path):
    path = stored(tmp_path)
    shutil.rmtree(path / "trace")
    with pytest.raises(RunError, match="the trace directory is gone; this run kept a trace"):
        list(open_run(path).records())


@pytest.mark.parametrize("make", ["nothing", "file", "empty"])
def test_what_is_no_run_is_refused(tmp_path, make):
    path = tmp_path / "run"
    if make == "file":
        path.write_text("")
    elif make == "empty":
        path.mkdir()
    with pytest.raises(InputError, match="no run directory"):
        open_run(path)


@pytest.mark.parametrize(
    ("file", "content", "sentence", "key"),
    [
        ("manifest.json", b"", "Input data was truncated", None),
        ("manifest.json", b"\xff\xfe", "manifest.json", None),
        ("manifest.json", b"[1]", "Expected `object`, got `array`", None),
        ("manifest.json", b'{"format_version": 99}', "this run is in format 99, this program reads format 2", "format_version"),
        ("manifest.json", b'{"format_version": 2, "scenario": 5}', "Expected `str`, got `int`", "scenario"),
        ("summary.json", b"nonsense", "summary.json is damaged or was changed", None),
        ("violations.jsonl", b"", "violations.jsonl is damaged or was changed", None),
    ],
)
def test_a_damaged_file_is_named_with_its_key(tmp_path, file, content, sentence, key):
    path = stored(tmp_path)
    (path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_run(path)
    assert sentence in str(caught.value)
    assert str(path / file) in str(caught.value)
    assert caught.value.key == key


def test_a_number_changed_in_the_manifest_is_not_believed(tmp_path):
    path = stored(tmp_path)
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"seed": 7', '"seed": 6', 1))
    with pytest.raises(InputError, match=r"manifest.json is damaged or was changed: its checksum is wrong"):
        open_run(path)


def test_a_violation_that_is_none_is_named_with_line_and_key(tmp_path):
    path = stored(tmp_path)
    (path / "violations.jsonl").write_bytes(content := b'{"check": 5}\n')
    manifest = open_manifest(path)
    manifest.files["violations.jsonl"] = digest_of(content)
    write_manifest(path, manifest)
    with pytest.raises(InputError, match=r"violations.jsonl, line 1, key check"):
        open_run(path)


def test_one_process_at_a_time_is_at_work_on_a_run(tmp_path, monkeypatch):
    directory = RunDirectory.create("redis", 7, tmp_path / "out")
    held = directory.hold()
    monkeypatch.setattr("cluster.recording.run_dir.PATIENCE_S", 0.0)
    with pytest.raises(InputError, match="another process is at work on this run"):
        directory.hold()
    os.close(held)
    os.close(directory.hold())


def test_a_trace_that_was_exchanged_does_not_have_the_manifests_digest(tmp_path):
    one, other = stored(tmp_path), tmp_path / "other"
    writer = TraceWriter(other)
    writer.write(0, *encoded(ENTRIES[:-1]))
    writer.finish()
    other.replace(one / "trace" / "worker-0.trace")
    run = open_run(one)
    assert run.whole
    assert run.digest_of_trace() != run.manifest.digest
