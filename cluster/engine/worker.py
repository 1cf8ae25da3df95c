"""A worker process: ``python -m cluster.engine.worker FD``, with FD its end of the control connection.

It imports what it needs and nothing else: a worker's start is part of every run's. It lives in a session of its own, so that Ctrl-C at
the terminal reaches the parent alone, which stops it; and it exits when the control connection closes, however the parent died.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns

import anyio

from cluster.engine import control
from cluster.engine.control import Done, Peers, Progressed, Ready, Running, Said, Start, Stop, failed
from cluster.engine.frames import CONTROL
from cluster.engine.links import Hello, connect, listen
from cluster.engine.results import ShareResult
from cluster.engine.share import Share
from cluster.engine.snapshot import unpack
from cluster.engine.transport_socket import Link, PeerGoneError, SocketTransport, may_spin
from cluster.engine.windows import WindowLoop
from cluster.errors import RunError, ShootdownError

PARENT = "the parent"
BEAT_NS = 200_000_000
EXIT_ORPHAN = 4
"""Exit status of a worker whose parent went away."""


async def hear(link: Link) -> Said:
    """The next thing the parent says. Raises RunError if it is gone."""
    kind, body = await link.next()
    if kind != CONTROL:
        raise RunError(f"{PARENT} sent a frame of kind {kind}", key=PARENT, found=kind, allowed=CONTROL)
    return control.decode(body, PARENT)


def say(link: Link, said: Said) -> None:
    """Tell the parent; what does not go at once goes with the next words. A parent that is gone is noticed by who listens to it."""
    with suppress(PeerGoneError):
        link.send(CONTROL, control.encode(said))


async def drain(link: Link) -> None:
    """Wait until everything said has left."""
    with suppress(PeerGoneError):
        while not link.flush():
            await anyio.wait_writable(link.socket)


class Worker:
    """One worker from Start to Stop."""

    def __init__(self, link: Link, start: Start) -> None:
        self.link = link
        self.start = start
        self.beaten_ns = 0
        self.share: Share | None = None
        self.peers: list[str] = []
        self.found = anyio.Event()

    async def run(self) -> None:
        """Find the peers, run the share, report, and stay until Stop."""
        try:
            say(self.link, Done(await self._result()))
        except ShootdownError as error:
            self.abandon()
            say(self.link, failed(error, isinstance(error, PeerGoneError)))
        await drain(self.link)
        await anyio.sleep_forever()

    async def _result(self) -> ShareResult:
        start = self.start
        address = str(Path(start.directory) / f"w{start.rank}.{start.incarnation}")
        listener = listen(address, start.plan.workers)
        try:
            say(self.link, Ready(address))
            transport = await self._transport(listener)
        finally:
            listener.close()
        self.share = self._share(transport)
        say(self.link, Running())
        return await self.share.run()

    async def _transport(self, listener: socket.socket) -> SocketTransport:
        await self.found.wait()
        hello = Hello(self.start.token, self.start.rank, self.start.incarnation, 0)
        links = await connect(listener, self.peers, hello)
        return SocketTransport(self.start.rank, links, spin=may_spin(len(links)), block=True)

    def _share(self, transport: SocketTransport) -> Share:
        start = self.start
        states = None if start.states is None else [unpack(Path(path).read_bytes(), path) for path in start.states]
        share = Share(start.plan, start.rank, transport, bare=start.bare, states=states)
        share.loop.pause = self._beat
        share.ask(start.snapshots)
        return share

    def _beat(self, loop: WindowLoop) -> None:
        now = perf_counter_ns()
        if self.share is not None and now - self.beaten_ns > BEAT_NS:
            self.beaten_ns = now
            say(self.link, Progressed(self.share.beat()))

    def abandon(self) -> None:
        """Close the trace as it is."""
        if self.share is not None:
            self.share.abandon()

    async def heed(self) -> int:
        """Listen to the parent until it says Stop or is gone; the exit status."""
        try:
            while True:
                said = await hear(self.link)
                if isinstance(said, Peers):
                    self.peers = said.addresses
                    self.found.set()
                elif isinstance(said, Stop):
                    if said.abandon:
                        self.abandon()
                    return 0
        except PeerGoneError:
            self.abandon()
            return EXIT_ORPHAN


async def _serve(link: Link, start: Start) -> int:
    worker = Worker(link, start)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        status = await worker.heed()
        group.cancel_scope.cancel()
    return status


def main(descriptor: int) -> int:
    """Serve the parent at the other end of the socket ``descriptor``; the exit status."""
    with socket.socket(fileno=descriptor) as connection:
        link = Link(connection, PARENT)
        start = _started(link)
        return anyio.run(_serve, link, start, backend=start.plan.backend)


def _started(link: Link) -> Start:
    """The first message, read before there is an event loop: it says which one to use."""
    link.socket.setblocking(True)
    while not link.receive():
        pass
    link.socket.setblocking(False)
    kind, body = link.arrived.popleft()
    said = control.decode(body, PARENT)
    assert kind == CONTROL and isinstance(said, Start), f"the first word was {type(said).__name__}"
    return said


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(int(sys.argv[1])))
