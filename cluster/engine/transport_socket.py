"""Rounds between processes over Unix sockets.

While cores are free a worker spins on ``recv`` for up to SPIN_NS before it sleeps; sleeping costs 17-37 us a window, spinning 3-9, and
spinning with more processes than cores halves the speed. The same code serves trio and asyncio.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from time import perf_counter_ns

import anyio
import anyio.lowlevel

from cluster.engine.frames import KINDS, frame
from cluster.engine.link import Link
from cluster.engine.peer import Peer
from cluster.errors import RunError

SPIN_NS = 80_000
BLOCK_MS = 5
"""How long a worker process may sleep in ``poll`` without its event loop."""
BREATH_NS = 10_000_000
"""While it waits for a peer, a worker process lets its event loop (cancellation, the parent's words) run so often."""
ABSENT_S = 0.002
"""How often a worker looks whether a peer that died is there again."""
SERVE_S = 0.02
"""How often a worker that is done looks whether a peer asks for its log."""


def may_spin(workers: int) -> bool:
    """Spin only while every worker has a core to itself. The parent sleeps, so it needs none (``docs/engine.md``)."""
    return workers <= len(os.sched_getaffinity(0))


class SocketTransport:
    """Rounds with all peers. ``keeps``: they may die and come again; otherwise the first that is gone ends the run.

    ``lost`` is told the rank of a peer whose link has ended.
    """

    def __init__(self, rank: int, workers: int, *, spin: bool, keeps: bool = False) -> None:
        self.rank = rank
        self.workers = workers
        self.rounds = 0
        self.keeps = keeps
        self.peers = {peer: Peer(peer, self._lost, keeps=keeps) for peer in range(workers) if peer != rank}
        self.lost: Callable[[int], None] = lambda peer: None
        self.waited_ns = 0
        self.log_bytes = 0
        """What is kept for peers that may die."""
        self._spin_ns = SPIN_NS if spin else 0
        self._breathed_ns = perf_counter_ns()

    def begin(self, rounds: int) -> None:
        """As ``Transport.begin``. Before any link stands."""
        self.rounds = rounds
        for peer in self.peers.values():
            peer.begin(rounds)

    @property
    def repeated(self) -> int:
        """Rounds heard twice, and equal."""
        return sum(peer.repeated for peer in self.peers.values())

    def attach(self, rank: int, link: Link, have: int, incarnation: int) -> None:
        """A link to worker ``rank`` stands, which has heard us up to round ``have``."""
        self.peers[rank].attach(link, have, incarnation)

    async def complete(self) -> None:
        """Wait until every peer is there."""
        while any(peer.link is None for peer in self.peers.values()):  # noqa: ASYNC110 - a link may also go again
            await anyio.sleep(ABSENT_S)

    async def exchange(self, kind: int, bodies: list[bytes], flags: int = 0) -> tuple[list[bytes], int]:
        """As ``Transport.exchange``. Raises RunError if a peer is gone for good, sends nonsense or is in another kind of round."""
        self.rounds += 1
        self.say(kind, bodies, flags)
        since = perf_counter_ns()
        await self._arrive()
        self.waited_ns += perf_counter_ns() - since
        received = bodies.copy()
        for rank, peer in self.peers.items():
            found = peer.arrived.popleft()
            if found.kind != kind:
                raise RunError(
                    f"worker {rank} sent a {KINDS[found.kind]} where a {KINDS[kind]} was due",
                    key=f"worker {rank}",
                    found=found.kind,
                    allowed=kind,
                )
            received[rank] = found.body
            flags |= found.flags
        return received, flags

    def say(self, kind: int, bodies: list[bytes], flags: int) -> None:
        """Send this round's frames."""
        number, kept = self.rounds, 0
        for rank, peer in self.peers.items():
            kept += peer.say(frame(kind, bodies[rank], number, flags))
        self.log_bytes += kept

    def commit(self, rounds: int) -> None:
        """Forget what was said up to round ``rounds``."""
        for peer in self.peers.values():
            peer.commit(rounds)
        self.log_bytes = sum(peer.log_bytes for peer in self.peers.values())

    async def _arrive(self) -> None:
        """Wait until a frame of every peer is here and everything of ours has left."""
        missing = list(self.peers.values())
        until = perf_counter_ns() + self._spin_ns
        while True:
            missing = [peer for peer in missing if not peer.settled()]
            if not missing:
                return
            now = perf_counter_ns()
            if now < until:
                continue
            if any(peer.link is None for peer in missing):
                await anyio.sleep(ABSENT_S)
            elif now - self._breathed_ns > BREATH_NS:
                await anyio.lowlevel.checkpoint()
                self._breathed_ns = perf_counter_ns()
            else:
                _poll(missing)

    def _lost(self, rank: int) -> None:
        self.lost(rank)

    async def serve(self) -> None:
        """After the last round: a peer that has died may still ask for what was said. Raises RunError if it then says something else."""
        while self.keeps:
            for peer in self.peers.values():
                peer.settled()
            await anyio.sleep(SERVE_S)

    def close(self) -> None:
        """Close all links."""
        for peer in self.peers.values():
            peer.lose()


def _poll(missing: list[Peer]) -> None:
    """Sleep until something of a missing peer can move, at most BLOCK_MS."""
    poll = select.poll()
    for peer in missing:
        assert peer.link is not None
        poll.register(peer.link.socket, (0 if peer.arrived else select.POLLIN) | (select.POLLOUT if peer.link.unsent else 0))
    poll.poll(BLOCK_MS)
