"""What the window loop feeds at the edges of slices: small interfaces, so that recording and checks are built and tested without windows.

A slice is closed in two steps, for its entries are known before it is known where the trace ends: ``close`` prepares, then the checks speak
and all workers agree, then ``commit`` records. One step was rejected: a chain of digests that took bytes cannot give them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cluster.engine.ending import Key
from cluster.engine.results import FoundViolation
from protocol.records import Entry


class SliceSink(Protocol):
    """Digest, trace and metrics of one worker."""

    def close_slice(self, index: int, entries: Sequence[Entry]) -> None:
        """All entries of this worker in slice ``index``, in ascending order of key."""

    def commit(self, cut: Key | None = None) -> None:
        """Record the slice just closed, without what lies above ``cut``."""


class CheckShard(Protocol):
    """This worker's share of the checks: keys are dealt to shards, and each shard sees its keys' records in order of key.

    At an edge: ``route`` and ``feed`` (with one shard ``feed_local`` instead), ``derived`` with the status, ``feed_global`` with
    everybody's.
    """

    active: bool
    """False if there is nothing to check: then no round of the barrier is spent on it."""

    def route(self, entries: list[Entry], shards: int) -> list[bytes]:
        """What each shard must see of these entries, encoded."""

    def feed_local(self, entries: list[Entry]) -> None:
        """With one shard: see everything, without encoding, global stage included."""

    def feed(self, parts: Sequence[bytes]) -> None:
        """What all workers routed to this shard, by rank. Raises RunError if it is malformed."""

    def derived(self) -> bytes:
        """What the global checks must know of the slice just fed."""

    def feed_global(self, parts: Sequence[bytes]) -> None:
        """All shards' :meth:`derived`, by rank; every shard gets the same. Raises RunError if it is malformed."""

    def first_violation(self) -> Key | None:
        """The least key of a violation known here, or None."""

    def finish(self, ended: str, at_ns: int) -> None:
        """The run has ended: evaluate what holds only at rest."""

    def found(self) -> list[FoundViolation]:
        """The violations this shard answers for; each is some one shard's."""

    def evaluated(self) -> dict[str, tuple[int, int]]:
        """Check to (evaluations, violations) of this shard."""

    def state(self) -> bytes:
        """Everything this shard knows, encoded, between two slices."""

    def restore(self, parts: Sequence[bytes]) -> None:
        """Go on from the states of all shards of a snapshot, by rank; there may have been more or fewer. Raises InputError."""

    def resume(self, part: bytes) -> None:
        """Go on from this very shard's own state, exactly, while the other shards live. Raises InputError."""


class NoSink:
    """Records nothing: the bare engine."""

    def close_slice(self, index: int, entries: Sequence[Entry]) -> None:
        """Let the slice go."""

    def commit(self, cut: Key | None = None) -> None:
        """Let the slice go."""


class NoChecks:
    """Checks nothing."""

    active = False

    def route(self, entries: list[Entry], shards: int) -> list[bytes]:
        """Nothing for anybody."""
        return [b""] * shards

    def feed_local(self, entries: list[Entry]) -> None:
        """See nothing."""

    def feed(self, parts: Sequence[bytes]) -> None:
        """See nothing."""

    def derived(self) -> bytes:
        """Nothing to say."""
        return b""

    def feed_global(self, parts: Sequence[bytes]) -> None:
        """See nothing."""

    def first_violation(self) -> Key | None:
        """None: nothing was looked at."""
        return None

    def finish(self, ended: str, at_ns: int) -> None:
        """Nothing to evaluate."""

    def found(self) -> list[FoundViolation]:
        """None."""
        return []

    def evaluated(self) -> dict[str, tuple[int, int]]:
        """No check was there."""
        return {}

    def state(self) -> bytes:
        """Nothing is known."""
        return b""

    def restore(self, parts: Sequence[bytes]) -> None:
        """Nothing to restore."""

    def resume(self, part: bytes) -> None:
        """Nothing to go on from."""
