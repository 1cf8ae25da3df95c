"""A paging queues' home under test: its lock held, some pages bound."""

from __future__ import annotations

from actors.homes.page_queues import PageQueues
from protocol.messages.pages import Bind, MakeCache
from tests.actors.fake_port import Bench

OBJ = "object.1.cpu.0"
PMAP = "pmap.1.cpu.0"


def bench(*frames: int, **bind: int) -> Bench:
    """A home whose lock thread 1 holds, with these frames bound to pages 0, 1, ... of one object."""
    b = Bench(PageQueues(name="pq", service_ns=5, colours=4), also=(OBJ, "object.2.cpu.0", "object.3.cpu.1", PMAP, "pmap.2.cpu.0"))
    b.lock()
    for pindex, frame in enumerate(frames):
        b.ask(Bind(frame, OBJ, pindex, **bind))
    b.take_records()
    return b


def on(b: Bench, frame: int) -> int:
    return b.home.pages[frame].queue


def cached(*frames: int) -> Bench:
    b = bench(*frames)
    for frame in frames:
        assert b.ask(MakeCache(frame)) == (True, False)
    b.take_records()
    b.take_sent()
    return b
