"""The long form of the promises, piece by piece: whole recordings and every generator, and what has been shown is not shown again.

A piece is one run, one replay or one interrupted run; each has a row of its own, printed as it finishes. An inequality does not end the
run: the other rows say where it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from cluster.promises.children import carried_out
from cluster.promises.covering import covering
from cluster.promises.job import Found, Job
from cluster.promises.progress import Progress
from cluster.promises.replaying import PRESSED, Replay, ample, scarce, unexercised
from cluster.promises.restoring import restored
from cluster.promises.silence import silence
from cluster.promises.sizes import GENERATED, ONLY_LOCKS_DRAW, RECORDINGS, SCARCE, SEEDS, SHORTENED_SCARCE, SMALL, WITH_FAULTS, Size

HOW = ((1, 2, 3, 4), ("trio", "asyncio"), (0, 1, 2), (True, False))
RESTORED = {**SMALL, "spin-locks": ONLY_LOCKS_DRAW, "gcc-compile, scarce": SHORTENED_SCARCE, "lost-ipi": Size("lost-ipi")}
CHANGES_OF_WORKERS = ((2, (3, 1)), (3, (2, 4)), (4, (1, 2)), (1, (2, 3)))
DRAWS = tuple(range(1, 9))
"""Each is the run's seed, and seeds the choice of edges."""


class Way(NamedTuple):
    """One way to run a scenario."""

    workers: int
    backend: str
    hash_seed: int
    trace: bool

    def words(self) -> tuple[str, str, str, str]:
        """As cells of a table, and in a piece's name."""
        return str(self.workers), self.backend, str(self.hash_seed), "on" if self.trace else "off"


class Row(NamedTuple):
    """A piece that is done: its section, its cells under the section's head, and whether the promise was kept."""

    section: str
    cells: tuple[str, ...]
    kept: bool


HEADS = {
    "one digest": ("scenario", "workers", "backend", "hash seed", "trace", "digest", "seconds", "equal"),
    "replays": ("recording", "frames", "seconds", "copied", "pageouts, hard, vm_waits, contended", "as promised"),
    "silence": ("scenario", "seeds", "pageouts, vm_waits", "silent"),
    "checks": ("over", "never evaluated", "as promised"),
    "snapshots": ("scenario", "seed", "from", "to", "edge", "of", "digest", "equal"),
}
Work = Callable[[], dict[str, Any]]


class LongForm:
    """The pieces in order. ``only``: of those whose name begins so ("": all); ``wanted`` and ``left_out`` count them."""

    def __init__(self, progress: Progress, only: str = "", carry: Callable[[Job], Found] = carried_out) -> None:
        self._progress, self._only, self._carry = progress, only, carry
        self.wanted = self.left_out = 0

    def rows(self) -> Iterator[Row]:
        """All pieces, done now or before. Raises InputError, RunError."""
        for name in (*GENERATED, *WITH_FAULTS, *RECORDINGS):
            yield from self._one_digest(name, Size(name))
        for name in RECORDINGS:
            yield from self._one_digest(f"{name}, scarce", Size(name), memory_of=name)
        yield from self._evaluated_somewhere()
        for draw in DRAWS:
            for name, size in RESTORED.items():
                yield from self._restored(name, size, draw)

    def _piece(self, name: str, work: Work) -> dict[str, Any] | None:
        """What was found for a piece, now or before; None if it is not asked for."""
        if not name.startswith(self._only):
            self.left_out += 1
            return None
        self.wanted += 1
        found = self._progress.get(name)
        if found is None:
            found = work()
            self._progress.put(name, found)
        return found

    # One digest -----------------------------------------------------------------------------------------------------------

    def _one_digest(self, name: str, size: Size, memory_of: str = "") -> Iterator[Row]:
        """A covering set of ways to run ``size``; with ``memory_of``, on half the memory that this recording needs."""
        first: dict[str, Any] | None = None
        for way in map(Way._make, covering(HOW)):
            job = Job(label=name, scenario=size.scenario, **way._asdict())
            found = self._piece("/".join(("digest", name, *way.words())), partial(self._cell, job, memory_of))
            if found is None:
                continue
            first = first or found
            kept = found["promised"] == first["promised"]
            verdict = "yes" if kept else "NO"
            yield Row("one digest", (name, *way.words(), found["digest"], f"{found['seconds']:.1f}", verdict), kept)

    def _cell(self, job: Job, memory_of: str) -> dict[str, Any]:
        if memory_of:
            frames = self._resident_max(memory_of) // 2
            job = msgspec.structs.replace(job, sets=(f"machine.frames={frames}",))
        return summed(self._carry(job))

    def _resident_max(self, recording: str) -> int:
        """The most frames in use with ample memory, measured once."""
        name = f"memory/{recording}"
        found = self._progress.get(name)
        if found is None:
            found = {"resident_max": self._carry(Job(label=recording, scenario=recording)).metrics["pages.resident_max"]}
            self._progress.put(name, found)
        return int(found["resident_max"])

    # Replays --------------------------------------------------------------------------------------------------------------

    def _evaluated_somewhere(self) -> Iterator[Row]:
        """Replays and silence; and that every check was evaluated in one of them, where all have been asked for."""
        evaluated: list[dict[str, Any]] = []
        yield from self._replays(evaluated)
        yield from self._silence(evaluated)
        if len(evaluated) == 2 * len(RECORDINGS) + len(SCARCE):
            idle = unexercised(evaluated)
            yield Row("checks", ("all recordings and generators", ", ".join(idle) or "none", "NO" if idle else "yes"), not idle)

    def _replays(self, evaluated: list[dict[str, Any]]) -> Iterator[Row]:
        for name in RECORDINGS:
            for how in ("ample", "scarce"):
                found = self._piece(f"replay/{name}/{how}", partial(self._replay, name, how))
                if found is not None:
                    evaluated.append(found["evaluated"])
                    yield _replay_row(f"{name}, {how}", found)

    def _silence(self, evaluated: list[dict[str, Any]]) -> Iterator[Row]:
        for name in SCARCE:
            found = self._piece(f"silence/{name}", partial(silence, name, SEEDS, self._carry))
            if found is not None:
                evaluated.append(found["evaluated"])
                broken = "; ".join(found["broken"])
                cells = (name, str(found["seeds"]), ", ".join(map(str, found["reached"])), f"NO: {broken}" if broken else "yes")
                yield Row("silence", cells, not broken)

    def _replay(self, name: str, how: str) -> dict[str, Any]:
        job = Job(label=name, scenario=name)
        if how == "scarce":
            return _told(scarce(job, self._resident_max(name), self._carry))
        with TemporaryDirectory(prefix="shootdown-replay-") as directory:
            return _told(ample(job, Path(directory), self._carry))

    # Snapshots ------------------------------------------------------------------------------------------------------------

    def _restored(self, name: str, size: Size, draw: int) -> Iterator[Row]:
        before, afters = CHANGES_OF_WORKERS[(draw + list(RESTORED).index(name)) % len(CHANGES_OF_WORKERS)]
        job = Job(label=name, scenario=size.scenario, sets=size.sets, seed=draw)
        found = self._piece(f"snapshot/{name}/{draw}", partial(self._continued, job, before, afters, draw))
        for after, window, windows, digest, differs in found["runs"] if found is not None else ():
            cells = (name, str(draw), str(before), str(after), str(window), str(windows), digest)
            yield Row("snapshots", (*cells, f"NO: {', '.join(differs[:5])}" if differs else "yes"), not differs)

    def _continued(self, job: Job, before: int, afters: tuple[int, ...], draw: int) -> dict[str, Any]:
        with TemporaryDirectory(prefix="shootdown-snapshots-") as directory:
            runs = list(restored(job, before, afters, draw, Path(directory), self._carry))
        return {"runs": [(run.after, run.window, run.windows, run.found.digest, run.differs) for run in runs]}


def summed(found: Found) -> dict[str, Any]:
    """A run as it is remembered: ``promised`` is a hash of everything that must be equal, ``digest`` the part that users see."""
    promised = blake2b(msgspec.json.encode(found.promised(), order="deterministic"), digest_size=16).hexdigest()
    return {"digest": found.digest, "promised": promised, "seconds": found.seconds}


def _told(replay: Replay) -> dict[str, Any]:
    found = replay.found
    pressed = [found.metrics[name] for name in PRESSED]
    figures = {"frames": replay.frames, "seconds": found.seconds, "copied": [replay.copied, replay.present_writes], "pressed": pressed}
    return {**figures, "broken": replay.broken, "evaluated": found.evaluated}


def _replay_row(name: str, found: dict[str, Any]) -> Row:
    copied, present_writes = found["copied"]
    share = f"{100 * copied // present_writes} % of {present_writes}" if present_writes else ""
    verdict = f"NO: {'; '.join(found['broken'])}" if found["broken"] else "yes"
    pressed = ", ".join(map(str, found["pressed"]))
    return Row("replays", (name, str(found["frames"]), f"{found['seconds']:.1f}", share, pressed, verdict), not found["broken"])
