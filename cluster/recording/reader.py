"""Reading trace files: the workers' files merged into one sequence of entries in ascending key order, slice by slice.

One slice is in memory at a time. The index (slice to places in the files) is built from the blocks' headers alone, so a reader can begin
anywhere. A file that was cut or damaged is read as far as it can be believed, and :attr:`Trace.losses` says in words what is missing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from cluster.errors import InputError, RunError
from cluster.recording.blocks import END, HEADER_BYTES, DamageError, Header, Totals, parse_header, slice_body, totals
from cluster.recording.encode import decoded
from cluster.recording.trace import TRACE_DIR, trace_path
from protocol.event import SLICE_BITS
from protocol.records import Entry

ActorFilter = Callable[[str], bool]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Decoding makes nothing but tuples without cycles; looking for cycles among them meanwhile costs three times what decoding does."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Place(NamedTuple):
    """Where a block stands."""

    file: Path
    offset: int
    header: Header


class Trace:
    """The trace of a run, of any number of files.

    ``losses``: what could not be read, one sentence each; damage inside a block shows only when the block is read, and is added then.
    ``whole``: every file ended in its block of totals, and these agreed with what is there. ``complete_before``: the slices below this
    number hold all that happened in them; None: all slices do. What damage inside a block costs is known when the block is read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        self.losses: list[str] = []
        self.whole = bool(files)
        self.complete_before: int | None = None
        self._index: dict[int, list[Place]] = {}
        for file in self.files:
            _Scan(file, self).run()
        self._slices = sorted(self._index)

    @property
    def slices(self) -> list[int]:
        """The slices in which something happened, ascending."""
        return self._slices

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.files)

    def slice_entries(self, index: int, wanted: ActorFilter | None = None) -> list[Entry]:
        """The entries of slice ``index`` in ascending key order, of the actors that are ``wanted`` (None: of all)."""
        entries: list[Entry] = []
        with collector_paused():
            for place in self._index.get(index, ()):
                entries += self._block_entries(place, wanted)
            entries.sort(key=itemgetter(0))
        for before, after in pairwise(entries):
            if before[0][:6] >= after[0][:6]:
                raise RunError(f"slice {index} holds two events with the key {after[0][:6]}: files of different runs?", found=after[0][:6])
        return entries

    def entries(self, from_ns: int = 0, until_ns: int | None = None, wanted: ActorFilter | None = None) -> Iterator[list[Entry]]:
        """Batches of entries, one per slice, ascending, of events at ``from_ns`` <= time < ``until_ns``."""
        for index in self._slices:
            if index < from_ns >> SLICE_BITS or (until_ns is not None and index << SLICE_BITS >= until_ns):
                continue
            batch = self.slice_entries(index, wanted)
            if index == from_ns >> SLICE_BITS or (until_ns is not None and (index + 1) << SLICE_BITS > until_ns):
                batch = [entry for entry in batch if entry[0][0] >= from_ns and (until_ns is None or entry[0][0] < until_ns)]
            yield batch

    def complete_entries(self) -> Iterator[list[Entry]]:
        """As :meth:`entries`, as far as nothing is missing."""
        for index in self._slices:
            batch = self.slice_entries(index)
            if self.complete_before is not None and index >= self.complete_before:
                return
            yield batch

    def backwards(self) -> Iterator[tuple[int, list[Entry]]]:
        """(slice, its entries), from the last slice to the first."""
        for index in reversed(self._slices):
            yield index, self.slice_entries(index)

    def _block_entries(self, place: Place, wanted: ActorFilter | None) -> list[Entry]:
        try:
            body = slice_body(place.header, read_at(place.file, place.offset, HEADER_BYTES + place.header.length))
            entries: list[Entry] = []
            for actor, count, data in body.groups:
                if wanted is None or wanted(actor):
                    group = decoded(data)
                    if len(group) != count:
                        raise DamageError(f"{actor} has {len(group)} entries where {count} are announced")
                    entries += group
        except (DamageError, msgspec.DecodeError) as error:
            index = place.header.slice_index
            self.lose(f"{place.file}: slice {index} (at byte {place.offset}) is damaged: {error}", index)
            return []
        return entries

    def lose(self, sentence: str, index: int) -> None:
        """Something is missing from slice ``index`` on; the sentence says what."""
        self.whole = False
        self.complete_before = index if self.complete_before is None else min(index, self.complete_before)
        if sentence not in self.losses:
            self.losses.append(sentence)


class _Scan:
    """Builds the index of one file."""

    def __init__(self, file: Path, trace: Trace) -> None:
        self.file, self.trace = file, trace
        self.offset, self.slices, self.following = 0, 0, 0
        self.end: Totals | None = None

    def run(self) -> None:
        """Read header after header until the end, or the first one that cannot be believed."""
        try:
            with self.file.open("rb") as stream:
                size = stream.seek(0, 2)
                while self.offset < size:
                    stream.seek(self.offset)
                    self._block(stream.read(HEADER_BYTES), size)
        except DamageError as error:
            lost = size - self.offset
            self.trace.lose(f"{self.file}: cut or damaged at byte {self.offset} ({error}); its last {lost} bytes are lost", self.following)
            return
        except OSError as error:
            raise InputError(f"{self.file}: cannot be read: {error.strerror}", file=str(self.file), found=error.strerror) from error
        if self.end is None:
            sentence = f"{self.file}: was not finished; it holds {self.slices} slices and whatever followed is lost"
            self.trace.lose(sentence, self.following)
        elif self.end.slices != self.slices:
            self.trace.lose(f"{self.file}: holds {self.slices} slices where {self.end.slices} were written", 0)

    def _block(self, data: bytes, size: int) -> None:
        header = parse_header(data)
        if self.end is not None:
            raise DamageError("a block after the last one")
        if self.offset + HEADER_BYTES + header.length > size:
            raise DamageError(f"cut off after {size - self.offset} of {HEADER_BYTES + header.length} bytes")
        if header.kind == END:
            self.end = totals(header, read_at(self.file, self.offset, HEADER_BYTES + header.length))
        else:
            self.trace._index.setdefault(header.slice_index, []).append(Place(self.file, self.offset, header))
            self.slices += 1
            self.following = header.slice_index + 1
        self.offset += HEADER_BYTES + header.length


def read_at(file: Path, offset: int, length: int) -> bytes:
    """``length`` bytes of a file from ``offset``. Raises InputError if it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}", file=str(file), found=error.strerror) from error


def trace_of(run_dir: Path, workers: int = 0) -> Trace:
    """The trace in a run directory; without files if the run kept none. If some of ``workers`` files are there, the others are missing."""
    trace = Trace(sorted((run_dir / TRACE_DIR).glob("worker-*.trace")))
    missing = [path for path in (trace_path(run_dir, rank) for rank in range(workers)) if path not in trace.files]
    if trace.files:
        for path in missing:
            trace.lose(f"{path}: no such file; all that its worker wrote is lost", 0)
    return trace
