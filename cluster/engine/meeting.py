"""How workers find each other, at the start and whenever one of them was started anew.

Each listens in a private directory. The parent tells a worker that has begun to listen where the others are that began before it, and it
dials them; those that begin later dial it. So a newcomer in the middle of a run needs no other rule than the first worker of all. If a
link breaks while both ends live, the higher rank dials again.

Both sides of a link begin with HELLO (token, rank, incarnation, last round heard from the other), so that a stranger, or a worker of an
earlier run, is refused before it can say anything else. Being refused is the stranger's trouble: the run goes on.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from hmac import compare_digest

import anyio
import msgspec
from anyio.abc import TaskGroup

from cluster.engine.frames import HELLO
from cluster.engine.link import Link, PeerGoneError
from cluster.engine.transport_socket import SocketTransport
from cluster.errors import RunError

BUFFER_BYTES = 1 << 20
GREETING_S = 10.0
"""Who has not said hello by then is refused."""


class Hello(msgspec.Struct, array_like=True):
    """The first words on a link. ``have``: the last round that the sender has heard from the receiver."""

    token: str
    rank: int
    incarnation: int
    have: int


_decoder = msgspec.msgpack.Decoder(Hello)


def address_of(directory: str, rank: int, incarnation: int) -> str:
    """Where a worker listens."""
    return f"{directory}/w{rank}.{incarnation}"


def listen(address: str, backlog: int) -> socket.socket:
    """A listening Unix socket at ``address``. Raises RunError if it cannot be made (path too long, no space)."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise RunError(f"cannot listen at {address}: {error.strerror or error}", file=address, found=str(error)) from error
    listener.setblocking(False)
    return listener


class Meeting:
    """One worker's links to all others, made and made again. ``refused`` is told why somebody was sent away, ``failed`` that a worker of
    this run cannot be given what it asks for."""

    def __init__(
        self,
        transport: SocketTransport,
        token: str,
        incarnation: int,
        directory: str,
        refused: Callable[[str], None],
        failed: Callable[[RunError], None],
    ) -> None:
        self.transport = transport
        self.token = token
        self.incarnation = incarnation
        self.directory = directory
        self.refused = refused
        self.failed = failed

    async def receive_all(self, listener: socket.socket, group: TaskGroup) -> None:
        """Take whoever dials, until cancelled."""
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                await anyio.wait_readable(listener)
                continue
            group.start_soon(self._receive, _link(connection, "a worker that has not said which"))

    async def dial(self, rank: int, address: str | None = None) -> None:
        """Dial worker ``rank``. One that is not there any more will dial us when it is started anew."""
        peer = self.transport.peers[rank]
        link = _dialled(address or address_of(self.directory, rank, peer.incarnation), f"worker {rank}")
        if link is not None:
            await self._meet(link, partial(self._dialling, rank=rank))

    async def _receive(self, link: Link) -> None:
        await self._meet(link, self._receiving)

    async def _meet(self, link: Link, greet: Callable[[Link], Awaitable[Hello]]) -> None:
        """Go through the greeting; whatever is wrong with it ends this link alone."""
        try:
            with anyio.fail_after(GREETING_S):
                hello = await greet(link)
        except PeerGoneError:  # died in the middle of it: its successor will dial
            link.close()
            return
        except (RunError, TimeoutError) as error:
            link.close()
            self.refused(str(error) or f"{link.peer} did not say hello within {GREETING_S:.0f} s")
            return
        try:
            self.transport.attach(hello.rank, link, hello.have, hello.incarnation)
        except RunError as error:
            self.failed(error)

    async def _dialling(self, link: Link, rank: int) -> Hello:
        """A link that we dialled: greet, and hear the greeting of ``rank``."""
        self._greet(link, rank)
        hello = await _greeted(link)
        self._expect(hello, rank, link)
        return hello

    async def _receiving(self, link: Link) -> Hello:
        """A link that somebody dialled: hear who, then greet."""
        hello = await _greeted(link)
        if hello.rank not in self.transport.peers:
            allowed = f"0 to {self.transport.workers - 1} without {self.transport.rank}"
            raise RunError(f"{link.peer} says it is worker {hello.rank}", key=link.peer, found=hello.rank, allowed=allowed)
        self._expect(hello, hello.rank, link)
        link.peer = link.unframer.peer = f"worker {hello.rank}"
        self._greet(link, hello.rank)
        return hello

    def _greet(self, link: Link, rank: int) -> None:
        own = Hello(self.token, self.transport.rank, self.incarnation, self.transport.peers[rank].have)
        link.send(HELLO, msgspec.msgpack.encode(own))

    def _expect(self, hello: Hello, rank: int, link: Link) -> None:
        """The right worker, of this run, and no incarnation that has been replaced since."""
        if hello.rank != rank or not compare_digest(hello.token, self.token):
            raise RunError(f"{link.peer} is not worker {rank} of this run", key=link.peer, found=hello.rank, allowed=rank)
        known = self.transport.peers[rank].incarnation
        if hello.incarnation < known:
            sentence = f"worker {rank} of incarnation {hello.incarnation} was replaced by incarnation {known}"
            raise RunError(sentence, key=link.peer, found=hello.incarnation, allowed=f"{known} or later")


def _dialled(address: str, peer: str) -> Link | None:
    """A link, or None if nobody listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return _link(connection, peer)


def _link(connection: socket.socket, peer: str) -> Link:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return Link(connection, peer)


async def _greeted(link: Link) -> Hello:
    found = await link.next()
    try:
        if found.kind == HELLO:
            return _decoder.decode(found.body)
    except msgspec.DecodeError as error:
        raise RunError(f"{link.peer} sent a malformed hello: {error}", key=link.peer, found=str(error)) from error
    raise RunError(f"{link.peer} did not begin with a hello", key=link.peer, found=found.kind, allowed=HELLO)
