"""Rounds between processes over Unix sockets.

Sending and receiving are raw and non-blocking: a blocking send to a peer that is also sending deadlocks, and a trio stream costs 20-70 us
a window. While cores are free a worker spins on ``recv`` for up to SPIN_NS before it sleeps in ``wait_readable``; sleeping costs 17-37 us
a window, spinning 3-9, and spinning with more processes than cores halves the speed. The same code serves trio and asyncio.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from time import perf_counter_ns

import anyio
import anyio.lowlevel

from cluster.engine.frames import KINDS, Unframer, frame
from cluster.errors import RunError

SPIN_NS = 80_000
READ_BYTES = 1 << 18
BLOCK_MS = 5
"""How long a worker process may sleep in ``poll`` without its event loop."""
BREATH_NS = 10_000_000
"""While it waits for a peer, a worker process lets its event loop (cancellation, the parent's words) run so often."""


def may_spin(workers: int) -> bool:
    """Spin only while every worker has a core to itself. The parent sleeps, so it needs none (measured: ``docs/engine.md``)."""
    return workers <= len(os.sched_getaffinity(0))


class Link:
    """The connection to one peer. Frames are read whole; what could not be sent at once waits in ``unsent``."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.peer = peer
        self.unframer = Unframer(peer)
        self.arrived: deque[tuple[int, bytes]] = deque()
        self.unsent = bytearray()

    def send(self, kind: int, body: bytes) -> None:
        """Send as much as goes now; the rest waits. Raises RunError if the peer is gone."""
        data = frame(kind, body)
        if not self.unsent:  # nearly always: nothing to copy
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise self.gone(str(error)) from error
            if sent == len(data):
                return
            data = data[sent:]
        self.unsent += data

    def flush(self) -> bool:
        """Send what waits, as far as it goes; true if nothing waits any more."""
        try:
            while self.unsent:
                del self.unsent[: self.socket.send(self.unsent)]
        except BlockingIOError:
            return False
        except OSError as error:
            raise self.gone(str(error)) from error
        return True

    def receive(self) -> bool:
        """Take what has arrived; true if a whole frame is there. Raises RunError if the peer is gone or sends nonsense."""
        if self.arrived:
            return True
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self.gone(str(error)) from error
        if not data:
            raise self.gone(
                f"in the middle of a frame ({self.unframer.partial} bytes of it)" if self.unframer.partial else "between two frames"
            )
        self.unframer.feed(data)
        while (found := self.unframer.next()) is not None:
            self.arrived.append(found)
        return bool(self.arrived)

    async def next(self) -> tuple[int, bytes]:
        """The next frame, waited for."""
        while not self.receive():
            await anyio.wait_readable(self.socket)
        return self.arrived.popleft()

    def gone(self, how: str) -> RunError:
        """The sentence for a peer whose connection has ended."""
        return PeerGoneError(f"{self.peer} closed its connection {how}", key=self.peer, found=how)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class PeerGoneError(RunError):
    """A connection ended. Its cause is somewhere else: the parent looks for it before it believes this."""


class SocketTransport:
    """Rounds with all peers; ``links`` by rank, None in one's own place."""

    def __init__(self, rank: int, links: list[Link | None], *, spin: bool, block: bool = False) -> None:
        self.rank = rank
        self.workers = len(links)
        self.links = links
        self.waited_ns = 0
        self._spin_ns = SPIN_NS if spin else 0
        self._block = block
        self._breathed_ns = perf_counter_ns()
        self._peers = [(peer, link) for peer, link in enumerate(links) if link is not None]

    async def exchange(self, kind: int, bodies: list[bytes]) -> list[bytes]:
        """As ``Transport.exchange``. Raises RunError if a peer is gone, sends nonsense or is in another kind of round."""
        for peer, link in self._peers:
            link.send(kind, bodies[peer])
        since = perf_counter_ns()
        await self._arrive()
        self.waited_ns += perf_counter_ns() - since
        received = [b""] * self.workers
        received[self.rank] = bodies[self.rank]
        for peer, link in self._peers:
            found, received[peer] = link.arrived.popleft()
            if found != kind:
                raise RunError(f"{link.peer} sent a {KINDS[found]} where a {KINDS[kind]} was due", key=link.peer, found=found, allowed=kind)
        return received

    async def _arrive(self) -> None:
        """Wait until a frame of every peer is here and everything of ours has left."""
        missing = [link for _, link in self._peers]
        until = perf_counter_ns() + self._spin_ns
        while True:
            missing = [link for link in missing if not (link.flush() & link.receive())]
            if not missing:
                return
            now = perf_counter_ns()
            if now < until:
                continue
            if not self._block:
                await self._sleep(missing)
            elif now - self._breathed_ns > BREATH_NS:
                await anyio.lowlevel.checkpoint()
                self._breathed_ns = perf_counter_ns()
            else:
                _poll(missing)

    async def _sleep(self, missing: list[Link]) -> None:
        """Sleep until the first missing frame can be read; if something of ours still waits, until anything at all can move."""
        unsent = [link for link in missing if link.unsent]
        if not unsent:
            await anyio.wait_readable(missing[0].socket)
            return
        async with anyio.create_task_group() as group:

            async def first(link: Link, writable: bool) -> None:
                await (anyio.wait_writable if writable else anyio.wait_readable)(link.socket)
                group.cancel_scope.cancel()

            for link in missing:
                if not link.arrived:
                    group.start_soon(first, link, False)
            for link in unsent:
                group.start_soon(first, link, True)

    def close(self) -> None:
        """Close all links."""
        for _, link in self._peers:
            link.close()


def _poll(missing: list[Link]) -> None:
    """Sleep until something of a missing link can move, at most BLOCK_MS."""
    poll = select.poll()
    for link in missing:
        poll.register(link.socket, (0 if link.arrived else select.POLLIN) | (select.POLLOUT if link.unsent else 0))
    poll.poll(BLOCK_MS)
