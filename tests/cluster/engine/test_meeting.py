"""How workers find each other, at the start and again, and whom they refuse."""

import socket
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from cluster.engine.frames import BATCH, HELLO, frame
from cluster.engine.meeting import Hello, Meeting, address_of, listen
from cluster.engine.transport_socket import SocketTransport
from cluster.errors import RunError

pytestmark = pytest.mark.anyio


class One:
    """A worker that listens and does nothing else."""

    def __init__(self, directory, rank, workers, incarnation=0, token="t"):
        self.transport = SocketTransport(rank, workers, spin=False, keeps=True)
        self.refused, self.failed = [], []
        self.meeting = Meeting(self.transport, token, incarnation, str(directory), self.refused.append, self.failed.append)
        self.listener = listen(address_of(str(directory), rank, incarnation), 8)

    def peers(self):
        return {rank: peer.link.peer for rank, peer in self.transport.peers.items() if peer.link is not None}

    def close(self):
        self.listener.close()
        self.transport.close()


@asynccontextmanager
async def listening(*ones):
    async with anyio.create_task_group() as group:
        for one in ones:
            group.start_soon(one.meeting.receive_all, one.listener, group)
        yield group
        group.cancel_scope.cancel()
    for one in ones:
        one.close()


async def until(condition):
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - the other side is no task of ours
            await anyio.sleep(0.001)


async def test_whoever_begins_later_dials_those_that_began_before(tmp_path):
    ones = [One(tmp_path, rank, 4) for rank in range(4)]
    async with listening(*ones) as group:
        for one in ones:
            for before in range(one.transport.rank):
                group.start_soon(one.meeting.dial, before, address_of(str(tmp_path), before, 0))
        with anyio.fail_after(5):
            for one in ones:
                await one.transport.complete()
        for rank, one in enumerate(ones):
            assert one.peers() == {peer: f"worker {peer}" for peer in range(4) if peer != rank}


async def test_a_newcomer_says_how_far_it_has_heard_and_gets_the_rest(tmp_path):
    living, first = One(tmp_path, 1, 2), One(tmp_path, 0, 2)
    for number in range(1, 6):
        living.transport.peers[0].say(frame(BATCH, b"%d" % number, number))
    first.transport.peers[1].begin(2)
    async with listening(living, first):
        await first.meeting.dial(1, address_of(str(tmp_path), 1, 0))
        peer = first.transport.peers[1]
        await until(lambda: peer.settled() and peer.have == 5)
        assert [found.body for found in peer.arrived] == [b"3", b"4", b"5"]


async def test_who_asks_for_what_is_not_kept_any_more_is_a_failure_of_the_run(tmp_path):
    living, first = One(tmp_path, 1, 2), One(tmp_path, 0, 2)
    for number in range(1, 6):
        living.transport.peers[0].say(frame(BATCH, b"", number))
    living.transport.commit(3)
    async with listening(living, first):
        await first.meeting.dial(1, address_of(str(tmp_path), 1, 0))
        await until(lambda: living.failed)
    assert "asks for round 1" in str(living.failed[0])


async def test_one_that_has_been_replaced_is_refused(tmp_path):
    living, old, new = One(tmp_path, 1, 2), One(tmp_path, 0, 2), One(tmp_path, 0, 2, incarnation=1)
    async with listening(living, old, new):
        await new.meeting.dial(1, address_of(str(tmp_path), 1, 0))
        await until(living.peers)
        await old.meeting.dial(1, address_of(str(tmp_path), 1, 0))
        await until(lambda: living.refused)
        assert living.transport.peers[0].incarnation == 1
    assert living.refused == ["worker 0 of incarnation 0 was replaced by incarnation 1"]


async def test_nobody_there_is_no_error(tmp_path):
    one = One(tmp_path, 0, 2)
    async with listening(one):
        await one.meeting.dial(1, str(tmp_path / "nowhere"))
        assert one.peers() == {}


def hello(token, rank):
    return msgspec.msgpack.encode(Hello(token, rank, 0, 0))


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (HELLO, hello("another", 1), "not worker 1 of this run"),
        (HELLO, hello("t", 0), "says it is worker 0"),
        (HELLO, hello("t", 7), "says it is worker 7"),
        (BATCH, b"", "did not begin with a hello"),
        (HELLO, b"\xc1", "malformed hello"),
        (HELLO, b"\x91\x01", "malformed"),
    ],
)
async def test_a_stranger_is_sent_away_and_the_run_goes_on(tmp_path, kind, body, said):
    one, friend = One(tmp_path, 0, 2), One(tmp_path, 1, 2)
    async with listening(one, friend):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(address_of(str(tmp_path), 0, 0))
            stranger.send(frame(kind, body))
            await until(lambda: one.refused)
            assert stranger.recv(1000) == b""
        assert said in one.refused[0]
        await friend.meeting.dial(0, address_of(str(tmp_path), 0, 0))
        await until(one.peers)


async def test_an_address_that_cannot_be_is_a_sentence(tmp_path):
    with pytest.raises(RunError, match="cannot listen at"):
        listen(str(tmp_path / ("x" * 200)), 1)
