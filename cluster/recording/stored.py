"""A stored run, opened for reading: everything in it is checked before it is believed.

Small files are read and validated at once, the trace slice by slice as it is asked for. A run that was cut short (its directory still
ends in ``.partial``) opens too; :attr:`StoredRun.whole` tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cluster.errors import InputError, RunError
from cluster.inspect.select import Selection
from cluster.inspect.words import UNKNOWN, kind_name
from cluster.recording.digest import Digest, header, run_digest
from cluster.recording.encode import encoded
from cluster.recording.manifest import MANIFEST, Manifest, Violation, read_manifest, read_summary, read_violations
from cluster.recording.reader import Trace, trace_of
from cluster.recording.trace import TRACE_DIR
from protocol.records import Record, named


class StoredRecord(NamedTuple):
    """A record with what its entry says: its event's identity and cause, and its position among the event's records."""

    time_ns: int
    actor: str
    kind: str
    event: tuple[str, int]
    cause: tuple[str, int]
    position: int
    record: Record

    @property
    def fields(self) -> dict[str, object]:
        """The record's fields by name (``values`` alone for a kind this program does not know)."""
        if self.kind == UNKNOWN:
            return {"values": self.record[1:]}
        fields = named(self.record)
        del fields["kind"]
        return fields

    def __getitem__(self, key: Any) -> Any:
        """A field by its name, or an item of the tuple by its index."""
        return self.fields[key] if isinstance(key, str) else tuple.__getitem__(self, key)


class StoredRun:
    """A run directory. Made by :func:`open_run`."""

    def __init__(self, path: Path, manifest: Manifest, summary: dict[str, Any], violations: list[Violation], trace: Trace) -> None:
        self.path, self.manifest, self.summary, self.violations, self.trace = path, manifest, summary, violations, trace

    @property
    def whole(self) -> bool:
        """The run ended, and its trace, if it kept one, is complete."""
        return bool(self.manifest.ended) and (self.trace.whole or not self.manifest.plan.trace)

    @property
    def losses(self) -> list[str]:
        """What cannot be read of the run, in sentences."""
        unfinished = [] if self.manifest.ended else [f"{self.path}: the run was not finished"]
        return unfinished + self.trace.losses

    def records(
        self,
        kind: str | None = None,
        actor: str | None = None,
        frame: int | None = None,
        lock: str | None = None,
        thread: int | None = None,
        from_ns: int = 0,
        until_ns: int | None = None,
    ) -> Iterator[StoredRecord]:
        """The records that match (see :class:`~cluster.inspect.select.Selection`), in key order.

        Raises InputError if the run kept no trace, or for a kind that does not exist.
        """
        selection = Selection(actor, kind, frame, lock, thread, from_ns, until_ns)
        self.need_trace()
        for batch in self.trace.entries(from_ns, until_ns, selection.actor):
            for head, _, records in batch:
                for position, record in enumerate(records):
                    if selection.takes(head[3], record):
                        yield StoredRecord(head[0], head[3], kind_name(record), (head[4], head[5]), (head[6], head[7]), position, record)

    def digest_of_trace(self) -> str:
        """The digest computed again from the trace; a whole run's is the manifest's. Raises InputError if the run kept no trace."""
        self.need_trace()
        digest = Digest()
        for index in self.trace.slices:
            digest.fold(index, *encoded(self.trace.slice_entries(index)))
        return run_digest(header(self.manifest.plan), [digest.chains()])

    def need_trace(self) -> None:
        """Raise InputError if the run kept no trace to read, RunError if the one that it kept is gone."""
        if self.manifest.plan.trace and not self.trace.files:
            place = self.path / TRACE_DIR
            what = "its files are gone" if place.is_dir() else "the trace directory is gone"
            raise RunError(f"{place}: {what}; this run kept a trace", file=str(place), found="nothing", allowed="the run's trace")
        if not self.trace.files:
            sentence = f"{self.path}: this run kept no trace; run it again without --no-trace"
            raise InputError(sentence, file=str(self.path), found="no trace file", allowed="a run with a trace")


def open_run(path: Path) -> StoredRun:
    """Open a run directory. Raises InputError naming the file, what was found and what is allowed."""
    if not path.is_dir():
        partial = path.with_name(path.name + ".partial") if path.name else path
        if not partial.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise InputError(f"{path}: no run directory, found {found}", file=str(path), found=found, allowed="a run directory")
        path = partial
    if not (path / MANIFEST).is_file():
        sentence = f"{path}: no run directory: it has no {MANIFEST}"
        raise InputError(sentence, file=str(path / MANIFEST), found="nothing", allowed="a manifest")
    manifest = read_manifest(path)
    trace = trace_of(path, manifest.plan.workers)
    if manifest.plan.trace and not trace.files:
        trace.losses.append(f"{path}: the manifest speaks of a trace, but there is no trace file")
    return StoredRun(path, manifest, read_summary(path, manifest.files), read_violations(path, manifest.files), trace)
