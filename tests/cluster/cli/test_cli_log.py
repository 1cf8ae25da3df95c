"""``log``: what cannot be there is refused, what is not there is told with what is, and a trace that is lost is no empty log."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.cluster.cli.conftest import SMALL


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small run on the disk."""
    import shootdown as sd

    directory = tmp_path_factory.mktemp("log")
    (directory / "small.toml").write_text(SMALL)
    return sd.run(directory / "small.toml", out=directory / "run").path


@pytest.fixture
def copied(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "copied")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--actor", "nobody"], ["--actor", "found nobody", "fq, pq, smp, cpu.0"]),
        (["--actor", "cpu.9"], ["allowed: cpu."]),
        (["--page", "-1"], ["--page", "found -1", "a frame's number"]),
        (["--page", "99999999999"], ["--page", "found 99999999999", "0 to 0xffff"]),
        (["--from", "5", "--until", "5"], ["--until", "found 5 ns", "more than 5 ns"]),
        (["--from", "2 ms", "--until", "1 ms"], ["--until", "found 1000000 ns", "more than 2000000 ns"]),
        (["--from", "9" * 5000], ["--from", "a time from 0 to 10^15 ns"]),
        (["--until", "soon"], ["--until", "found 'soon'"]),
    ],
)
def test_what_cannot_be_there_is_refused(shootdown, stored, options, words):
    ended = shootdown("log", stored, "--json", *options)
    assert ended.status == 2 and ended.json["error"]["allowed"]
    (line,) = ended.err.splitlines()
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lock", "bogus"], ["of --lock bogus", "there are", "pq", "vm object"]),
        (["--lock", "vm_objet"], ["there are vm_object, "]),
        (["--thread", "77"], ["of --thread t77", "there are t0, t1, k0.0"]),
        (["--thread", "k1.0"], ["of --thread k1.0", "there are k0.0, "]),
        (["--page", "1999"], ["of --page 0x7cf", "there are 0xff", "more"]),
        (["--from", "900 s"], ["no record from 900,000,000,000 ns on", "the run ends at"]),
        (["--actor", "cpu.0", "--kind", "pte.set"], ["no record of --actor cpu.0 and --kind pte.set"]),
        (["--lock", "bogus", "--thread", "t77"], ["--lock bogus"]),
    ],
)
def test_what_is_not_there_is_told_with_what_is(shootdown, stored, options, words):
    ended = shootdown("log", stored, *options)
    assert (ended.status, ended.out) == (0, "")
    assert all(line.startswith("shootdown: nothing matches: ") for line in ended.err.splitlines())
    assert [word for word in words if word not in ended.err] == []
    assert json.loads(shootdown("log", stored, "--json", *options).out) == []


def test_a_log_with_a_line_has_no_note(shootdown, stored):
    ended = shootdown("log", stored, "--lock", "vm object", "--limit", "1")
    assert len(ended.out.splitlines()) == 1 and ended.err == ""


def test_an_actor_that_may_have_been_in_what_is_lost_is_not_refused(shootdown, copied):
    (trace,) = (copied / "trace").iterdir()
    trace.write_bytes(trace.read_bytes()[:-5])
    ended = shootdown("log", copied, "--actor", "nobody")
    assert ended.status == 0 and "no record of this run is of --actor nobody" in ended.err and "lost" in ended.err


@pytest.mark.parametrize("cause", [[], ["--cause", "cpu.0:1"]])
def test_a_trace_that_is_gone_was_not_left_out(shootdown, copied, cause):
    for file in (copied / "trace").iterdir():
        file.unlink()
    ended = shootdown("log", copied, *cause)
    assert ended.status == 3 and "its files are gone; this run kept a trace" in ended.err
    (copied / "trace").rmdir()
    ended = shootdown("log", copied, "--json", *cause)
    assert ended.status == 3 and "the trace directory is gone" in ended.json["error"]["message"]


@pytest.mark.parametrize("length", [0, 10, 30])
def test_a_trace_of_which_nothing_can_be_read(shootdown, copied, length):
    (trace,) = (copied / "trace").iterdir()
    trace.write_bytes(trace.read_bytes()[:length])
    ended = shootdown("log", copied)
    assert ended.status == 3 and ended.out == "" and "nothing of the trace can be read" in ended.err


def test_a_trace_whose_every_block_is_damaged(shootdown, copied):
    (trace,) = (copied / "trace").iterdir()
    data = bytearray(trace.read_bytes())
    data[60] ^= 0xFF
    trace.write_bytes(bytes(data))
    ended = shootdown("log", copied)
    assert ended.status == 3 and "is damaged: its checksum does not match" in ended.err


def test_a_run_that_kept_no_trace_says_so(shootdown, small, tmp_path):
    assert shootdown("run", small, "--no-trace", "--out", tmp_path / "bare").status == 0
    ended = shootdown("log", tmp_path / "bare")
    assert ended.status == 2 and "kept no trace" in ended.err
