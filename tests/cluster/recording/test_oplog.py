import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.recording import oplog
from cluster.recording.oplog import OperationalLog, open_log

ROOT = Path(__file__).resolve().parents[3]


def test_lines_of_json_with_level_role_and_facts(tmp_path):
    log = OperationalLog(tmp_path / "log.jsonl", "worker 1")
    log.info("connected", peer=2)
    log.error("a peer died", peer=2, status=-9)
    log.close()
    first, second = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (first["event"], first["level"], first["role"], first["peer"]) == ("connected", "info", "worker 1", 2)
    assert (second["level"], second["status"]) == ("error", -9)
    assert first["at"].endswith("Z")


def test_the_console_gets_warnings_and_nothing_that_moves_its_cursor(tmp_path):
    console = io.StringIO()
    log = OperationalLog(tmp_path / "log.jsonl", "parent", console)
    log.info("ordinary")
    log.warning("comm \x1b[2J\r\n", name="evil\u202ename\x07")
    assert console.getvalue() == "warning parent: comm \\x1b[2J\\r\\n  name=evil\\u202ename\\x07\n"
    assert all(line.isprintable() for line in console.getvalue().splitlines())
    assert all(character.isprintable() or character == "\n" for character in (tmp_path / "log.jsonl").read_text())


def test_several_processes_append_to_one_file(tmp_path):
    program = (
        "import sys; from pathlib import Path; from cluster.recording.oplog import open_log\n"
        "log = open_log(Path(sys.argv[1]), 'worker ' + sys.argv[2], console=False)\n"
        "for number in range(200): log.info('line', number=number, padding='x' * 200)"
    )
    path = tmp_path / "log.jsonl"
    children = [subprocess.Popen([sys.executable, "-c", program, str(path), str(n)], cwd=ROOT) for n in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for n in range(2):
        assert [line["number"] for line in lines if line["role"] == f"worker {n}"] == list(range(200))


def test_a_log_that_cannot_be_written_counts_its_losses_and_goes_on(tmp_path, monkeypatch):
    log = OperationalLog(tmp_path / "log.jsonl", "parent")

    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(oplog.os, "write", full)
    log.info("one")
    log.info("two")
    assert log.file.lost == 2
    assert OperationalLog(tmp_path / "missing" / "log.jsonl", "parent").file.lost == 1


def test_a_console_that_went_away_is_no_error(tmp_path):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    log = OperationalLog(tmp_path / "log.jsonl", "parent", Gone())
    log.warning("one")
    log.warning("two")
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


def test_verbose_shows_the_ordinary_course_on_stderr(capsys):
    open_log(None, "parent", verbose=True).info("started", workers=2)
    open_log(None, "parent").info("not shown")
    open_log(None, "parent", console=False).error("not shown either")
    shown = capsys.readouterr()
    assert shown.err == "info parent: started  workers=2\n"
    assert shown.out == ""


@pytest.mark.parametrize("module", ["cluster.recording.recorder", "cluster.recording.oplog", "cluster.recording.run_dir"])
def test_what_workers_import_does_not_load_structlog(module):
    program = f"import sys, {module}; sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
