from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from cluster.cli.commands import COMMANDS
from cluster.plan import FORMAT_VERSION, MODEL_VERSION
from cluster.scenario import load

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "cluster.cli.main"]


def test_bare_is_five_lines(shootdown):
    ended = shootdown()
    assert ended.status == 0
    assert len(ended.out.splitlines()) == 5
    assert "shootdown demo" in ended.out


def test_help_lists_every_command(shootdown):
    ended = shootdown("--help")
    assert ended.status == 0
    assert all(name in ended.out for name in COMMANDS)
    for name in COMMANDS:
        assert shootdown(name, "--help").status == 0


def test_help_loads_nothing_heavy():
    heavy = ("pydantic", "trio", "anyio", "msgspec", "structlog", "rich")
    code = f"import sys; from cluster.cli.main import main; main(['--help']); print([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert ended.stdout.strip().splitlines()[-1] == "[]"


def test_version(shootdown):
    assert f"model {MODEL_VERSION}, format {FORMAT_VERSION}" in shootdown("--version").out


KINDS = ["scenarios", "recordings", "generators", "machines", "kernels", "changes", "checks", "metrics", "faults", "strategies"]


@pytest.mark.parametrize("kind", KINDS)
def test_list(shootdown, kind):
    rows = shootdown("list", kind, "--json").json
    assert rows or kind == "strategies"
    assert kind in shootdown("list", kind).out


def test_a_check_is_listed_with_what_must_hold(shootdown):
    rows = {row["name"]: row["title"] for row in shootdown("list", "checks", "--json").json}
    assert rows["I-FREE-UNMAPPED"] == "no CPU's TLB has a translation to a frame on a free list"
    assert all(rows.values())


def test_list_of_everything_and_of_nothing(shootdown):
    assert list(shootdown("list", "--json").json) == KINDS
    ended = shootdown("list", "colours", "--json")
    assert ended.status == 2
    assert ended.json["error"]["allowed"] == ", ".join(KINDS)


def test_init_check_run(shootdown, tmp_path):
    path = tmp_path / "mine.toml"
    assert shootdown("init", path, "--json").json == {"written": str(path)}
    assert load(path).name == "mine"
    before = path.read_bytes()
    assert shootdown("init", path).status == 2
    assert path.read_bytes() == before
    assert shootdown("init", tmp_path / "no" / "where.toml").status == 2


def test_check_prints_a_scenario_that_loads(shootdown, tmp_path, small):
    ended = shootdown("check", small, "--workers", "2", "--set", "machine.cpus=4")
    assert ended.status == 0
    assert tomllib.loads(ended.out)["machine"]["cpus"] == 4
    (tmp_path / "again.toml").write_text(ended.out)
    again = shootdown("check", tmp_path / "again.toml", "--workers", "2", "--json").json
    assert again["scenario"] == shootdown("check", small, "--json", "--set", "machine.cpus=4").json["scenario"]
    assert again["partition"]["lookahead_ns"] >= 20
    assert len(again["partition"]["roots"]) == 2
    assert "worker 1: " in ended.out


def test_schema_and_doctor(shootdown):
    assert shootdown("schema").json["required"] == ["workload"]
    assert shootdown("schema", "--json").json == shootdown("schema").json
    found = shootdown("doctor", "--json").json
    assert found["cores"] >= 1
    assert found["trio"]
    assert "perf_event_paranoid" in shootdown("doctor").out


def test_bench_lists_what_there_is(shootdown):
    found = shootdown("bench", "--list", "--json").json
    assert found
    assert all(text for text in found.values())
    assert shootdown("bench", "nothing").status == 2


def test_a_closed_pipe_is_no_error(small, tmp_path):
    line = f"{' '.join(COMMAND)} list metrics | head -n 1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert ended.stdout.splitlines() == ["metrics", "0"]
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("list --json | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("list --json >&-", 0, ""),
        ("check lost-ipi >/dev/null 2>&-", 0, ""),
        ("list --json >/dev/full", 3, "shootdown: No space left on device\n"),
        ("run no-such-scenario --json >/dev/full", 2, "no scenario or recording has this name"),
    ],
)
def test_a_stream_that_takes_nothing_is_never_a_traceback(command, status, said):
    ended = subprocess.run(["bash", "-c", f"{' '.join(COMMAND)} {command}"], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert ended.returncode == status, ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def children_of(pid: int) -> list[int]:
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(word) for word in text.split()]


@pytest.mark.parametrize(("workers", "backend"), [(1, "trio"), (2, "asyncio")])
def test_ctrl_c_leaves_a_readable_trace_and_nothing_else(tmp_path, workers, backend):
    out = tmp_path / "run"
    line = [*COMMAND, "run", "redis-bgsave", "--json", f"--out={out}", f"--workers={workers}", f"--backend={backend}"]
    child = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    trace = out.with_name("run.partial") / "trace"
    deadline = time.monotonic() + 60
    while not (trace.is_dir() and sum(path.stat().st_size for path in trace.iterdir()) > 2000):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers_found = children_of(child.pid)
    assert len(workers_found) == (workers if workers > 1 else 0)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=20)
    assert child.returncode == 130, stderr
    assert json.loads(stdout)["error"]["kind"] == "interrupted"
    assert not [pid for pid in workers_found if Path(f"/proc/{pid}").exists()]
    assert not out.exists()
    log = subprocess.run([*COMMAND, "log", str(out), "--limit", "3"], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert len(log.stdout.splitlines()) == 3
    assert "was not finished" in log.stderr


def test_it_runs_as_a_module():
    ended = subprocess.run([sys.executable, "-m", "shootdown"], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert ended.stdout.startswith("shootdown replays")


IMPATIENT = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(30)\n"


@pytest.mark.parametrize("module", ["shootdown", "cluster.cli.main"])
@pytest.mark.parametrize("imported", ["typer", "pydantic"])
def test_ctrl_c_during_the_imports_is_told_like_any_other(tmp_path, module, imported):
    """Whoever types it a tenth of a second after the command is still in the imports: here one of them types it."""
    (tmp_path / f"{imported}.py").write_text(IMPATIENT)
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    ended = subprocess.run(
        [sys.executable, "-m", module, "check", "demo", "--json"], capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "PYTHONPATH": path}, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (130, "shootdown: interrupted by Ctrl-C\n")
    assert json.loads(ended.stdout)["error"]["kind"] == "interrupted"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("experiments C25 --workers 1", 0),
        ("experiments C25 --workers 1 --json", 0),
        ("log nowhere", 2),
        ("no-such-command --json", 2),
        ("sweep demo --seeds x", 2),
        ("list --json >/dev/full", 3),
    ],
)
@pytest.mark.parametrize("where", ["2>/dev/full", "2> >(true)"])
def test_stderr_that_takes_nothing_changes_no_status(command, status, where):
    line = f"{' '.join(COMMAND)} {command} {where}; exit $?"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert ended.returncode == status
    assert not ("--json" in command and ">/" not in command) or json.loads(ended.stdout)
