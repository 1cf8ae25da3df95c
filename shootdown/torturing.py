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
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from cluster.errors import InputError, RunError
from cluster.scenario import Scenario, load
from shootdown.carrying import Interrupted
from shootdown.killing import Kill, Killer, children, drawn, hit_as_drawn, leftovers, own_temporary, send_signal
from shootdown.result import Run, open_run
from shootdown.resuming import resume
from shootdown.running import run
from shootdown.sweeping import Subject


class Row(NamedTuple):
    """What became of it. ``restarts``: workers started anew; ``repeated``: rounds that were said again and compared; ``workers``: how many
    there were at the end; ``hit``: whether the kill came before the run was over; ``wrong``: "" or what was not as it should be."""

    kill: Kill
    restarts: int
    repeated: int
    workers: int
    wall_s: float
    hit: bool
    wrong: str

    def as_json(self) -> dict[str, Any]:
        """The value of ``torture --json`` for one row."""
        kill = self.kill._replace(signal=signal.Signals(self.kill.signal).name)  # type: ignore[arg-type]
        rest = self._asdict()
        del rest["kill"]
        return kill._asdict() | rest


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
    killer = Killer(kill, calm.summary["events"], lambda: hit_as_drawn(kill, killer))
    made, wrong = None, ""
    try:
        made = run(scenario, seed=seed, workers=workers, out=out, snapshot_ms=snapshot_ms, on_progress=killer.progress)
    except RunError as error:
        wrong = str(error)
    finally:
        killer.end()
    return _row(kill, made, calm, began, bool(made and made.summary["restarts"]), wrong or leftovers(out))


def _resumed(subject: Subject, seed: int, workers: int, kill: Kill, calm: Run, out: Path, snapshot_ms: int) -> Row:
    """One run in a process of its own, all of whose processes are killed, and then resumed here."""
    began = monotonic()
    _start(subject, seed, workers, out, snapshot_ms, calm.summary["events"], kill).wait()
    again = 1 + kill.victim % (workers + 1)
    made, wrong, hit = None, "", not out.is_dir()
    try:
        made = open_run(out) if not hit else resume(out, workers=again, snapshot_ms=snapshot_ms)
    except (RunError, InputError, Interrupted) as error:
        wrong = str(error)
    return _row(kill, made, calm, began, hit, wrong or leftovers(out))


def _start(subject: Subject, seed: int, workers: int, out: Path, snapshot_ms: int, events: int, kill: Kill) -> subprocess.Popen[bytes]:
    from cluster.engine.child import ROOT

    code = "import sys; from shootdown.torturing import alone; alone(*sys.argv[1:])"
    environment = {
        **os.environ,
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    arguments = [
        msgspec.json.encode(subject).decode(),
        *map(str, (seed, workers, out, snapshot_ms, events)),
        msgspec.json.encode(kill).decode(),
    ]
    return subprocess.Popen([sys.executable, "-P", "-c", code, *arguments], env=environment, stdin=subprocess.DEVNULL)


def alone(subject: str, seed: str, workers: str, out: str, snapshot_ms: str, events: str, kill: str) -> None:
    """What the process runs that kills its workers and itself."""

    def everybody() -> None:
        for pid in [*children(os.getpid()), os.getpid()]:
            send_signal(pid, signal.SIGKILL)

    killer = Killer(msgspec.json.decode(kill, type=Kill), int(events), everybody)
    scenario = load(*msgspec.json.decode(subject, type=Subject))
    run(scenario, seed=int(seed), workers=int(workers), out=out, snapshot_ms=int(snapshot_ms), on_progress=killer.progress)


def _row(kill: Kill, made: Run | None, calm: Run, began: float, hit: bool, wrong: str) -> Row:
    wall_s = round(monotonic() - began, 2)
    if made is None:
        return Row(kill, 0, 0, 0, wall_s, hit, wrong)
    if made.digest != calm.digest:
        wrong = f"digest {made.digest}, undisturbed {calm.digest}"
    elif made.losses:
        wrong = made.losses[0]
    elif made.stored.digest_of_trace() != calm.digest:
        wrong = "the trace is not the undisturbed one"
    shares: Sequence[dict[str, Any]] = made.summary["shares"]
    repeated = sum(share["rounds_repeated"] for share in shares)
    return Row(kill, len(made.summary["restarts"]), repeated, made.summary["workers"], wall_s, hit, wrong)
