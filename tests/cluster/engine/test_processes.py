"""Real worker processes: the same digest, and nothing left behind however a run ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import pytest

from cluster.engine.snapshot import unpack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.errors import RunError
from cluster.plan import Limits, Model, Plan

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = {"actors": 16, "lookahead_ns": 50_000, "remote_percent": 30}


def plan(workers, virtual_ns=2_200_000, **rest):
    model = Model("phold", parameters=PARAMETERS, limits=Limits(virtual_ns=virtual_ns))
    return Plan(model, 5, "phold", workers=workers, transport="inproc" if workers == 1 else "socket", **rest)


def run(made, **options):
    async def main():
        return await run_plan(made, **options)

    return anyio.run(main, backend=made.backend)


def children():
    """Process identifiers of this process's children that are workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and b"cluster.engine.worker" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return sorted(found)


def leftovers():
    return sorted(Path(tempfile.gettempdir()).glob("shootdown-*"))


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, tmp_path):
    """Every test has a temporary directory of its own, which must be empty afterwards, and no child may live."""
    place = tempfile.mkdtemp(prefix="t", dir="/tmp")  # short: sockets' names are
    monkeypatch.setattr(tempfile, "tempdir", place)
    yield
    assert children() == []
    assert leftovers() == []
    Path(place).rmdir()


@pytest.fixture(scope="module")
def alone():
    return run(plan(1))


@pytest.mark.parametrize(
    ("workers", "backend", "hash_seed"), [(2, "trio", "0"), (3, "asyncio", "1"), (4, "trio", "2"), (2, "asyncio", "3")]
)
def test_the_digest_of_processes_is_that_of_one_engine(alone, workers, backend, hash_seed, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    made = run(plan(workers, backend=backend))
    assert (made.digest, made.events, made.ended) == (alone.digest, alone.events, alone.ended)
    assert [share["rank"] for share in made.shares] == list(range(workers))


def test_the_trace_changes_no_digest(alone, tmp_path):
    (tmp_path / "trace").mkdir()
    traced = run(plan(2, run_dir=str(tmp_path)))
    untraced = run(plan(2, run_dir=str(tmp_path), trace=False))
    assert traced.digest == untraced.digest == alone.digest
    assert len(list((tmp_path / "trace").iterdir())) == 2


def test_workers_end_of_their_own_accord(monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    run(plan(2))
    assert [process.returncode for process in started] == [0, 0]


def test_restored_in_other_processes_the_digest_is_the_same(alone, tmp_path):
    run(plan(2), snapshots=Snapshots((17,), str(tmp_path)))
    states = [unpack((tmp_path / f"17-{rank}.snapshot").read_bytes()) for rank in range(2)]
    assert run(plan(3), states=states).digest == alone.digest


def test_a_killed_worker_ends_the_run_with_its_rank_and_signal():
    async def main():
        async with anyio.create_task_group() as group:

            async def kill():
                while len(children()) < 2:  # noqa: ASYNC110 - /proc has no events
                    await anyio.sleep(0.02)
                await anyio.sleep(0.5)
                os.kill(children()[1], signal.SIGKILL)

            group.start_soon(kill)
            with pytest.raises(RunError, match=r"worker [01] was killed by signal 9 \(SIGKILL\) before the run was over"):
                await run_plan(plan(2, virtual_ns=0))

    anyio.run(main, backend="trio")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_cancelling_stops_all_workers_within_a_second(backend):
    async def main():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel():
                    await anyio.sleep(0.7)
                    nonlocal since
                    since = time.monotonic()
                    scope.cancel()

                group.start_soon(cancel)
                await run_plan(plan(2, virtual_ns=0, backend=backend))
        return time.monotonic() - since

    since = 0.0
    assert anyio.run(main, backend=backend) < 1.0


SCRIPT = """
import anyio, sys
from cluster.engine.supervise import run_plan
from cluster.plan import Limits, Model, Plan

model = Model("phold", parameters={"actors": 16, "lookahead_ns": 50_000})
plan = Plan(model, 5, "phold", workers=2, transport="socket", backend=sys.argv[1], run_dir=sys.argv[2])

async def main():
    await run_plan(plan, on_progress=lambda progress: print(progress.events, flush=True))

try:
    anyio.run(main, backend=plan.backend)
except KeyboardInterrupt:
    sys.exit(130)
"""


def start_script(backend, tmp_path):
    (tmp_path / "trace").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": tempfile.gettempdir()}
    command = [sys.executable, "-c", SCRIPT, backend, str(tmp_path)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_ctrl_c_leaves_a_readable_trace_and_nothing_else(backend, tmp_path):
    process = start_script(backend, tmp_path)
    try:
        assert int(process.stdout.readline()) > 0
        time.sleep(0.3)
        since = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=5)
        assert time.monotonic() - since < 1.0
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, errors
    assert errors == ""
    assert_readable(tmp_path)


def assert_readable(directory):
    from cluster.recording.reader import Trace

    files = sorted((directory / "trace").iterdir())
    trace = Trace(files)
    keys = [entry[0][:6] for batch in trace.entries() for entry in batch]
    assert len(files) == 2
    assert keys == sorted(set(keys))
    assert len(keys) > 100


def test_workers_end_when_their_parent_is_killed(tmp_path):
    process = start_script("trio", tmp_path)
    try:
        process.stdout.readline()
        workers = workers_of(process.pid)
        assert len(workers) == 2
    finally:
        process.kill()
        process.communicate()
    until = time.monotonic() + 5
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)
    for left in leftovers():  # the parent was killed: its directory of sockets is all that can be left
        for socket in left.iterdir():
            socket.unlink()
        left.rmdir()


def workers_of(parent):
    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if alive(stat.parent.name, parent)]


def alive(pid, parent=None):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and (parent is None or int(fields[1]) == parent)


def test_what_a_worker_cannot_do_is_told_in_words(tmp_path):
    (tmp_path / "trace").write_text("a file where a directory should be")
    with pytest.raises(RunError, match=r"worker [01]: .*trace"):
        run(plan(2, run_dir=str(tmp_path)))


def test_a_directory_name_too_long_for_a_socket_is_avoided(tmp_path, monkeypatch, alone):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert run(plan(2)).digest == alone.digest
    assert list(deep.iterdir()) == []
