"""A worker process: ``python -m cluster.engine.worker FD``, with FD its end of the control connection.

It imports what it needs and nothing else: a worker's start is part of every run's. It is detached from the terminal, so that Ctrl-C
there reaches the parent alone, which stops it; and it exits when the control connection closes, however the parent died.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns

import anyio
from anyio.abc import TaskGroup

from cluster.engine import control
from cluster.engine.blackbox import BlackBox, black_box_path
from cluster.engine.control import Commit, Done, Peers, Progressed, Ready, Refused, Running, Said, Snapped, Start, Stop, failed
from cluster.engine.deaths import Death, DyingTransport, SnapshotDeaths
from cluster.engine.frames import CONTROL
from cluster.engine.link import Link, PeerGoneError
from cluster.engine.meeting import Meeting, address_of, listen
from cluster.engine.results import ShareResult
from cluster.engine.share import Share
from cluster.engine.snapshot import ShareState, unpack
from cluster.engine.transport_socket import SocketTransport, may_spin
from cluster.engine.windows import WindowLoop
from cluster.errors import RunError, ShootdownError

PARENT = "the parent"
BEAT_NS = 200_000_000
EXIT_ORPHAN = 4
"""Exit status of a worker whose parent went away."""


async def hear(link: Link) -> Said:
    """The next thing the parent says. Raises RunError if it is gone."""
    found = await link.next()
    if found.kind != CONTROL:
        raise RunError(f"{PARENT} sent a frame of kind {found.kind}", key=PARENT, found=found.kind, allowed=CONTROL)
    return control.decode(found.body, PARENT)


def say(link: Link, said: Said) -> None:
    """Tell the parent; what does not go at once goes with the next words. A parent that is gone is noticed by who listens to it."""
    with suppress(PeerGoneError):
        link.send(CONTROL, control.encode(said))


class Worker:
    """One worker from Start to Stop."""

    def __init__(self, link: Link, start: Start, group: TaskGroup) -> None:
        self.link = link
        self.start = start
        self.group = group
        self.beaten_ns = 0
        self.share: Share | None = None
        self.transport = _transport(start)
        self.meeting = Meeting(self.transport, start.token, start.incarnation, start.directory, self._refused, self.fail)
        self.transport.lost = self._lost

    async def run(self) -> None:
        """Find the peers, run the share, report, and stay until Stop: a peer that dies late may still ask for what was said."""
        try:
            say(self.link, Done(await self._result()))
            await self._drain()
            await self.transport.serve()
        except ShootdownError as error:
            self.fail(error)
            await self._drain()
        await anyio.sleep_forever()

    async def _drain(self) -> None:
        """Wait until the parent has everything that was said to it."""
        with suppress(PeerGoneError):
            await self.link.drain()

    async def _result(self) -> ShareResult:
        start = self.start
        address = address_of(start.directory, start.rank, start.incarnation)
        listener = listen(address, start.plan.workers)
        self.group.start_soon(self.meeting.receive_all, listener, self.group)
        self.share = self._share()
        say(self.link, Ready(address))
        await self.transport.complete()
        say(self.link, Running())
        result = await self.share.run()
        result.shares.repeated = self.transport.repeated
        return result

    def _share(self) -> Share:
        start = self.start
        states = None if start.states is None or start.own else [_read(path) for path in start.states]
        share = Share(start.plan, start.rank, self.transport, bare=start.bare, states=states, own=_read(start.own) if start.own else None)
        share.loop.pause = self._beat
        share.ask(start.snapshots, lambda part: say(self.link, Snapped(part)))
        if share.snapshotter is not None:
            share.snapshotter.point = SnapshotDeaths(_mine(start)).point
        if start.recovers:
            share.loop.black_box = BlackBox(black_box_path(start.directory, start.rank))
            share.loop.careful_until = start.careful_until
        return share

    def _beat(self, loop: WindowLoop) -> None:
        now = perf_counter_ns()
        if self.share is not None and now - self.beaten_ns > BEAT_NS:
            self.beaten_ns = now
            say(self.link, Progressed(self.share.beat()))

    def _refused(self, sentence: str) -> None:
        say(self.link, Refused(sentence))

    def _lost(self, rank: int) -> None:
        """A link has ended. If its peer lives, one of the two dials again."""
        if self.transport.keeps and rank < self.start.rank:
            self.group.start_soon(self.meeting.dial, rank)

    def fail(self, error: ShootdownError) -> None:
        """Say why this share cannot go on, and close the trace as it is."""
        self.abandon()
        say(self.link, failed(error, isinstance(error, PeerGoneError)))

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
                    for rank, address in said.addresses.items():
                        self.group.start_soon(self.meeting.dial, rank, address)
                elif isinstance(said, Commit):
                    self.transport.commit(said.rounds)
                elif isinstance(said, Stop):
                    if said.abandon:
                        self.abandon()
                    return 0
        except PeerGoneError:
            self.abandon()
            shutil.rmtree(self.start.directory, ignore_errors=True)  # who would have done it is gone
            return EXIT_ORPHAN


def _transport(start: Start) -> SocketTransport:
    workers, deaths = start.plan.workers, _mine(start)
    spin = may_spin(workers)
    if not deaths:
        return SocketTransport(start.rank, workers, spin=spin, keeps=start.recovers)
    dying = DyingTransport(start.rank, workers, spin=spin, keeps=start.recovers)
    dying.expect(deaths)
    return dying


def _mine(start: Start) -> list[Death]:
    return [death for death in start.deaths if (death.rank, death.incarnation) == (start.rank, start.incarnation)]


def _read(path: str) -> ShareState:
    try:
        return unpack(Path(path).read_bytes(), path)
    except OSError as error:
        raise RunError(f"{path}: the snapshot cannot be read: {error.strerror}", file=path, found=error.strerror) from error


async def _serve(link: Link, start: Start) -> int:
    async with anyio.create_task_group() as group:
        worker = Worker(link, start, group)
        group.start_soon(worker.run)
        status = await worker.heed()
        group.cancel_scope.cancel()
    return status


def main(descriptor: int) -> int:
    """Serve the parent at the other end of the socket ``descriptor``; the exit status."""
    with socket.socket(fileno=descriptor) as connection:
        link = Link(connection, PARENT)
        try:
            said = _first_word(link)
        except PeerGoneError:
            return EXIT_ORPHAN
        if not isinstance(said, Start):  # the run is over before it began
            return 0
        return anyio.run(_serve, link, said, backend=said.plan.backend)


def _first_word(link: Link) -> Said:
    """The first message, read before there is an event loop: it says which one to use."""
    link.socket.setblocking(True)
    while not link.receive():
        pass
    link.socket.setblocking(False)
    return control.decode(link.arrived.popleft().body, PARENT)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(int(sys.argv[1])))
