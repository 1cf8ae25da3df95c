"""Torture: a run whose workers are killed at random must have the digest of one in which nothing happened.

Everything is drawn from a seed: who, when, with which signal. When is a share of the run's progress and a little more of wall-clock
time, so what a kill hits depends on the machine: the draws are repeatable, what is interrupted is not, and that is the point. What is
judged does not depend on it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

import msgspec

from cluster.engine.streams import KeyedStream
from cluster.errors import InputError, RunError
from cluster.scenario import Scenario, load
from shootdown.carrying import Interrupted
from shootdown.result import Run, open_run
from shootdown.resuming import resume
from shootdown.running import run
from shootdown.sweeping import Subject

ONE, TWO, ALL, AGAIN, PARENT = "one", "two", "all", "again", "parent too"
WHOM = (ONE, TWO, ALL, AGAIN)
"""Who is killed: one worker, two, all, or one and a little later one again. ``parent too``: every process, and the run is resumed."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)
AFTER_MS = 200
AGAIN_MS = 1500
"""The second kill comes at most so much later."""


class Kill(NamedTuple):
    """What is drawn for one run: whom, the signal, when (thousandths of the run's progress, and ms after that), the victim's number, and
    the delay of a second kill."""

    number: int
    whom: str
    signal: int
    at_permille: int
    after_ms: int
    victim: int
    again_ms: int


class Row(NamedTuple):
    """What became of it. ``restarts``: workers started anew; ``repeated``: rounds that were said again and compared; ``workers``: how many
    there were at the end; ``wrong``: "" or what was not as it should be."""

    kill: Kill
    restarts: int
    repeated: int
    workers: int
    wall_s: float
    wrong: str

    def as_json(self) -> dict[str, Any]:
        """The value of ``torture --json`` for one row."""
        kill = self.kill._replace(signal=signal.Signals(self.kill.signal).name)  # type: ignore[arg-type]
        rest = self._asdict()
        del rest["kill"]
        return kill._asdict() | rest


def drawn(seed: int, number: int, parent: bool) -> Kill:
    """The ``number``-th kill of a seed."""
    stream = KeyedStream(seed, "torture parent" if parent else "torture", str(number))
    whom = PARENT if parent else WHOM[stream.below(len(WHOM))]
    how = signal.SIGKILL if parent else SIGNALS[stream.below(len(SIGNALS))]
    return Kill(number, whom, how, stream.below(900), stream.below(AFTER_MS), stream.below(1 << 16), 1 + stream.below(AGAIN_MS))


def torture(subject: Subject, *, seed: int, workers: int, kills: int, resumes: int, snapshot_ms: int) -> Iterator[Row | Run]:
    """First the undisturbed run, then a row per kill. ``resumes`` of the rows kill the parent too, and resume on another number of workers.

    Raises InputError, or RunError if the undisturbed run cannot be made.
    """
    if workers < 2:
        raise InputError(f"--workers: found {workers}, allowed: 2 or more, for there must be one to kill", key="workers", found=workers)
    scenario = load(*subject)
    with TemporaryDirectory(prefix="torture-") as place, own_temporary(Path(place) / "t"):
        calm = run(scenario, seed=seed, workers=workers, out=Path(place) / "calm", snapshot_ms=snapshot_ms)
        yield calm
        for number in range(1, kills + 1):
            yield _killed(scenario, seed, workers, drawn(seed, number, False), calm, Path(place) / f"run-{number}", snapshot_ms)
        for number in range(1, resumes + 1):
            yield _resumed(subject, seed, workers, drawn(seed, number, True), calm, Path(place) / f"resumed-{number}", snapshot_ms)


def _killed(scenario: Scenario, seed: int, workers: int, kill: Kill, calm: Run, out: Path, snapshot_ms: int) -> Row:
    """One run with its workers killed from a thread beside it."""
    began = monotonic()
    killer = Killer(kill, lambda: _hit_as_drawn(kill, killer))
    made, wrong = None, ""
    try:
        made = run(scenario, seed=seed, workers=workers, out=out, snapshot_ms=snapshot_ms, on_progress=killer.progress)
    except RunError as error:
        wrong = str(error)
    finally:
        killer.end()
    return _row(kill, made, calm, began, wrong or leftovers(out))


class Killer:
    """A thread that waits for a run's progress and then strikes."""

    def __init__(self, kill: Kill, strike: Callable[[], None]) -> None:
        self.kill = kill
        self.strike = strike
        self.reached = threading.Event()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def progress(self, _: object, share: float) -> None:
        """The run has come so far."""
        if share * 1000 >= self.kill.at_permille:
            self.reached.set()

    def end(self) -> None:
        """The run is over: no more of this."""
        self.over.set()
        self.reached.set()
        self.thread.join()

    def _wait(self) -> None:
        self.reached.wait()
        if not self.over.wait(self.kill.after_ms / 1000):
            self.strike()


def _hit_as_drawn(kill: Kill, killer: Killer) -> None:
    _hit(kill, {ONE: 1, AGAIN: 1, TWO: 2, ALL: 1 << 10}[kill.whom])
    if kill.whom == AGAIN and not killer.over.wait(kill.again_ms / 1000):
        _hit(kill, 1)


def _hit(kill: Kill, count: int) -> None:
    living = children(os.getpid())
    for offset in range(min(count, len(living))):
        _signal(living[(kill.victim + offset) % len(living)], kill.signal)


def _resumed(subject: Subject, seed: int, workers: int, kill: Kill, calm: Run, out: Path, snapshot_ms: int) -> Row:
    """One run in a process of its own, all of whose processes are killed, and then resumed here."""
    began = monotonic()
    _start(subject, seed, workers, out, snapshot_ms, kill).wait()
    again = 1 + kill.victim % (workers + 1)
    made, wrong = None, ""
    try:
        made = open_run(out) if out.is_dir() else resume(out, workers=again, snapshot_ms=snapshot_ms)
    except (RunError, InputError, Interrupted) as error:
        wrong = str(error)
    return _row(kill, made, calm, began, wrong or leftovers(out))


def _start(subject: Subject, seed: int, workers: int, out: Path, snapshot_ms: int, kill: Kill) -> subprocess.Popen[bytes]:
    from cluster.engine.child import ROOT

    code = "import sys; from shootdown.torturing import alone; alone(*sys.argv[1:])"
    environment = {
        **os.environ,
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    arguments = [msgspec.json.encode(subject).decode(), *map(str, (seed, workers, out, snapshot_ms)), msgspec.json.encode(kill).decode()]
    return subprocess.Popen([sys.executable, "-P", "-c", code, *arguments], env=environment, stdin=subprocess.DEVNULL)


def alone(subject: str, seed: str, workers: str, out: str, snapshot_ms: str, kill: str) -> None:
    """What the process runs that kills its workers and itself."""

    def everybody() -> None:
        for pid in [*children(os.getpid()), os.getpid()]:
            _signal(pid, signal.SIGKILL)

    killer = Killer(msgspec.json.decode(kill, type=Kill), everybody)
    scenario = load(*msgspec.json.decode(subject, type=Subject))
    run(scenario, seed=int(seed), workers=int(workers), out=out, snapshot_ms=int(snapshot_ms), on_progress=killer.progress)


def _row(kill: Kill, made: Run | None, calm: Run, began: float, wrong: str) -> Row:
    wall_s = round(monotonic() - began, 2)
    if made is None:
        return Row(kill, 0, 0, 0, wall_s, wrong)
    if made.digest != calm.digest:
        wrong = f"digest {made.digest}, undisturbed {calm.digest}"
    elif made.losses:
        wrong = made.losses[0]
    elif made.stored.digest_of_trace() != calm.digest:
        wrong = "the trace is not the undisturbed one"
    shares: Sequence[dict[str, Any]] = made.summary["shares"]
    repeated = sum(share["rounds_repeated"] for share in shares)
    return Row(kill, len(made.summary["restarts"]), repeated, made.summary["workers"], wall_s, wrong)


# Processes and what they leave -------------------------------------------------------------------------------------------


def children(parent: int) -> list[int]:
    """The worker processes of ``parent``, ascending."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z" and b"cluster.engine.worker" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return sorted(found)


def _signal(pid: int, how: int) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def private() -> list[str]:
    """The private directories of runs in the temporary directory, which is ours alone."""
    return sorted(path.name for path in Path(tempfile.gettempdir()).glob("shootdown-*"))


@contextmanager
def own_temporary(place: Path) -> Iterator[None]:
    """Let everything temporary go to ``place``, so that what is left there was left by us."""
    place.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(place)
    try:
        yield
    finally:
        tempfile.tempdir = before


def leftovers(out: Path) -> str:
    """What a run has left behind that it should not have: processes, sockets, half-written files."""
    until = monotonic() + 2
    while (living := children(os.getpid())) or private():
        if monotonic() > until:
            return f"left behind: processes {living}, directories {private()}"
        sleep(0.02)
    half = [str(path.relative_to(out)) for path in out.rglob("*") if path.suffix in (".partial", ".tmp") or path.name == "lock"]
    partial = out.with_name(out.name + ".partial")
    return f"left behind: {half or partial.name}" if half or partial.exists() else ""
