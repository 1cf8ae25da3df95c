"""The writer of a worker's trace file: one block per slice, written whole or not at all.

Files are unbuffered and each block is one write, so a killed process leaves whole blocks and at most one cut one, which readers
recognise. Blocks are forced to the disk when the file is finished and when a snapshot names its offset (:meth:`TraceWriter.sync`), not
each time: a trace that a power failure shortens is still a readable trace. A write that fails takes the file back to its last whole
block, and only a finished file ends in a block of totals.
"""

from __future__ import annotations

import os
from pathlib import Path

from cluster.errors import RunError
from cluster.recording.blocks import END, SLICE, Body, Totals, block
from cluster.recording.encode import Counts, Groups

TRACE_DIR = "trace"


def trace_path(run_dir: Path, rank: int) -> Path:
    """Where worker ``rank`` of a run writes."""
    return run_dir / TRACE_DIR / f"worker-{rank}.trace"


class TraceWriter:
    """Appends slices to a trace file. Every failure to write is a RunError that names the file and the system's reason."""

    def __init__(self, path: Path, offset: int = 0, slices: int = 0, entries: int = 0) -> None:
        """Open ``path``, keeping its first ``offset`` bytes, in which ``slices`` slices with ``entries`` entries were written."""
        self.path, self.offset, self.slices, self.entries = path, offset, slices, entries
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._file).st_size < offset:
                os.close(self._file)
                raise RunError(f"{path}: the trace is shorter than the snapshot says", file=str(path), allowed=f"at least {offset} bytes")
            os.ftruncate(self._file, offset)
            os.lseek(self._file, offset, os.SEEK_SET)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, slice_index: int, groups: Groups, counts: Counts) -> None:
        """Append a slice; one without entries leaves no block."""
        if not groups:
            return
        body = Body(slice_index, [(actor, counts[actor], groups[actor]) for actor in sorted(groups)])
        self._append(block(SLICE, slice_index, body))
        self.slices += 1
        self.entries += sum(counts.values())

    def sync(self) -> int:
        """Force what was written to the disk; returns the file's length, for a snapshot."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._failure(error) from error
        return self.offset

    def finish(self) -> None:
        """Close the file as a whole one."""
        self._append(block(END, 0, Totals(self.slices, self.entries)))
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Close the file as it is: readable up to its last block, and visibly not whole."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, self.offset)
            self.abandon()
            raise self._failure(error) from error
        self.offset += len(data)

    def _failure(self, error: OSError) -> RunError:
        return RunError(
            f"{self.path}: the trace cannot be written after {self.offset} bytes: {error.strerror}",
            file=str(self.path),
            found=error.strerror,
            allowed="a file system with room, or --no-trace",
        )
