"""Every home's state is data: after any operations a snapshot equals its home, and goes on exactly as the home does.

Operations are drawn from the declared ones with small arguments, so that they meet: the same frames, pages, threads and channels. Some hold
the lock and some do not, some make no sense; a home has to stay in one piece
all the same. Drawn from a seed and not by hypothesis: twenty times as
many operations fit into a second.
"""

from __future__ import annotations

import copy
import random
import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.home import Home
from actors.homes.boot import HOME_CLASSES, boot_homes
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.page_queues import PageQueues
from actors.homes.pmaps import Pmap
from actors.homes.splay import Splay
from actors.homes.vnodes import Vnode
from actors.homes.windows import Window
from actors.homes.zones import Zone
from protocol.identity import kind_of
from protocol.machine import Machine, thresholds
from protocol.messages import Message, Op
from protocol.messages.free import CacheCount
from protocol.messages.locks import LockRequest, Sleep, Unlock, Unsleep
from protocol.messages.processor import IpiAck
from protocol.pages import ACTIVE, CACHE, HOLD, INACTIVE, NONE
from protocol.records import ALLOC_COLOUR, FRAME_COPY, FRAME_FILL, FRAME_STORE, FRAME_ZERO, KINDS, OBJECT_COLLAPSE, OBJECT_NEW
from tests.actors.fake_port import Bench, restored

MACHINE = Machine(cpus=2, cpu_domains=(0, 0), frames=20, thresholds=thresholds(20), latency_ns=(((10,),),) * 4, colours=4, pager_queue=2)
CHANNELS = ["pip", "page.1", "v_free_count", "vm_pages_needed"]
Step = tuple[Message, int, bool]
"""(message, thread, with the lock)."""

FROM: dict[str, list[Any]] = {
    "frame": [1, 2, 3, 5],
    "queue": [INACTIVE, ACTIVE, CACHE, HOLD],
    "marker": [-1, -2],
    "chan": CHANNELS,
    "flags": [0, 0x10, 0x800],
    "set": [0, 0x10, 0x80, 0x800],
    "clear": [0, 0x10, 0x80, 0x800],
    "object": ["", "object.1.cpu.0", "object.2.cpu.0"],
    "pmap": ["pmap.1.cpu.0", "pmap.2.cpu.0"],
    "level": [1, 2, 3],
    "slot": [0, 1, 2],
    "vpn": [0, 511, 512, 1 << 18],
    "delta": [-1, 0, 1],
    "bits": [1, 3, 0x23, 0x63],
    "unmanaged": [False, False, True],
    "wire": [0, 0, 1],
    "entries": [1],
    "table": [0, 0, 0, 1, 2],
}
BY_TYPE: dict[Any, list[Any]] = {int: list(range(8)), bool: [False, True], str: ["", "object.3.cpu.1"]}


def pairs(draw: random.Random) -> tuple[tuple[int, int], ...]:
    return tuple((draw.randrange(5), draw.randrange(1, 7)) for _ in range(draw.randrange(4)))


def maker(op: type[Op]) -> Callable[[random.Random], Op]:
    """Draws an operation of this type."""
    hints = typing.get_type_hints(op)
    own = [f.name for f in msgspec.structs.fields(op) if f.name not in ("thread", "held", "reply")]

    def make(draw: random.Random) -> Op:
        return op(**{n: draw.choice(FROM.get(n) or BY_TYPE[hints[n]]) if hints[n] in BY_TYPE else pairs(draw) for n in own})

    return make


def locking(draw: random.Random) -> Message:
    thread, chan = draw.randrange(1, 4), draw.choice(CHANNELS)
    return draw.choice([LockRequest(thread, draw.randrange(6)), Unlock(thread, -1), Sleep(thread, chan, -1), Unsleep(thread, chan)])


def steps_of(kind: str, draw: random.Random, count: int) -> list[Step]:
    home = HOME_CLASSES[kind]
    makers = [maker(m) for m in (*home.ops, *home.handlers) if issubclass(m, Op)]
    if kind == "smp":
        makers.append(lambda _: IpiAck())
    steps = []
    for _ in range(count):
        message = locking(draw) if not makers or draw.random() < 0.25 else draw.choice(makers)(draw)
        steps.append((message, draw.randrange(1, 4), draw.random() < 0.7))
    return steps


def fresh(kind: str) -> Home:
    if HOME_CLASSES[kind] is VmObject:
        return VmObject(name=f"{kind}.1.cpu.0", size=10, warm=True, tree=Splay() if kind == "kernel" else None)
    if kind == "window":
        return Window(name="window.2")
    if kind == "zone":
        return Zone(name="zone.0", limit=7, slab_items=3)
    if kind == "pmap":
        return Pmap(name="pmap.1.cpu.0")
    if kind == "map":
        return VmMap(name="map.1.cpu.0", low=0)
    if kind in ("lock", "vnlock"):
        return Home(name=f"{kind}.0")
    if kind == "vnode":
        return Vnode(name="vnode.1")
    return next(copy.deepcopy(home) for home in reversed(boot_homes(MACHINE)) if kind_of(home.name) == kind)


def deliver(b: Bench, message: Message, thread: int, locked: bool) -> None:
    """As from a thread: with its proof if it holds the lock, and its present grant for an unlock or a sleep."""
    home = b.home
    if isinstance(message, Op):
        fence = home.readers.get(thread, home.fence)
        held = ((home.name, fence),) if locked and (home.owner == thread or thread in home.readers) else ()
        message = msgspec.structs.replace(message, thread=thread, held=held)
    elif isinstance(message, (Unlock, Sleep)):
        message = msgspec.structs.replace(message, fence=home.readers.get(message.thread, home.fence))
    b.give(message, f"cpu.{thread % 2}")
    if len(b.port.timers) > 1:
        b.give(b.port.timers.pop(0)[0], home.name)


def drive(b: Bench, steps: list[Step]) -> list[Any]:
    b.port.sent, b.port.records, b.port.interrupts = [], [], []
    for step in steps:
        deliver(b, *step)
    return [b.port.sent, b.port.records, b.port.interrupts, b.port.timers]


@pytest.mark.parametrize("kind", sorted(HOME_CLASSES))
def test_a_restored_home_equals_and_goes_on_as_the_original(kind):
    for seed in range(20):
        draw = random.Random(f"{kind} {seed}")
        b = Bench(fresh(kind), draws=[3, 1, 2, 1])
        drive(b, steps_of(kind, draw, 60))
        copied = restored(b.home)
        assert copied == b.home, seed
        assert msgspec.msgpack.encode(copied) == msgspec.msgpack.encode(b.home), seed
        other = Bench(copied, draws=list(b.port.streams.draws))
        other.port.timers = list(b.port.timers)
        after = steps_of(kind, draw, 60)
        assert drive(other, after) == drive(b, after), seed
        assert other.home == b.home, seed


def test_the_drawn_operations_make_every_kind_of_record_that_homes_make():
    """A guard of this file: what is never drawn is never tested."""
    found = set()
    for kind in HOME_CLASSES:
        for seed in range(60):
            b = Bench(fresh(kind))
            drive(b, steps_of(kind, random.Random(seed), 200))
            found |= {r[0] for r in b.port.records}
    of_cpus = {FRAME_ZERO, FRAME_COPY, FRAME_FILL, FRAME_STORE, ALLOC_COLOUR, OBJECT_NEW, OBJECT_COLLAPSE}
    of_homes = {n for n in KINDS if 20 <= n < 70 or 90 <= n < 110} - of_cpus | {7, 82, 83, 130}
    assert {KINDS[n].name for n in of_homes - found} == set()


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


@pytest.mark.parametrize("seed", range(20))
def test_every_page_stands_on_the_one_queue_that_it_names(seed):
    b = Bench(fresh("pq"))
    for step in steps_of("pq", random.Random(seed), 300):
        deliver(b, *step)
        home = b.home
        assert on_lists(home) == {f: [p.queue] for f, p in home.pages.items() if p.queue != NONE}, step
        for ring in (*home.rings, *home.cache):
            assert ring.count == len(ring.frames())
        assert home.cache_count == sum(ring.count for ring in home.cache)
        told = [m.count for _, m, _ in b.port.sent if isinstance(m, CacheCount)]
        assert (told[-1] if told else 0) == home.cache_count
