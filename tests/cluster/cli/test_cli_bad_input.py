"""Each bad input of the contract: one clear sentence, the right status, exactly one JSON value, nothing half-written left."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.scenario.places import names

ROOT = Path(__file__).resolve().parents[3]


def leftovers(directory: Path, *known: str) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name not in known)


def check(ended, status: int, *words: str):
    """Status, one sentence on stderr, one JSON value on stdout with the error in it."""
    assert ended.status == status
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("shootdown: ")
    error = ended.json["error"]
    assert set(error) >= {"kind", "file", "line", "key", "found", "allowed"}
    for word in words:
        assert word in lines[0], (word, lines[0])
    return error


def empty(path: Path) -> None:
    path.write_bytes(b"")


def junk(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def truncated(path: Path) -> None:
    path.write_bytes(names("recordings")["gcc-compile"].read_bytes()[:9000])


def backwards(path: Path) -> None:
    with lzma.open(names("recordings")["gcc-compile"], "rt") as stream:
        lines = [next(stream) for _ in range(300)]
    stamp = next(word for word in lines[100].split() if word.replace(".", "").rstrip(":").isdigit() and "." in word)
    lines[200] = lines[200].replace(next(w for w in lines[200].split() if w.endswith(":") and "." in w), "0.000001:")
    assert stamp
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("empty.perf.txt", empty, ["empty"]),
        ("empty.perf.txt.xz", empty, []),
        ("junk.perf.txt", junk, []),
        ("junk.perf.txt.xz", junk, []),
        ("junk.perf.txt.gz", junk, []),
        ("cut.perf.txt.xz", truncated, []),
        ("back.perf.txt", backwards, ["back.perf.txt", "201"]),
        ("empty.toml", empty, ["empty"]),
        ("junk.toml", junk, ["UTF-8"]),
    ],
)
def test_bad_files(shootdown, tmp_path, name, make, words):
    make(tmp_path / name)
    error = check(shootdown("run", tmp_path / name, "--json"), 2, name, *words)
    assert error["file"] == str(tmp_path / name)
    assert leftovers(tmp_path, name) == []


@pytest.mark.parametrize("ref", ["nothing-here", "nothing-here.toml", "./nothing-here.perf.txt", "."])
def test_what_is_not_there(shootdown, tmp_path, ref):
    check(shootdown("run", ref, "--json"), 2, "allowed")
    assert leftovers(tmp_path) == []


def test_a_typo_names_file_line_and_key(shootdown, tmp_path, small):
    small.write_text(small.read_text() + "[machine]\ncpuss = 3\n")
    error = check(shootdown("run", small, "--json"), 2, "small.toml:6", "cpus (did you mean that?)")
    assert (error["line"], error["key"], error["found"]) == (6, "machine.cpuss", "cpuss")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "machine.cpus=0"], ["machine.cpus", "found 0"]),
        (["--workers", "0"], ["workers", "found 0", "1 to"]),
        (["--workers", "-3"], ["workers"]),
        (["--workers", "4000"], ["workers", "4000"]),
        (["--workers", "two"], ["--workers", "two"]),
        (["--seed", "-1"], ["seed", "0 to"]),
        (["--seed", "1.0"], ["--seed: found '1.0', allowed: an integer from 0 to 18446744073709551615"]),
        (["--seed=1e0"], ["--seed: found '1e0', allowed: an integer from 0 to"]),
        (["--workers", "2.0"], ["--workers: found '2.0', allowed: an integer"]),
        (["--backend", "curio"], ["backend", "trio or asyncio"]),
        (["--transport", "socket"], ["transport", "inproc"]),
        (["--kernel", "plan9"], ["--kernel", "freebsd-2006"]),
        (["--revert", "R77"], ["--revert", "R77", "R01"]),
        (["--frobnicate"], ["--frobnicate", "shootdown run --help"]),
    ],
)
def test_bad_options(shootdown, tmp_path, small, options, words):
    check(shootdown("run", small, "--json", *options), 2, *words)
    assert leftovers(tmp_path, "small.toml") == []


LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        (f"machine.cpus={LONG}", "machine.cpus", "integers of at most 4300 digits"),
        (f"machine.cpu_domains=[0, {LONG}]", "machine.cpu_domains", "integers of at most 4300 digits"),
        (f"machine.cpus=0x{LONG}", "machine.cpus", "integers of at most 4300 digits"),
        (f"machine.cpu_domains=[0x{LONG}]", "machine.cpu_domains", "integers of at most 4300 digits"),
        (f"machine.cpus={{ a = [0x{LONG}] }}", "machine.cpus", "integers of at most 4300 digits"),
        (f"faults[{LONG}].cpu=1", f"faults[{LONG}].cpu", "one of the 0 entries of faults, counted from 0"),
        (f'limits.wait_ns="{LONG} ns"', "limits.wait_ns", "a number of at most 30 digits and its unit"),
        (f'limits.wait_ns="1.{LONG} s"', "limits.wait_ns", "a number of at most 30 digits and its unit"),
        ("machine.cpus=[1979-05-27]", "machine.cpus", "an integer"),
    ],
    ids=range(9),
)
def test_numbers_longer_than_python_converts(shootdown, tmp_path, small, text, key, allowed):
    error = check(shootdown("run", small, "--json", "--set", text), 2, allowed)
    assert error["key"].startswith(key) and allowed in error["allowed"] and error["found"]
    assert len(str(error)) < 16_000
    assert leftovers(tmp_path, "small.toml") == []


def test_a_sentence_is_short_whatever_was_found(shootdown, small):
    for option in (f"machine.cpus={LONG}", f"faults[{LONG}].cpu=1", f'limits.wait_ns="{LONG} ns"'):
        assert len(shootdown("run", small, "--set", option).err) < 400


def test_a_long_number_in_a_file_is_found_on_its_line(shootdown, small):
    small.write_text(f"{small.read_text()}[machine]\ncpus = {LONG}\n")
    for text in (small.read_text(), small.read_text().replace("cpus = ", "cpus = 0x")):
        small.write_text(text)
        error = check(shootdown("check", small, "--json"), 2, "small.toml:6: TOML: found ", "9…, allowed: integers of at most 4300 digits")
        assert (error["line"], error["key"]) == (6, "TOML")


def test_a_worker_for_every_root_actor_is_the_most(shootdown, small):
    allowed = shootdown("run", small, "--json", "--workers", "4000").json["error"]["allowed"]
    most = int(str(allowed).rpartition(" ")[2])
    assert shootdown("check", small, "--json", "--workers", most).status == 0
    assert shootdown("check", small, "--json", "--workers", most + 1).status == 2


def test_an_output_directory_that_is_not_empty(shootdown, tmp_path, small):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    check(shootdown("run", small, "--json", "--out", out), 2, "out", "empty directory")
    assert leftovers(out) == ["precious"]
    assert leftovers(tmp_path, "small.toml", "out") == []


def test_an_output_directory_below_a_file(shootdown, small):
    check(shootdown("run", small, "--json", "--out", small / "run"), 3, "small.toml")


def test_a_missing_command_line(shootdown):
    assert shootdown("run").status == 2
    assert shootdown("no-such-command").status == 2
    assert shootdown("log", "no-such-run").status == 2


def mounts_here() -> bool:
    tool = shutil.which("unshare")
    command = [tool or "false", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return tool is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not mounts_here(), reason="this machine lets nobody mount a small tmpfs")
@pytest.mark.parametrize("size", ["16k", "60k"])
def test_a_full_disk(tmp_path, size):
    run = f"{sys.executable} -m cluster.cli.main run gcc-compile --set workload.lines_max=1500 --json --out /mnt/run"
    script = f"mount -t tmpfs -o size={size} none /mnt && {run}; code=$?; ls -A /mnt >&2; exit $code"
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 3, ended.stderr
    assert "No space left on device" in ended.stdout
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, "one sentence, and nothing left on the disk"


@pytest.mark.skipif(not mounts_here(), reason="this machine lets nobody mount a small tmpfs")
def test_a_disk_that_fills_up_behind_a_cut_costs_nothing(shootdown):
    """What was recorded stays, and goes on from the cut once there is room."""
    sets = ("--set", "workload.lines_max=2000")
    command = f"{sys.executable} -m cluster.cli.main"
    run = f"{command} run redis-bgsave {' '.join(sets)} --snapshot-ms 20 --out /mnt/run >&2; test $? = 3"
    steps = ("mount -t tmpfs -o size=900k none /mnt", run, "mount -o remount,size=50m /mnt", f"{command} resume /mnt/run --json")
    script = " && ".join(steps)
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 0, ended.stderr
    assert "No space left on device" in ended.stderr
    made = json.loads(ended.stdout)
    assert made["resumed_at_ns"] > 0
    assert made["digest"] == shootdown("run", "redis-bgsave", *sets, "--no-trace", "--json").json["digest"]
