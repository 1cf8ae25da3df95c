"""From which cut on disk a run can go on after all its processes are gone.

A cut is believed only as a whole: its files are what ``cuts.json`` says, they are of this run and of one window, and every trace file is
undamaged up to the length that the snapshot vouches for. If anything is wrong the cut before it is tried, at last the beginning; what was
wrong and what is used instead is said in words. A snapshot that merely can be read was not thought enough: it may be of another run, or
stand before a trace that has lost what the snapshot's digest has taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cluster.engine.snapshot import ShareState, unpack
from cluster.errors import InputError
from cluster.recording.cuts import CUTS, Cut, CutList, read_cuts
from cluster.recording.manifest import digest_of, read_bytes
from cluster.recording.run_dir import SNAPSHOT_DIR
from cluster.recording.trace import trace_path
from cluster.recording.vouching import undamaged


class Start(NamedTuple):
    """Where a run goes on: the shares of a cut and the cuts up to it, or neither: from the beginning. ``losses`` in sentences."""

    states: list[ShareState] | None
    cuts: list[Cut]
    losses: list[str]

    @property
    def at_ns(self) -> int:
        """T of the cut, 0 at the beginning."""
        return self.cuts[-1].earliest_ns if self.cuts else 0


def last_start(run_dir: Path, run: str, *, trace: bool, until_ns: int | None = None) -> Start:
    """The latest cut of ``run`` that can be believed (at most at ``until_ns``, if given)."""
    losses: list[str] = []
    cuts = _cuts(run_dir, run, losses)
    if until_ns is not None:
        cuts = [cut for cut in cuts if cut.earliest_ns <= until_ns]
    while cuts:
        try:
            states = _believed(run_dir, cuts[-1], run, trace)
        except InputError as error:
            lost = cuts.pop()
            used = f"the cut of window {cuts[-1].window} ({cuts[-1].earliest_ns} ns)" if cuts else "the beginning of the run"
            losses.append(f"the cut of window {lost.window} ({lost.earliest_ns} ns) is lost: {error}; used instead: {used}")
        else:
            return Start(states, cuts, losses)
    return Start(None, [], losses)


def _cuts(run_dir: Path, run: str, losses: list[str]) -> list[Cut]:
    try:
        found: CutList = read_cuts(run_dir / SNAPSHOT_DIR, run)
    except InputError as error:
        losses.append(f"all cuts are lost: {error}; used instead: the beginning of the run")
        return []
    if not found.cuts and any((run_dir / SNAPSHOT_DIR).glob("*.snapshot")):
        where = run_dir / SNAPSHOT_DIR / CUTS
        losses.append(f"{where}: no such file, so no snapshot is known to be one of all workers; used instead: the beginning of the run")
    return list(found.cuts)


def _believed(run_dir: Path, cut: Cut, run: str, trace: bool) -> list[ShareState]:
    """The shares of a cut. Raises InputError if any of it is not what it should be."""
    directory = run_dir / SNAPSHOT_DIR
    states = [_state(directory / Path(part.file).name, part.digest, run) for part in cut.parts]
    windows = {state.window for state in states}
    if windows != {cut.window}:
        raise InputError(f"{directory / CUTS}: the files are of windows {sorted(windows)}", found=sorted(windows), allowed=cut.window)
    if trace:
        _trace_vouched(run_dir, states)
    return states


def _state(path: Path, digest: str, run: str) -> ShareState:
    data = read_bytes(path)
    if digest_of(data) != digest:
        raise InputError(f"{path} is damaged: its digest is not the one in {CUTS}", file=str(path), found=digest_of(data), allowed=digest)
    state = unpack(data, str(path))
    if state.run != run:
        raise InputError(f"{path} is a snapshot of another run", file=str(path), found=state.run, allowed=run)
    return state


def _trace_vouched(run_dir: Path, states: Sequence[ShareState]) -> None:
    for state in states:
        for rank, offset, slices, entries in state.recorder.trace:
            undamaged(trace_path(run_dir, rank), offset, slices, entries)
