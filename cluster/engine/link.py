"""One connection as frames: raw, non-blocking, and the same on trio and asyncio.

A blocking send to a peer that is also sending deadlocks, and a trio stream costs 20-70 us a window. What the socket does not take at once
waits in ``unsent``.
"""

from __future__ import annotations

import socket
from collections import deque

import anyio

from cluster.engine.frames import Frame, Unframer, frame
from cluster.errors import RunError

READ_BYTES = 1 << 18


class PeerGoneError(RunError):
    """A connection ended. Its cause is somewhere else: the parent looks for it before it believes this."""


class Link:
    """The connection to one peer. Frames are read whole into ``arrived``."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.peer = peer
        self.unframer = Unframer(peer)
        self.arrived: deque[Frame] = deque()
        self.unsent = bytearray()

    def send(self, kind: int, body: bytes) -> None:
        """Send a frame. Raises PeerGoneError if the peer is gone."""
        self.write(frame(kind, body))

    def write(self, data: bytes) -> None:
        """Send as much of these frames as goes now; the rest waits. Raises PeerGoneError if the peer is gone."""
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
            partial = self.unframer.partial
            raise self.gone(f"in the middle of a frame ({partial} bytes of it)" if partial else "between two frames")
        self.unframer.feed(data)
        while (found := self.unframer.next()) is not None:
            self.arrived.append(found)
        return bool(self.arrived)

    async def next(self) -> Frame:
        """The next frame, waited for."""
        while not self.receive():
            await anyio.wait_readable(self.socket)
        return self.arrived.popleft()

    async def drain(self) -> None:
        """Wait until everything said has left."""
        while not self.flush():
            await anyio.wait_writable(self.socket)

    def gone(self, how: str) -> RunError:
        """The sentence for a peer whose connection has ended."""
        return PeerGoneError(f"{self.peer} closed its connection {how}", key=self.peer, found=how)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
