"""A stored run that was never stored: events and their records, given as a list."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from cluster.recording.stored import StoredRun
from protocol.records import Entry, Record

Event = tuple[int, str, str, list[Record]]
"""(time, receiver, sender, records); an event's number is its place in the list."""


def stored(*events: Event) -> StoredRun:
    """A run of these events, in batches of two."""
    entries: list[Entry] = [
        ((time, 1, 0, receiver, sender, number, "", 0), "word", records) for number, (time, receiver, sender, records) in enumerate(events)
    ]
    batches = [entries[at : at + 2] for at in range(0, len(entries), 2)]
    trace = SimpleNamespace(entries=lambda *_: iter(batches))
    manifest = SimpleNamespace(plan=SimpleNamespace(workload_path="workload"))
    return SimpleNamespace(trace=trace, path=Path("never stored"), manifest=manifest)  # type: ignore[return-value]
