"""Deaths at chosen places, so that recovery is tried where kills by the clock seldom hit.

A worker that is told to dies by its own hand, with the signal it would get from outside: before a round is sent, with half a frame sent,
after one peer was told and not the others, before, within and after a snapshot. ``close`` is no death: the link to one peer is cut, and
both live.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from cluster.engine.frames import frame
from cluster.engine.transport_socket import SocketTransport

ROUND_POINTS = ("send", "half-frame", "one-peer", "close")
SNAPSHOT_POINTS = ("snapshot-before", "snapshot-within", "snapshot-after")
POINTS = ROUND_POINTS + SNAPSHOT_POINTS


class Death(msgspec.Struct, frozen=True):
    """Worker ``rank`` of incarnation ``incarnation`` dies at ``point``: in round ``at``, or at its ``at``-th snapshot (from 1).

    ``signal``: SIGKILL ends it, SIGSTOP makes it stand still until somebody notices.
    """

    rank: int
    point: str
    at: int
    incarnation: int = 0
    signal: int = signal.SIGKILL


def die(how: int) -> None:
    """Get the signal, here and now."""
    os.kill(os.getpid(), how)


class SnapshotDeaths:
    """Counts snapshots and dies at the chosen one."""

    def __init__(self, deaths: Sequence[Death]) -> None:
        self._deaths = {(death.point, death.at): death for death in deaths if death.point in SNAPSHOT_POINTS}
        self._count = 0

    def point(self, name: str, window: int) -> None:
        """A snapshot has reached this step."""
        self._count += name == "snapshot-before"
        death = self._deaths.get((name, self._count))
        if death is not None:
            die(death.signal)


class DyingTransport(SocketTransport):
    """A transport that dies, or loses a link, while it sends the rounds chosen."""

    deaths: dict[int, Death]

    def expect(self, deaths: Sequence[Death]) -> None:
        """Die at these."""
        self.deaths = {death.at: death for death in deaths if death.point in ROUND_POINTS}

    def say(self, kind: int, bodies: list[bytes], flags: int) -> None:
        """Send the round, as far as death lets it."""
        death = self.deaths.get(self.rounds)
        if death is not None:
            self._die(death, kind, bodies, flags)
        super().say(kind, bodies, flags)

    def _die(self, death: Death, kind: int, bodies: list[bytes], flags: int) -> None:
        first = min(self.peers)
        link = self.peers[first].link
        data = frame(kind, bodies[first], self.rounds, flags)
        if death.point == "close":
            if link is not None:
                with suppress(OSError):
                    link.socket.shutdown(socket.SHUT_RDWR)
            return
        if link is not None and death.point != "send":
            link.write(data if death.point == "one-peer" else data[: len(data) // 2])
            while not link.flush():
                pass
        die(death.signal)
