"""``resume``, ``fork``, ``state`` and ``torture`` as they are typed, and what they say to what cannot be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(shootdown, small):
    return shootdown("run", small, "--out", "run", "--json").json


def test_a_run_that_was_killed_is_resumed(shootdown, tmp_path):
    """The very command line, killed by SIGKILL, and finished by another."""
    whole = shootdown("run", "redis-bgsave", "--set", "workload.lines_max=700", "--out", "whole", "--json").json
    command = [sys.executable, "-m", "cluster.cli.main", "run", "redis-bgsave", "--set", "workload.lines_max=700"]
    command += ["--out", "cut", "--snapshot-ms", "20"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cuts = tmp_path / "cut.partial" / "snapshots" / "cuts.json"
    until = time.monotonic() + 60
    while not cuts.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "cut.partial").is_dir(), "it ended before it was killed"
    made = shootdown("resume", "cut", "--json").json
    assert made["digest"] == whole["digest"]
    assert made["resumed_at_ns"] > 0
    assert made["repaired"] == []
    assert shootdown("check-run", "cut").status == 0


def test_resume_says_from_where(shootdown, run):
    (Path("run")).rename("run.partial")
    assert "digest " + run["digest"] in shootdown("resume", "run").out


def test_a_fork_with_nothing_changed_says_that_it_is_the_same(shootdown, run):
    ended = shootdown("fork", "run", "--at", "2 us", "--out", "fork")
    assert ended.status == 0
    assert "forked off run at 2,000 ns; the digest of the run it is of" in ended.out
    assert shootdown("fork", "run", "--at", 2000, "--revert", "R02", "--out", "other", "--json").json["kernel_forms"]["R02"]


def test_a_state_is_printed_for_people_and_for_programs(shootdown, run):
    text = shootdown("state", "run", "--at", "30 us", "--actor", "cpu.*").out
    assert text.startswith("cpu.0\n  ")
    assert "  threads:\n" in text
    found = shootdown("state", "run", "--at", "30000", "--actor", "f*", "--json").json
    assert (found["at_ns"], list(found["actors"])) == (30000, ["fq"])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("resume", "run"), "has ended; there is nothing to resume"),
        (("resume", "nowhere"), "no unfinished run, found nothing"),
        (("fork", "run", "--at", "soon"), "--at: found 'soon', allowed: a time"),
        (("fork", "run", "--at", "-5"), "--at"),
        (("fork", "run", "--at", "1", "--revert", ""), "--revert: CHANGE: an empty name; found '', allowed: names of changes"),
        (("fork", "run", "--at", "1", "--apply", ",,"), "--apply: CHANGE: an empty name; found ,,, allowed: names of changes"),
        (("fork", "run", "--at", "5 h"), "--at: found '5 h', allowed: a time"),
        (("fork", "run", "--at", "1", "--set", "machine.cpus=4"), "cannot change while a run is under way"),
        (("fork", "run", "--at", "1", "--faults", "missing.toml"), "no such file"),
        (("fork", "nowhere", "--at", "1"), "no run directory"),
        (("state", "run", "--at", "1", "--actor", "nobody"), "no actor is called 'nobody'"),
        (("state", "run"), "--at"),
        (("run", "fork-cow", "--snapshot-ms", "-1"), "--snapshot-ms: found -1"),
        (("torture", "fork-cow", "--workers", "1"), "--workers"),
        (("torture", "nothing"), "nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(shootdown, run, command, said):
    ended = shootdown(*command)
    assert ended.status == 2
    assert ended.out == ""
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert "error" in shootdown(*command, "--json").json


def test_torture_prints_a_table_and_a_verdict(shootdown):
    ended = shootdown("torture", "lost-ipi", "--kills", 1, "--resumes", 1, "--snapshot-ms", 20, "--seed", 3)
    assert ended.status == 0, ended.err
    assert "2 of 2 have the undisturbed digest and trace, and nothing was left behind" in ended.out
    rows = [line for line in ended.out.splitlines() if line.startswith("| 1 |")]
    assert [row.rstrip("|").rpartition("|")[2].strip() for row in rows] == ["same", "same"]
