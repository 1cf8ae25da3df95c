"""The cuts of a run on disk: which snapshots belong together, and which of them everybody has.

A snapshot file by itself is worth nothing: only the parent knows that every living worker has written its part. It then commits the cut by
replacing ``cuts.json``, which names the files with their lengths and digests. Several cuts are kept: the last two, so that a damaged one
has a predecessor, and some earlier ones, from which an instant in the past is soon reached again. Trusting the file names was rejected:
after a crash they also name what a worker wrote that had died before the others got there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from cluster.errors import InputError, RunError
from cluster.recording.manifest import BESIDE, digest_of, parse, read_bytes, replace_file

CUTS = "cuts.json"


class Part(msgspec.Struct, frozen=True):
    """One worker's part of a cut, on disk: its file, the file's length and BLAKE2b-128, and what it took to make it.

    With ``failed`` there is none, and that is why.
    """

    rank: int
    window: int
    rounds: int
    earliest_ns: int
    file: str = ""
    bytes: int = 0
    digest: str = ""
    cost_ns: int = 0
    failed: str = ""


class Cut(msgspec.Struct):
    """One cut: the window after whose exchange it was taken, the rounds until then, the virtual time T, and its parts by rank."""

    window: int
    rounds: int
    earliest_ns: int
    parts: list[Part]


class CutList(msgspec.Struct):
    """What ``cuts.json`` holds: the run's name, the cuts in order of window, and a digest of both."""

    run: str
    cuts: list[Cut]
    checksum: str = ""

    def digest(self) -> str:
        """What ``checksum`` must be."""
        return digest_of(msgspec.json.encode([self.run, self.cuts]))


class CutKeeper:
    """The parent's side: hears of parts, commits cuts, removes what is not needed any more.

    ``latest``: the last cut that these very workers have taken. One that was there before (``cuts``) may be of another number of workers.
    """

    def __init__(self, directory: Path, workers: int, run: str = "", keep: int = 0, cuts: Iterable[Cut] = ()) -> None:
        self.directory = directory
        self.workers = workers
        self.run = run
        self.keep = keep
        self.cuts = list(cuts)
        self.latest: Cut | None = None
        self.failures: list[str] = []
        self._waiting: dict[int, dict[int, Part]] = {}

    def snapped(self, part: Part) -> Cut | None:
        """A worker has written its part; the cut, if that makes it one."""
        if part.failed:
            self.failures.append(part.failed)
            return None
        if self.cuts and part.window <= self.cuts[-1].window:
            return None  # taken again by a worker that was started anew
        parts = self._waiting.setdefault(part.window, {})
        parts[part.rank] = part
        if len(parts) < self.workers:
            return None
        return self._commit(Cut(part.window, part.rounds, part.earliest_ns, [parts[rank] for rank in sorted(parts)]))

    def died(self, rank: int) -> None:
        """What a dead worker has written counts for nothing: its successor may not have got there when the others forget. What it had
        half written goes."""
        for parts in self._waiting.values():
            parts.pop(rank, None)
        for half in self.directory.glob(f"*-{rank}.snapshot{BESIDE}"):
            half.unlink(missing_ok=True)

    def paths(self, cut: Cut) -> list[str]:
        """The files of a cut, by rank."""
        return [str(self.directory / part.file) for part in cut.parts]

    def _commit(self, cut: Cut) -> Cut | None:
        kept = thinned([*self.cuts, cut], self.keep)
        found = CutList(self.run, kept)
        found.checksum = found.digest()
        try:
            replace_file(self.directory / CUTS, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        except RunError as error:
            self.failures.append(str(error))
            return None
        self.cuts, self.latest = kept, cut
        self._waiting = {window: parts for window, parts in self._waiting.items() if window > cut.window}
        self._remove_others(cut.window)
        return cut

    def _remove_others(self, up_to: int) -> None:
        """Files up to this window that no kept cut names."""
        if not self.keep:
            return
        named = {part.file for cut in self.cuts for part in cut.parts}
        for path in self.directory.glob("*-*.snapshot"):
            window = path.name.partition("-")[0]
            if path.name not in named and window.isdigit() and int(window) <= up_to:
                path.unlink(missing_ok=True)


def thinned(cuts: list[Cut], keep: int) -> list[Cut]:
    """At most ``keep`` cuts: the last two, and of the others those that leave the smallest gaps of virtual time."""
    while keep and len(cuts) > max(2, keep):
        gaps = [(cuts[place + 1].earliest_ns - (cuts[place - 1].earliest_ns if place else 0), place) for place in range(len(cuts) - 2)]
        del cuts[min(gaps)[1]]
    return cuts


def read_cuts(directory: Path, run: str) -> CutList:
    """The cuts of run ``run``; none if no cut was committed. Raises InputError if the list is damaged or another run's."""
    path = directory / CUTS
    if not path.exists():
        return CutList(run, [])
    found = parse(read_bytes(path), CutList, path)
    if found.checksum != found.digest():
        raise InputError(f"{path} is damaged: its checksum is wrong", file=str(path), found=found.checksum, allowed=found.digest())
    if found.run != run:
        raise InputError(f"{path} is of another run", file=str(path), found=found.run, allowed=run)
    return found
