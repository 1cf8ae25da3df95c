"""Every home's state is data: after any operations a snapshot equals its home, and goes on exactly as the home does.

Operations are drawn from the declared ones with small arguments, so that they meet: the same frames, pages, threads and channels. Some hold the
lock and some do not, some make no sense; a home has to stay in one piece all the same.
"""

from __future__ import annotations

import copy
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.home import Home
from actors.homes.boot import HOME_CLASSES, boot_homes
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.page_queues import PageQueues
from actors.homes.pmaps import Pmap
from actors.homes.rings import END
from protocol.identity import kind_of
from protocol.machine import Machine, thresholds
from protocol.messages import Message, Op
from protocol.messages.device import DeviceTimer
from protocol.messages.free import CacheCount, Put
from protocol.messages.locks import EXCLUSIVE, LockRequest, Sleep, Unlock, Unsleep
from protocol.messages.processor import IpiAck
from protocol.messages.queues import FreePage, Mark, NextAfter
from protocol.pages import ACTIVE, CACHE, HOLD, INACTIVE, NONE
from tests.actors.fake_port import Bench, restored

MACHINE = Machine(cpus=2, cpu_domains=(0, 0), frames=60, thresholds=thresholds(60), latency_ns=(((10,),),) * 4, colours=4, pager_queue=1)
FRAMES, QUEUES, CHANNELS = st.integers(1, 6), st.sampled_from([INACTIVE, ACTIVE, CACHE, HOLD]), st.sampled_from(["pip", "page.1", "v_free_count"])

BY_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "frame": FRAMES,
    "queue": QUEUES,
    "after": st.integers(-2, 6),
    "marker": st.sampled_from([-1, -2]),
    "chan": CHANNELS,
    "flags": st.sampled_from([0, 0x10, 0x800]),
    "set": st.sampled_from([0, 0x10, 0x80, 0x800]),
    "clear": st.sampled_from([0, 0x10, 0x80, 0x800]),
    "object": st.sampled_from(["", "object.1.cpu.0", "object.2.cpu.0"]),
    "pmap": st.sampled_from(["pmap.1.cpu.0", "pmap.2.cpu.0"]),
    "level": st.integers(1, 3),
    "slot": st.integers(0, 2),
    "vpn": st.sampled_from([0, 1, 511, 512, 1 << 18]),
    "delta": st.sampled_from([-1, 0, 1]),
    "pages": st.lists(st.tuples(st.integers(0, 5), FRAMES), max_size=3).map(tuple),
    "after_pairs": st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=3).map(tuple),
    "bits": st.sampled_from([1, 3, 0x23, 0x63]),
}
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {int: st.integers(0, 7), bool: st.booleans(), str: st.sampled_from(["", "object.3.cpu.1"])}


def arguments(op: type[Op]) -> st.SearchStrategy[Op]:
    """Any operation of this type."""
    hints = typing.get_type_hints(op)
    own = [f.name for f in msgspec.structs.fields(op) if f.name not in ("thread", "held", "reply")]
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name in own:
        if name == "after" and hints[name] is not int:
            fields[name] = BY_FIELD["after_pairs"]
        elif name == "pages" and hints[name] is int:
            fields[name] = st.integers(1, 4)
        else:
            fields[name] = BY_FIELD[name] if name in BY_FIELD else BY_TYPE[hints[name]]
    return st.builds(op, **fields)


def fresh(kind: str) -> Home:
    if kind == "object":
        return VmObject(name="object.1.cpu.0", size=10, warm=True)
    if kind == "pmap":
        return Pmap(name="pmap.1.cpu.0")
    if kind == "map":
        return VmMap(name="map.1.cpu.0", low=0)
    if kind == "lock":
        return Home(name="lock.0")
    return next(copy.deepcopy(home) for home in reversed(boot_homes(MACHINE)) if kind_of(home.name) == kind)


LOCKING: list[st.SearchStrategy[Message]] = [
    st.builds(LockRequest, st.integers(1, 3), st.integers(0, 5)),
    st.builds(Unlock, st.integers(1, 3), st.just(-1)),
    st.builds(Sleep, st.integers(1, 3), CHANNELS, st.just(-1)),
    st.builds(Unsleep, st.integers(1, 3), CHANNELS),
]


def messages(kind: str) -> st.SearchStrategy[list[tuple[Message, int, bool]]]:
    """Sequences of (message, thread, with the lock)."""
    home = HOME_CLASSES[kind]
    ops = [arguments(m) for m in (*home.ops, *home.handlers) if issubclass(m, Op)]
    choices = [st.one_of(*LOCKING)] + [st.one_of(*ops)] * 4 if ops else LOCKING
    return st.lists(st.tuples(st.one_of(*choices), st.integers(1, 3), st.booleans()), max_size=40)


def deliver(b: Bench, message: Message, thread: int, locked: bool) -> None:
    """As from a thread: with its proof if it holds the lock, and its present grant for an unlock or a sleep."""
    home = b.home
    fence = home.readers.get(thread, home.fence)
    if isinstance(message, Op):
        held = ((home.name, fence),) if locked and (home.owner == thread or thread in home.readers) else ()
        message = msgspec.structs.replace(message, thread=thread, held=held)
    elif isinstance(message, (Unlock, Sleep)):
        message = msgspec.structs.replace(message, fence=home.readers.get(message.thread, home.fence))
    b.give(message, f"cpu.{thread % 2}")
    for timer, _ in b.port.timers:
        b.give(timer, home.name)
    b.port.timers.clear()


def drive(b: Bench, steps: list[tuple[Message, int, bool]]) -> list[Any]:
    b.port.sent, b.port.records, b.port.interrupts = [], [], []
    for message, thread, locked in steps:
        deliver(b, message, thread, locked)
    return [b.port.sent, b.port.records, b.port.interrupts]


@pytest.mark.parametrize("kind", sorted(HOME_CLASSES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_restored_home_equals_and_goes_on_as_the_original(kind, data):
    before, after = data.draw(messages(kind)), data.draw(messages(kind))
    b = Bench(fresh(kind), draws=[3, 1, 2, 1])
    drive(b, before)
    copied = restored(b.home)
    assert copied == b.home
    assert msgspec.msgpack.encode(copied) == msgspec.msgpack.encode(b.home)
    other = Bench(copied, draws=list(b.port.streams.draws))
    assert drive(other, after) == drive(b, after)
    assert other.home == b.home


def on_lists(home: PageQueues) -> dict[int, list[int]]:
    """Frame to the queues on whose lists it stands."""
    found: dict[int, list[int]] = {}
    for queue, ring in enumerate(home.rings):
        for frame in ring.frames():
            found.setdefault(frame, []).append(queue)
    for colour, ring in enumerate(home.cache):
        for frame in ring.frames():
            assert frame % home.colours == colour
            found.setdefault(frame, []).append(CACHE)
    return found


@settings(max_examples=150, deadline=None)
@given(steps=messages("pq"))
def test_every_page_stands_on_the_one_queue_that_it_names(steps):
    b = Bench(fresh("pq"))
    for message, thread, locked in steps:
        deliver(b, message, thread, locked)
        home = b.home
        assert on_lists(home) == {f: [p.queue] for f, p in home.pages.items() if p.queue != NONE}
        for ring in (*home.rings, *home.cache):
            assert ring.count == len(ring.frames())
        assert home.cache_count == sum(ring.count for ring in home.cache)
        assert all(p.hold != 0 for p in home.pages.values() if p.queue == HOLD)
        markers = [i for ring in (*home.rings, *home.cache) for i in ring.after if i < END]
        assert all(markers.count(m) <= len((INACTIVE, ACTIVE, CACHE, HOLD)) for m in markers)
    told = [m.count for to, m, _ in b.port.sent if isinstance(m, CacheCount)]
    assert (told[-1] if told else 0) == b.home.cache_count


def test_the_drawn_operations_reach_every_handler():
    """A guard of the tests above: each operation's arguments can be drawn, and a scan finds something."""
    b = Bench(fresh("pq"))
    for op in (*b.home.ops, *HOME_CLASSES["fq"].ops):
        assert isinstance(arguments(op).example(), op) if op not in (FreePage, Put) else True
    assert {Mark, NextAfter} <= set(b.home.ops)
    assert {m for m in HOME_CLASSES["smp"].handlers} >= {IpiAck}
    assert DeviceTimer in HOME_CLASSES["pager"].handlers and EXCLUSIVE == 0
