"""Kills drawn from a seed, the thread that carries them out, and what a killed run must not leave behind."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from cluster.engine.results import Progress
from cluster.engine.streams import KeyedStream
from cluster.recording.manifest import BESIDE

ONE, TWO, ALL, AGAIN, PARENT = "one", "two", "all", "again", "parent too"
WHOM = (ONE, TWO, ALL, AGAIN)
"""Who is killed: one worker, two, all, or one and a little later one again. ``parent too``: every process, and the run is resumed."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)
AFTER_MS = 200
AGAIN_MS = 1500
"""The second kill comes at most so much later."""


class Kill(NamedTuple):
    """What is drawn for one run: whom, the signal, when (thousandths of the run's events, and ms after that), the victim's number, and
    the delay of a second kill."""

    number: int
    whom: str
    signal: int
    at_permille: int
    after_ms: int
    victim: int
    again_ms: int


def drawn(seed: int, number: int, parent: bool) -> Kill:
    """The ``number``-th kill of a seed."""
    stream = KeyedStream(seed, "torture parent" if parent else "torture", str(number))
    whom = PARENT if parent else WHOM[stream.below(len(WHOM))]
    how = signal.SIGKILL if parent else SIGNALS[stream.below(len(SIGNALS))]
    return Kill(number, whom, how, stream.below(900), stream.below(AFTER_MS), stream.below(1 << 16), 1 + stream.below(AGAIN_MS))


class Killer:
    """A thread that waits until a run has handled its share of ``events``, those of the whole run, and then strikes.

    The share of tasks done would not do: of 64 tasks that do the same none is done until all are, almost at the end.
    """

    def __init__(self, kill: Kill, events: int, strike: Callable[[], None]) -> None:
        self.kill = kill
        self.events = events
        self.strike = strike
        self.reached = threading.Event()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def progress(self, found: Progress, _: float) -> None:
        """The run has come so far."""
        if found.events * 1000 >= self.kill.at_permille * self.events:
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


def hit_as_drawn(kill: Kill, killer: Killer) -> None:
    """Strike the workers of this process as drawn, perhaps a second time."""
    _hit(kill, {ONE: 1, AGAIN: 1, TWO: 2, ALL: 1 << 10}[kill.whom])
    if kill.whom == AGAIN and not killer.over.wait(kill.again_ms / 1000):
        _hit(kill, 1)


def _hit(kill: Kill, count: int) -> None:
    living = children(os.getpid())
    for offset in range(min(count, len(living))):
        send_signal(living[(kill.victim + offset) % len(living)], kill.signal)


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


def send_signal(pid: int, how: int) -> None:
    """Signal a process that may be gone already."""
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
    half = [str(path.relative_to(out)) for path in out.rglob("*") if path.suffix == BESIDE or path.name == "lock"]
    partial = out.with_name(out.name + ".partial")
    return f"left behind: {half or partial.name}" if half or partial.exists() else ""
