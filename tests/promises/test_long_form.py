"""The long form goes on where it was interrupted, shows every inequality, and leaves nothing out silently."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from cluster.errors import InputError, RunError
from cluster.promises import __main__ as command
from cluster.promises.child import Refused, answer
from cluster.promises.children import ROOT, Child, carried_out
from cluster.promises.covering import covering
from cluster.promises.job import Job, carry_out
from cluster.promises.long_form import HEADS, HOW, LongForm, Way
from cluster.promises.progress import FILE, Progress, code_identity


@pytest.fixture(scope="module")
def lost():
    return carry_out(Job(label="lost-ipi", scenario="lost-ipi"))


def form(directory, carry, only="digest/lost-ipi/", code="one"):
    return LongForm(Progress(directory, code), only, carry)


def test_a_row_for_every_way_and_none_is_run_twice(tmp_path, lost):
    asked = []

    def carry(job):
        asked.append(job)
        return lost

    first = form(tmp_path, carry)
    rows = list(first.rows())
    assert [row.cells[1:5] for row in rows] == [Way._make(way).words() for way in covering(HOW)]
    assert all(row.kept and len(row.cells) == len(HEADS[row.section]) for row in rows)
    assert (first.wanted, len(asked)) == (12, 12)
    assert first.left_out > 300
    assert list(form(tmp_path, carry).rows()) == rows
    assert len(asked) == 12
    list(form(tmp_path, carry, code="other").rows())
    assert len(asked) == 24, "what other code has shown counts for nothing"


def test_an_interruption_loses_only_what_was_under_way(tmp_path, lost):
    asked = []

    def carry(job):
        asked.append(job)
        if len(asked) == 5:
            raise KeyboardInterrupt
        return lost

    with pytest.raises(KeyboardInterrupt):
        list(form(tmp_path, carry).rows())
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes() + b'{"piece": "cut o')
    assert len(list(form(tmp_path, carry).rows())) == 12
    assert len(asked) == 5 + 8
    assert len(Progress(tmp_path, "one")._path.read_text().splitlines()) == 12


def test_an_inequality_is_shown_and_the_others_are_still_run(tmp_path, lost, monkeypatch, capsys):
    """Also one that the digest does not have: here a metric."""
    other = msgspec.structs.replace(lost, metrics={**lost.metrics, "pageouts": 1})
    monkeypatch.setattr(
        command, "LongForm", lambda progress, only: LongForm(progress, only, lambda job: other if job.workers == 3 else lost)
    )
    assert command.main(["--directory", str(tmp_path), "--only", "digest/lost-ipi/"]) == 1
    out = capsys.readouterr().out
    assert out.count("  yes\n") == 9
    assert out.count("  NO\n") == 3
    assert "3 of 12 rows are NOT as promised; " in out
    assert "pieces were not asked for and not run" in out


def test_nothing_asked_for_is_no_success(tmp_path, capsys):
    assert command.main(["--directory", str(tmp_path), "--only", "digset/"]) == 2


def test_clean_begins_anew(tmp_path):
    Progress(tmp_path, "one").put("a", {"x": 1})
    assert Progress(tmp_path, "one").get("a") == {"x": 1}
    assert Progress(tmp_path, "two").stale == 1
    assert Progress(tmp_path, "one", clean=True).get("a") is None
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("line", ["hello", "[]", '{"piece": "a", "code": "one"}', '{"piece": "a", "code": "one", "found": 3}'])
def test_a_file_of_something_else_is_refused(tmp_path, line, capsys):
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(InputError, match=r"progress.jsonl:1: no line of progress"):
        Progress(tmp_path, "one")
    assert command.main(["--directory", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_progress_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file"):
        Progress(tmp_path / "file", "one")


def test_code_has_one_identity():
    assert code_identity() == code_identity()
    assert len(code_identity()) == 32


# Processes -----------------------------------------------------------------------------------------------------------------


def test_a_job_that_cannot_be_is_told_in_words():
    said = answer(msgspec.json.encode(Job(label="x", scenario="nothing-called-so")))
    assert isinstance(said, Refused)
    assert said.status == 2
    with pytest.raises(InputError, match="x: "):
        carried_out(Job(label="x", scenario="nothing-called-so"))


def test_a_process_that_ends_is_told():
    with Child(0) as child:
        child._process.terminate()
        child._process.wait()
        with pytest.raises(RunError, match="x: the process ended with status -15"):
            child.ask(Job(label="x", scenario="lost-ipi"))


def test_a_childs_hash_seed_is_its_own():
    with pytest.raises(AssertionError, match="hash seed 1 in a process of hash seed 0"), Child(0) as child:
        child.ask(Job(label="x", scenario="lost-ipi", hash_seed=1))


@pytest.mark.parametrize("rows", [0, 4])
def test_ctrl_c_ends_it_with_130_and_no_process(tmp_path, rows):
    """While a first child is still loading, and while workers run."""
    arguments = [sys.executable, "-u", "-m", "cluster.promises", "--directory", str(tmp_path / "progress"), "--only", "digest/lost-ipi/"]
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not rows and process.poll() is None and not (tmp_path / "progress").is_dir():
        time.sleep(0.01)
    for _ in range(rows and rows + 3):
        process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "promises: interrupted; the same command goes on from here\n")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list(processes(str(tmp_path))) == []


def processes(place):
    """Processes whose environment names ``place``."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (
                f"TMPDIR={place}".encode() in (directory / "environ").read_bytes()
                and "Z" not in (directory / "stat").read_text().split()[2]
            ):
                yield int(directory.name)
        except OSError:
            continue
