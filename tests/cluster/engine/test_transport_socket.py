"""Rounds over sockets: large bodies both ways, a peer one round ahead, and everything a broken peer can send."""

import socket
from functools import partial

import anyio
import msgspec
import pytest

from cluster.engine.frames import BATCH, HEADER, STATUS, frame
from cluster.engine.link import Link, PeerGoneError
from cluster.engine.share import Share
from cluster.engine.transport_socket import SocketTransport
from cluster.errors import RunError
from cluster.plan import Limits, Model, Plan

pytestmark = pytest.mark.anyio
PARAMETERS = {"actors": 12, "lookahead_ns": 20_000, "remote_percent": 30}
PLAN = Plan(Model("phold", parameters=PARAMETERS, limits=Limits(virtual_ns=1_500_000)), 3, "phold", workers=2)


@pytest.fixture
def pair():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    links = Link(one, "worker 1"), Link(other, "worker 0")
    yield links
    for link in links:
        link.close()


def transports(pair, spin=False):
    made = SocketTransport(0, 2, spin=spin), SocketTransport(1, 2, spin=spin)
    for rank, transport in enumerate(made):
        transport.attach(1 - rank, pair[rank], 0, 0)
    return made


@pytest.mark.parametrize("spin", [False, True])
async def test_large_bodies_cross_without_a_deadlock(pair, spin):
    mine, theirs = transports(pair, spin)
    bodies = [bytes([rank]) * 3_000_000 for rank in range(2)]
    received = {}

    async def side(transport, body):
        for number in range(3):
            received[transport.rank, number], _ = await transport.exchange(BATCH, [body + bytes([number])] * 2)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(side, mine, bodies[0])
            group.start_soon(side, theirs, bodies[1])
    for number in range(3):
        assert received[0, number] == received[1, number] == [body + bytes([number]) for body in bodies]


async def test_a_peer_one_round_ahead_is_kept_for_later(pair):
    mine, _ = transports(pair)
    pair[1].write(frame(BATCH, b"one", 1, 2) + frame(BATCH, b"two", 2))
    assert await mine.exchange(BATCH, [b"", b"x"], 1) == ([b"", b"one"], 3)
    assert await mine.exchange(BATCH, [b"", b"x"]) == ([b"", b"two"], 0)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def body(data):
    return data[HEADER.size :]


BROKEN = {
    "a flipped bit": (flipped, "malformed frame: one with a wrong checksum"),
    "another version": (lambda data: data[:16] + b"\x07" + data[17:], "malformed frame: one of version 7"),
    "a garbled length": (lambda data: b"\xff\xff\xff\xff" + data[4:], "malformed frame: one of 4294967295 bytes"),
    "an unknown kind": (lambda data: data[:17] + b"\x63" + data[18:], "of unknown kind 99"),
    "another round": (lambda data: frame(BATCH, body(data), 7), "sent round 7 where round 6 was due"),
    "a round again": (lambda data: frame(BATCH, body(data), 5), "sent round 5 where round 6 was due"),
    "another kind of round": (lambda data: frame(STATUS, body(data), 6), "sent a status where a batch was due"),
    "no MessagePack": (lambda data: frame(BATCH, b"\xc1" + body(data), 6), "not a batch of events"),
    "another shape": (lambda data: frame(BATCH, msgspec.msgpack.encode({"window": 3}), 6), "not a batch of events"),
    "an unknown message": (
        lambda data: frame(BATCH, msgspec.msgpack.encode((6, 0, [(9, 1, 0, "phold.0", "phold.9", 1, "boot", 0, [77, 1])])), 6),
        "not a batch of events",
    ),
    "an event of another type": (
        lambda data: frame(BATCH, msgspec.msgpack.encode((6, 0, [("9", 1, 0, "phold.0", "phold.9", 1, "boot", 0, [1000, 1])])), 6),
        "not a batch of events",
    ),
    "another window": (lambda data: frame(BATCH, msgspec.msgpack.encode((5, 0, [])), 6), "the batch of window 5, not of window 6"),
    "half a frame": (lambda data: data[:20], "in the middle of a frame"),
    "nothing": (lambda data: b"", "between two frames"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_malformed_frame_ends_the_run_with_a_sentence(pair, name, monkeypatch):
    """Worker 1's sixth batch is replaced; worker 0 names worker 1 and what was wrong."""
    spoil, said = BROKEN[name]
    mine, theirs = transports(pair)
    shares = [Share(PLAN, 0, mine), Share(PLAN, 1, theirs)]
    sent = 0

    def write(link, data):
        nonlocal sent
        sent += 1
        if sent < 6:
            return Link.write(link, data)
        if sent == 6:
            link.socket.send(spoil(data))
            link.socket.shutdown(socket.SHUT_WR)
        return None

    monkeypatch.setattr(pair[1], "write", partial(write, pair[1]))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(shares[1].run)
            with pytest.raises(RunError, match="worker 1") as caught:
                await shares[0].run()
            group.cancel_scope.cancel()
    assert said in str(caught.value)
    assert caught.value.status == 3


async def test_sending_to_a_peer_that_is_gone_says_who(pair):
    pair[1].close()
    with pytest.raises(PeerGoneError, match="worker 1 closed its connection"):
        pair[0].send(BATCH, bytes(1000))


async def test_only_where_peers_may_come_again_a_worker_that_is_done_listens_to_them(pair):
    """A run that recovers nobody ends link by link, and that is no failure of those that end last."""
    mine, _ = transports(pair)
    pair[1].close()
    with anyio.fail_after(5):
        await mine.serve()


async def test_a_peer_that_says_something_else_after_the_last_round_is_found(pair):
    mine = SocketTransport(0, 2, spin=False, keeps=True)
    mine.attach(1, pair[0], 0, 0)
    pair[1].write(frame(BATCH, b"one", 1))
    assert await mine.exchange(BATCH, [b"", b""]) == ([b"", b"one"], 0)
    pair[1].write(frame(BATCH, b"two", 1))
    with anyio.fail_after(5), pytest.raises(RunError, match="its recovery is not exact"):
        await mine.serve()
