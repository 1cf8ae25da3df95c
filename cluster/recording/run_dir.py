"""The run directory: made as ``NAME.partial`` and renamed when the run is over, so that a directory with its proper name is a whole run.

Writing into a directory that exists and renaming only the manifest was rejected: a reader would have to know the order of writing to tell
a whole run from half a one. A partial directory can be read all the same (:func:`open_run`), which is what one wants after Ctrl-C or a
crash.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path
from time import monotonic, sleep

from cluster.errors import InputError, RunError
from cluster.recording.manifest import (
    LOG,
    SUMMARY,
    VIOLATIONS,
    Manifest,
    Violation,
    digest_of,
    json_of,
    lines_of,
    replace_file,
    write_manifest,
)
from cluster.recording.stored import StoredRun, open_run
from cluster.recording.trace import TRACE_DIR

RUNS = "runs"
PARTIAL = ".partial"
SNAPSHOT_DIR = "snapshots"
LOCK = "lock"
_PRIVATE = re.compile(r"w\d+\.\d+|blackbox-\d+|\d+\.snapshot")
"""What stands in the temporary directory of a run: sockets, black boxes, states to start from."""
PATIENCE_S = 3.0
"""How long to wait for the workers of a parent that was killed."""

__all__ = ["PARTIAL", "RUNS", "SNAPSHOT_DIR", "RunDirectory", "StoredRun", "open_run", "refuse_taken"]


class RunDirectory:
    """A run directory while its run goes on. ``path`` is where it is now, ``final`` where it will be.

    ``lasting``: its small files are forced to the disk; nobody waits for that where the whole directory is dropped in a moment.
    """

    def __init__(self, path: Path, final: Path) -> None:
        self.path, self.final, self.lasting = path, final, True
        self._files: dict[str, str] = {}

    @classmethod
    def of(cls, path: Path) -> RunDirectory:
        """The directory of a run that was not finished: ``path``, or ``path.partial``."""
        path = path if path.name.endswith(PARTIAL) else path.with_name(path.name + PARTIAL)
        return cls(path, path.with_name(path.name.removesuffix(PARTIAL)))

    @classmethod
    def create(cls, scenario: str, seed: int, out: Path | None = None, root: Path | None = None, *, lasting: bool = True) -> RunDirectory:
        """Make the directory of a new run: ``out``, or the next free ``runs/<scenario>-<seed>-<n>`` below ``root`` (the current directory).

        Raises InputError if ``out`` is something else than a new or empty directory, RunError if it cannot be made.
        """
        try:
            if out is not None:
                directory = _given(out)
            else:
                directory = _numbered((root or Path()) / RUNS, f"{_safe(scenario)}-{seed}")
            for name in (TRACE_DIR, SNAPSHOT_DIR):
                (directory.path / name).mkdir(mode=0o700)
        except OSError as error:
            place = error.filename or out or root
            raise RunError(f"{place}: the run directory cannot be made: {error.strerror}", file=str(place), found=error.strerror) from error
        directory.lasting = lasting
        return directory

    @property
    def log_path(self) -> Path:
        """Where the operational log goes."""
        return self.path / LOG

    @property
    def snapshots(self) -> Path:
        """Where snapshots go."""
        return self.path / SNAPSHOT_DIR

    def write_manifest(self, manifest: Manifest) -> None:
        """Write or replace the manifest; it vouches for the files written before. Raises RunError."""
        manifest.files = {**manifest.files, **self._files}
        write_manifest(self.path, manifest, forced=self.lasting)

    def write(self, name: str, data: bytes) -> None:
        """Write one of the small files, for which the next manifest is to vouch. Raises RunError."""
        replace_file(self.path / name, data, forced=self.lasting)
        self._files[name] = digest_of(data)

    def write_summary(self, summary: object) -> None:
        """Write the summary (what ``run --json`` prints). Raises RunError."""
        self.write(SUMMARY, json_of(summary))

    def write_violations(self, violations: Iterable[Violation]) -> None:
        """Write all violations, in key order. Raises RunError."""
        self.write(VIOLATIONS, lines_of(violations))

    def hold(self) -> int:
        """Say that somebody is at work on this run, as long as the descriptor is open anywhere: workers inherit it.

        Raises InputError if somebody else is. One whose parent was killed may take a moment to notice.
        """
        path = self.path / LOCK
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = monotonic() + PATIENCE_S
        while True:
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except OSError:
                if monotonic() > until:
                    os.close(descriptor)
                    sentence = f"{self.path}: another process is at work on this run"
                    raise InputError(sentence, file=str(path), found="a lock", allowed="a run whose processes have ended") from None
                sleep(0.05)
            else:
                return descriptor

    def note(self, held: int, private: str) -> None:
        """Write into the lock which temporary directory the run uses; only its last user can remove it."""
        os.ftruncate(held, 0)
        os.pwrite(held, private.encode(), 0)

    def remove_private(self) -> None:
        """Remove the temporary directory of a run that was killed, if it is one of ours and still there."""
        try:
            place = Path((self.path / LOCK).read_text())
            mine = place.name.startswith("shootdown-") and place.lstat().st_uid == os.getuid() and not place.is_symlink()
            known = mine and all(_PRIVATE.fullmatch(path.name) for path in place.iterdir())
        except (OSError, ValueError):
            return
        if known:
            shutil.rmtree(place, ignore_errors=True)

    def finish(self) -> Path:
        """Give the directory its proper name. Raises RunError."""
        try:
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rename(self.final)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be renamed to {self.final.name}: {error.strerror}", file=str(self.path)) from error
        self.path = self.final
        return self.final

    def discard(self) -> None:
        """Remove everything: a run that could not be carried out leaves nothing half-written."""
        shutil.rmtree(self.path, ignore_errors=True)


def _given(out: Path) -> RunDirectory:
    out, partial = refuse_taken(out)
    partial.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial.chmod(0o700)
    return RunDirectory(partial, out)


def refuse_taken(out: Path) -> tuple[Path, Path]:
    """Where a run for ``out`` will be, and where it is made. Raises InputError for something else than a new or empty directory."""
    if out.name in ("", ".."):
        out = out.resolve()
    partial = out.with_name((out.name or "root") + PARTIAL)
    _refuse_used(out, "the output directory")
    _refuse_used(partial, "an unfinished run of that name")
    return out, partial


def _refuse_used(path: Path, what: str) -> None:
    if path.is_dir():
        entries = len(list(path.iterdir()))
        found = f"{entries} entries" if entries else ""
    else:
        found = "a file" if path.exists() else "a broken link" if path.is_symlink() else ""
    if found:
        sentence = f"{path}: {what} must be new or an empty directory, found {found}"
        raise InputError(sentence, file=str(path), key="out", found=found, allowed="a new or empty directory")


def _numbered(runs: Path, stem: str) -> RunDirectory:
    runs.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        final = runs / f"{stem}-{number}"
        partial = final.with_name(final.name + PARTIAL)
        if final.exists() or final.is_symlink():
            continue
        try:
            partial.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunDirectory(partial, final)
    raise AssertionError("unreachable: numbers do not end")


def _safe(name: str) -> str:
    """A scenario's name as part of a file name, whatever it holds."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80].strip(".-") or "run"
