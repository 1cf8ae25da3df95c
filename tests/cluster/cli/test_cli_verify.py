from __future__ import annotations

import itertools
import os

import pytest

from cluster.cli import verify
from cluster.cli.verify import Combination, combinations


def test_the_full_cover_is_every_combination():
    found = combinations([1, 2, 3, 4], ["trio", "asyncio"], 3, "both", "full")
    assert len(found) == len(set(found)) == 48
    assert found[0] == Combination(1, "trio", 0, True)


@pytest.mark.parametrize(
    ("workers", "backends", "seeds", "trace"), [([1, 2, 3, 4], ["trio", "asyncio"], 3, "both"), ([1], ["trio"], 1, "on")]
)
def test_the_pairwise_cover_has_every_pair_and_is_small(workers, backends, seeds, trace):
    every = combinations(workers, backends, seeds, trace, "full")
    chosen = combinations(workers, backends, seeds, trace, "pairwise")

    def pairs(rows):
        return {pair for row in rows for pair in itertools.combinations(enumerate(row), 2)}

    assert pairs(chosen) == pairs(every)
    assert len(chosen) <= max(1, len(workers) * seeds + 2)


def test_verify_runs_each_combination_in_a_process_of_its_own(shootdown, small):
    ended = shootdown("verify", small, "--workers", "1,2", "--backends", "trio", "--hash-seeds", "1", "--json")
    found = ended.json
    assert ended.status == 0
    assert (found["scenario"], found["seed"], found["equal"]) == ("small", 1, True)
    assert [(run["workers"], run["trace"]) for run in found["runs"]] == [(1, True), (1, False), (2, True), (2, False)]
    assert len({run["digest"] for run in found["runs"]}) == 1
    assert found["runs"][0]["digest"] == shootdown("run", small, "--json").json["digest"]
    assert all(set(run) == {"workers", "backend", "hash_seed", "trace", "digest"} for run in found["runs"])


def test_a_difference_is_told(shootdown, small, monkeypatch):
    monkeypatch.setattr(verify, "digest_of", lambda scenario, options, combination: str(combination.workers))
    ended = shootdown("verify", small, "--workers", "1,2", "--json")
    assert ended.status == 1
    assert ended.json["equal"] is False
    assert "2 different digests" in shootdown("verify", small, "--workers", "1,2").out


@pytest.mark.parametrize(
    "options",
    [["--workers", "0"], ["--workers", "1,x"], ["--workers", "999"], ["--backends", "curio"], ["--trace", "maybe"], ["--cover", "none"]],
)
def test_what_cannot_be_verified(shootdown, small, options):
    ended = shootdown("verify", small, "--json", *options)
    assert ended.status == 2
    assert ended.json["error"]["allowed"]


def test_a_verification_is_continued_where_it_stopped(shootdown, small, tmp_path, monkeypatch):
    asked = []

    def digest(scenario, options, combination):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(combination)
        return "same"

    monkeypatch.setattr(verify, "digest_of", digest)
    line = ["verify", small, "--workers", "1,2", "--backends", "trio", "--hash-seeds", "1", "--continue", tmp_path / "memory"]
    interrupted = shootdown(*line, "--json")
    assert (interrupted.status, interrupted.json["error"]["kind"]) == (130, "interrupted")
    first, asked[:] = list(asked), []
    with (tmp_path / "memory").open("a") as stream:
        stream.write('{"workers": 1, "back')
    ended = shootdown(*line, "--json")
    assert (ended.status, len(ended.json["runs"])) == (0, 4)
    assert len(asked) == 1
    assert asked[0] not in first
    asked.clear()
    assert shootdown(*line, "--seed", "2").status == 130, "another seed is another matter"


def test_a_memory_that_is_none(shootdown, small, tmp_path):
    for content in (b"[1]\n", b"nonsense\n", b"\xff\xfe\n"):
        (tmp_path / "memory").write_bytes(content)
        ended = shootdown("verify", small, "--continue", tmp_path / "memory", "--json")
        assert ended.status == 2
        assert ended.json["error"]["key"] == "--continue"


def test_other_code_has_another_identity(small, monkeypatch, tmp_path):
    from cluster.cli import verify_memory
    from cluster.scenario import load

    plan = load(small).to_plan(1)
    before = verify_memory.identity(plan)
    assert verify_memory.identity(plan) == before
    assert verify_memory.identity(load(small).to_plan(2)) != before
    monkeypatch.setattr(verify_memory, "ROOT", tmp_path)
    assert verify_memory.identity(plan) != before


@pytest.mark.parametrize("counts", ["²", "1" * 9000, "0", "1,,2", "-1"])
def test_workers_that_are_no_numbers(shootdown, counts):
    ended = shootdown("verify", "demo", "--workers", counts)
    assert ended.status == 2 and "verify: --workers: found" in ended.err


@pytest.mark.parametrize(("make", "found"), [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("/dev/zero"), "a device")])
def test_a_memory_that_is_no_file_is_refused(shootdown, tmp_path, make, found):
    make(tmp_path / "memory")
    ended = shootdown("verify", "demo", "--continue", tmp_path / "memory")
    assert ended.status == 2 and f"--continue: found {found}, allowed: a file that --continue has written" in ended.err
