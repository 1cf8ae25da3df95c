"""How workers find each other: each listens in a private directory, dials the lower ranks and is dialled by the higher ones.

Both sides of a link begin with HELLO (token, rank, incarnation, highest window received), so that a stranger, or a worker of an earlier
run, is refused with a sentence before it can say anything else. The last two are for recovery, where a newcomer dials everybody that lives.
"""

from __future__ import annotations

import socket
from hmac import compare_digest

import anyio
import msgspec

from cluster.engine.frames import HELLO
from cluster.engine.transport_socket import Link
from cluster.errors import RunError

BUFFER_BYTES = 1 << 20


class Hello(msgspec.Struct, array_like=True):
    """The first words on a link."""

    token: str
    rank: int
    incarnation: int
    have: int


_decoder = msgspec.msgpack.Decoder(Hello)


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


async def connect(listener: socket.socket, addresses: list[str], own: Hello) -> list[Link | None]:
    """Links to all peers, by rank. Raises RunError if one cannot be reached or is not who it should be; no link is left open then."""
    links: list[Link | None] = [None] * len(addresses)
    opened: list[Link] = []
    try:
        for rank in range(own.rank):
            opened.append(_dial(addresses[rank], f"worker {rank}"))
            links[rank] = await _met(opened[-1], own, rank)
        for _ in range(len(addresses) - 1 - own.rank):
            opened.append(await _accept(listener))
            rank, link = await _meeting(opened[-1], own, links)
            links[rank] = link
    except RunError:
        for link in opened:
            link.close()
        raise
    return links


async def _met(link: Link, own: Hello, rank: int) -> Link:
    """A link that we dialled: greet, and hear the greeting of ``rank``."""
    _greet(link, own)
    _expect(await _greeted(link), own, rank, link)
    return link


async def _meeting(link: Link, own: Hello, links: list[Link | None]) -> tuple[int, Link]:
    """A link that somebody dialled: hear who, then greet."""
    hello = await _greeted(link)
    _check(hello, own, links, link)
    link.peer = link.unframer.peer = f"worker {hello.rank}"
    _greet(link, own)
    return hello.rank, link


def _dial(address: str, peer: str) -> Link:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
    except OSError as error:
        connection.close()
        raise RunError(f"{peer} cannot be reached at {address}: {error.strerror}", key=peer, found=str(error)) from error
    return _link(connection, peer)


async def _accept(listener: socket.socket) -> Link:
    while True:
        try:
            return _link(listener.accept()[0], "a worker that has not said which")
        except BlockingIOError:
            await anyio.wait_readable(listener)


def _link(connection: socket.socket, peer: str) -> Link:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return Link(connection, peer)


def _greet(link: Link, own: Hello) -> None:
    link.send(HELLO, msgspec.msgpack.encode(own))


async def _greeted(link: Link) -> Hello:
    kind, body = await link.next()
    try:
        if kind == HELLO:
            return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RunError(f"{link.peer} sent a malformed hello: {error}", key=link.peer, found=str(error)) from error
    raise RunError(f"{link.peer} did not begin with a hello", key=link.peer, found=kind, allowed=HELLO)


def _check(hello: Hello, own: Hello, links: list[Link | None], link: Link) -> None:
    """A higher rank, of this run, for the first time."""
    if not own.rank < hello.rank < len(links) or links[hello.rank] is not None:
        allowed = f"each of {own.rank + 1} to {len(links) - 1} once"
        raise RunError(f"{link.peer} says it is worker {hello.rank}", key=link.peer, found=hello.rank, allowed=allowed)
    _expect(hello, own, hello.rank, link)


def _expect(hello: Hello, own: Hello, rank: int, link: Link) -> None:
    if hello.rank != rank or not compare_digest(hello.token, own.token):
        raise RunError(f"{link.peer} is not worker {rank} of this run", key=link.peer, found=hello.rank, allowed=rank)
