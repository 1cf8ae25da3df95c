"""A run that has been made, or is read from its directory: one class for both, over the summary and the stored trace."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster.recording.manifest import Violation
from cluster.recording.stored import StoredRecord, StoredRun
from cluster.recording.stored import open_run as open_stored


class Run:
    """A run: its summary (see ``shootdown run --json``), violations and records.

    ``path`` is its directory. ``interrupted`` runs have an empty summary but a readable trace.
    """

    def __init__(self, stored: StoredRun) -> None:
        self._stored = stored
        self.path = stored.path
        self.summary: dict[str, Any] = stored.summary
        self.repaired: list[str] = []
        """After :func:`shootdown.resume`: what was lost of the run on disk, and what was used instead."""
        self.resumed_at_ns = 0
        """After :func:`shootdown.resume`: the virtual time from which the run went on."""

    def __repr__(self) -> str:
        return f"<Run {self.path} {self.ended or 'unfinished'}>"

    @property
    def ended(self) -> str:
        """finished, stuck, panic or limit; "" if the run was interrupted."""
        return self._stored.manifest.ended

    @property
    def digest(self) -> str:
        """The digest of the trace: equal for equal (scenario, seed)."""
        return self._stored.manifest.digest

    @property
    def metrics(self) -> dict[str, int]:
        """The metrics by name, such as ``faults.cow`` (``shootdown list metrics``)."""
        found: dict[str, int] = self.summary.get("metrics", {})
        return found

    @property
    def checks(self) -> dict[str, dict[str, int]]:
        """By check: how often it was evaluated, and how often it was violated."""
        found: dict[str, dict[str, int]] = self.summary.get("checks", {})
        return found

    @property
    def violations(self) -> list[Violation]:
        """All violations, in order of key."""
        return self._stored.violations

    @property
    def ok(self) -> bool:
        """The run ended as its scenario expects, with no violation it does not expect."""
        return self.summary.get("status") == 0

    @cached_property
    def losses(self) -> list[str]:
        """What cannot be read of the run, in sentences."""
        return self._stored.losses

    def records(
        self,
        kind: str | None = None,
        actor: str | None = None,
        *,
        frame: int | None = None,
        lock: str | None = None,
        thread: int | None = None,
        from_ns: int = 0,
        until_ns: int | None = None,
    ) -> Iterator[StoredRecord]:
        """The records that match, in order of key. ``kind``, ``actor`` and ``lock`` are patterns as in a shell;
        times are ns of virtual time.

        Raises InputError if the run kept no trace, or for a kind that does not exist.
        """
        return self._stored.records(kind, actor, frame, lock, thread, from_ns, until_ns)

    @property
    def stored(self) -> StoredRun:
        """The run directory behind it."""
        return self._stored


def open_run(path: str | Path) -> Run:
    """Open a run directory. Raises InputError."""
    return Run(open_stored(Path(path)))
