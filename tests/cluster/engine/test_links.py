"""How workers find each other, and whom they refuse."""

import socket

import anyio
import msgspec
import pytest

from cluster.engine.frames import BATCH, HELLO, frame
from cluster.engine.links import Hello, connect, listen
from cluster.errors import RunError

pytestmark = pytest.mark.anyio


async def meet(directory, hellos):
    """Every worker connects with its hello; links by rank."""
    addresses = [str(directory / f"w{rank}") for rank in range(len(hellos))]
    listeners = [listen(address, 8) for address in addresses]
    found = {}
    try:
        async with anyio.create_task_group() as group:

            async def one(rank):
                found[rank] = await connect(listeners[rank], addresses, hellos[rank])

            for rank in range(len(hellos)):
                group.start_soon(one, rank)
    finally:
        for listener in listeners:
            listener.close()
        for links in found.values():
            for link in links:
                if link is not None:
                    link.close()
    return found


async def test_everybody_is_linked_with_everybody(tmp_path):
    found = await meet(tmp_path, [Hello("t", rank, 0, 0) for rank in range(4)])
    for rank, links in found.items():
        assert [None if link is None else link.peer for link in links] == [None if n == rank else f"worker {n}" for n in range(4)]


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        (Hello("another", 1, 0, 0), "not worker 1 of this run"),
        (Hello("t", 0, 0, 0), "says it is worker 0"),
        (Hello("t", 7, 0, 0), "says it is worker 7"),
    ],
)
async def test_a_stranger_is_refused(tmp_path, hello, said):
    address = str(tmp_path / "w0")
    listener = listen(address, 8)
    with listener, await stranger_says(address, HELLO, msgspec.msgpack.encode(hello)), pytest.raises(RunError, match=said):
        await connect(listener, [address, "nowhere"], Hello("t", 0, 0, 0))


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [(BATCH, b"", "did not begin with a hello"), (HELLO, b"\xc1", "malformed hello"), (HELLO, b"\x91\x01", "malformed")],
)
async def test_nonsense_is_refused(tmp_path, kind, body, said):
    address = str(tmp_path / "w0")
    with listen(address, 8) as listener, await stranger_says(address, kind, body), pytest.raises(RunError, match=said):
        await connect(listener, [address, "nowhere"], Hello("t", 0, 0, 0))


async def stranger_says(address, kind, body):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    connection.send(frame(kind, body))
    return connection


async def test_an_address_that_cannot_be_is_a_sentence(tmp_path):
    with pytest.raises(RunError, match="cannot listen at"):
        listen(str(tmp_path / ("x" * 200)), 1)
