from __future__ import annotations

import os

import pytest

from cluster.errors import InputError
from cluster.experiments.experiment import load_experiment
from cluster.scenario import load
from cluster.scenario.faults_file import load_faults
from cluster.scenario.places import configs, names, stem_of

WORK = '[workload]\ngenerator = "fault_storm"\n'


def refusal(ref) -> InputError:
    with pytest.raises(InputError) as caught:
        load(ref)
    assert caught.value.status == 2
    return caught.value


def test_names_work_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("fork-cow").name == "fork-cow"
    recording = load("redis-bgsave")
    assert recording.name == "redis-bgsave"
    assert (recording.machine.cpus, recording.machine.domains, recording.machine.frames, recording.machine.pmap) == (2, 1, 65536, "amd64")


def test_a_recording_by_its_path(tmp_path):
    path = configs() / "recordings" / "gcc-compile.perf.txt.xz"
    assert load(path).expanded() == load("gcc-compile").expanded()


def test_a_recording_beside_its_scenario(tmp_path, monkeypatch):
    line = "  app  7/7  [000]  1.000001: exceptions:page_fault_user: address=0x7f0000001000 ip=0x1 error_code=0x6\n"
    (tmp_path / "mine.perf.txt").write_text(line)
    (tmp_path / "case.toml").write_text('[workload]\nrecording = "mine.perf.txt"\n')
    monkeypatch.chdir("/")
    scenario = load(tmp_path / "case.toml")
    assert scenario.work.path == tmp_path / "mine.perf.txt"
    assert scenario.expanded()["workload"]["recording"] == "mine"


@pytest.mark.parametrize("name", sorted(names("scenarios")))
def test_every_shipped_scenario_loads_and_has_a_title(name):
    scenario = load(name)
    assert scenario.title
    assert scenario.name == name


def test_the_commented_scenario_of_init_loads(scenario_file):
    text = (configs() / "init.toml").read_text()
    assert load(scenario_file(text)).checks
    uncommented = text.replace("# revert", "revert").replace("# [[faults]]", "[[faults]]").replace("# kind =", "kind =")
    uncommented = uncommented.replace("# delay_ns", "delay_ns").replace("# when", "when").replace("# lines_max", "lines_max")
    scenario = load(scenario_file(uncommented))
    assert scenario.kernel["R02"] == "before-shootdown"
    assert scenario.faults(1)[0].delay_ns == 20_000


def test_what_is_no_scenario(tmp_path):
    assert "no such file" in str(refusal("no-such-name"))
    assert "redis-bgsave" in str(refusal("no-such-name").allowed)
    assert "no such file" in str(refusal(tmp_path / "no.toml"))
    assert "no such file" in str(refusal(tmp_path / "no.perf.txt"))
    assert "a directory" in str(refusal(tmp_path))
    (tmp_path / "x.pdf").write_text("x")
    assert ".toml" in str(refusal(tmp_path / "x.pdf").allowed)


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b" \n", "an empty file"), (b"\x00\xff\xfe", "bytes that are no text"), (b"[workload]\n\x80", "at byte 11")],
)
def test_files_that_hold_no_text(tmp_path, content, found):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    assert found in str(refusal(path).found)


def test_a_typo_in_toml_names_its_line(refused):
    error = refused(WORK + "[machine\n")
    assert (error.line, error.found) == (3, "[machine")
    error = refused(WORK + 'x = "abc\n')
    assert error.line == 3
    assert refused("a = 1\na = 2\n").line == 2


def test_a_typo_in_a_key_names_its_line_and_what_was_meant(refused):
    error = refused('[machine]\ncpus = 2\n\n[workload]\ngenerator = "fault_storm"\nretuch = 1\n')
    assert (error.line, error.key, error.found) == (6, "workload.retuch", "retuch")
    assert "retouch (did you mean that?)" in str(error)
    assert refused(WORK + "[machne]\ncpus = 1\n").key == "machne"


def test_tables_that_are_none(refused):
    assert refused("machine = 3\n" + WORK).key == "machine"
    assert refused('workload = "redis"\n').key == "workload"
    assert refused("[machine]\ncpus = 2\n").key == "workload"


def test_a_preset_loop_ends(refused, monkeypatch, tmp_path):
    import cluster.scenario.read as module

    loop = tmp_path / "loop.toml"
    loop.write_text('[machine]\npreset = "loop"\n')
    monkeypatch.setattr(module, "names", lambda kind: {"loop": loop})
    assert refused('[machine]\npreset = "loop"\n' + WORK).key == "machine.preset"


def test_stems():
    from pathlib import Path

    for name in ("a.b.perf.txt", "a.b.perf.txt.xz", "a.b.toml", "a.b.gz"):
        assert stem_of(Path("/x") / name) == "a.b"
    assert stem_of(Path("plain")) == "plain"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: path.mkdir(), "a directory"),
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b" \n"), "an empty file"),
        (lambda path: path.write_bytes(b"\xff"), "bytes that are no text (at byte 0)"),
    ],
)
@pytest.mark.parametrize(
    ("read", "what", "allowed"),
    [
        (load, "scenario", "a scenario file"),
        (lambda path: load_faults(path, load("demo").machine), "faults", "a faults file"),
        (load_experiment, "experiment", "an experiment file"),
    ],
)
def test_every_file_is_a_file_and_called_what_it_is(tmp_path, make, found, read, what, allowed):
    """A pipe would be waited for without end, and a device read without end."""
    path = tmp_path / "case.toml"
    make(path)
    with pytest.raises(InputError) as caught:
        read(str(path))
    assert (caught.value.key, caught.value.found, caught.value.file) == (what, found, str(path))
    assert str(caught.value.allowed).startswith((allowed, "a TOML file"))


def test_a_script_of_its_own_is_called_one(scenario_file, tmp_path):
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(InputError, match=r"empty\.toml: script: found an empty file, allowed: a script file with at least \[\[task\]\]"):
        load(scenario_file('[workload]\nscript = "empty.toml"\n'))
