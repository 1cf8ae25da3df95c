"""Rounds between engines of one process: for one worker, and for several in a test.

Bodies go as the same bytes that a socket would carry, so a test of several engines in one process exercises codec and protocol. Handing
over the objects would be faster, and would let two actors share one.
"""

from __future__ import annotations

from time import perf_counter_ns

import anyio


class AloneTransport:
    """One worker: nobody to exchange with."""

    rank = 0
    workers = 1
    waited_ns = 0
    rounds = 0
    log_bytes = 0

    def begin(self, rounds: int) -> None:
        """As ``Transport.begin``."""
        self.rounds = rounds

    async def exchange(self, kind: int, bodies: list[bytes], flags: int = 0) -> tuple[list[bytes], int]:
        """What was sent to oneself."""
        return bodies, flags


class Hub:
    """The meeting place of ``workers`` local transports."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.parts: dict[int, dict[int, tuple[int, list[bytes], int]]] = {}
        self.complete: dict[int, anyio.Event] = {}

    def transports(self) -> list[LocalTransport]:
        """One for each rank."""
        return [LocalTransport(self, rank) for rank in range(self.workers)]


class LocalTransport:
    """One engine's end of a hub."""

    def __init__(self, hub: Hub, rank: int) -> None:
        self.hub = hub
        self.rank = rank
        self.workers = hub.workers
        self.waited_ns = 0
        self.rounds = 0
        self.log_bytes = 0

    def begin(self, rounds: int) -> None:
        """As ``Transport.begin``."""
        self.rounds = rounds

    async def exchange(self, kind: int, bodies: list[bytes], flags: int = 0) -> tuple[list[bytes], int]:
        """As ``Transport.exchange``."""
        self.rounds += 1
        number = self.rounds
        parts = self.hub.parts.setdefault(number, {})
        complete = self.hub.complete.setdefault(number, anyio.Event())
        parts[self.rank] = (kind, bodies, flags)
        if len(parts) == self.workers:
            complete.set()
        since = perf_counter_ns()
        await complete.wait()
        self.waited_ns += perf_counter_ns() - since
        received = []
        for rank in range(self.workers):
            peer_kind, theirs, peer_flags = parts[rank]
            flags |= peer_flags
            assert peer_kind == kind, f"rank {rank} is in a round of kind {peer_kind}, rank {self.rank} in one of kind {kind}"
            received.append(theirs[self.rank])
        self.hub.parts.pop(number - 1, None)
        self.hub.complete.pop(number - 1, None)
        return received, flags
