"""What a kernel routine may ask of the CPU it runs on. Awaiting a request yields it to the CPU, which answers with its value.

A routine touches the world only through these, so that its thread is data: the routine's name, its arguments and the answers so far (law
2). A request is a struct because the pending one is stored in a snapshot and compared, byte for byte, with the one the re-run routine
waits on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from protocol.messages import Op, Value
from protocol.records import Record


class Request(msgspec.Struct, array_like=True, tag_field="_", gc=False):
    """Base of all requests; ``await request`` gives its answer."""

    def __await__(self) -> Generator[Request, Any, Any]:
        return (yield self)


class Call(Request, tag=1, gc=False):
    """Ask a home and wait for the answer, keeping the CPU (a few cache misses), or giving it up while a device works."""

    to: str
    op: Op
    deschedule: bool = False


class Post(Request, tag=2, gc=False):
    """Tell a home, without an answer.

    Allowed only for the home of a lock that the thread holds (design 3), and for declared unlocked writes.
    """

    to: str
    op: Op


class Acquire(Request, tag=3, gc=False):
    """Acquire a lock. Answer: true, or false where a try-lock or an upgrade failed."""

    lock: str
    mode: int


class Release(Request, tag=4, gc=False):
    """Release a lock (one level of it, if it was acquired recursively)."""

    lock: str


class SleepOn(Request, tag=5, gc=False):
    """msleep with PDROP: sleep on ``chan`` of the interlock's home, releasing the interlock. Answer: "wakeup" or "timeout"."""

    interlock: str
    chan: str
    timeout_ns: int = 0


class Compute(Request, tag=6, gc=False):
    """Spend CPU time. ``what`` says on what."""

    what: str
    ns: int


class Note(Request, tag=7, gc=False):
    """Record something that the thread itself knows. Lock names held are added by ENTER and LEAVE."""

    record: Record


class Create(Request, tag=8, gc=False):
    """Create a home of ``kind`` ("object", "map", "pmap") on this CPU; its name says its ``label``. Answer: its name."""

    kind: str
    fields: dict[str, Value]
    label: str = ""


class Translate(Request, tag=9, gc=False):
    """Look a page up in the TLB.

    Answer: the frame if the entry permits the access, else -1. A store through a clean entry misses (M must be set).
    """

    vpn: int
    write: bool


class Fill(Request, tag=10, gc=False):
    """A walk's answer enters the TLB, unless an invalidation came since the walk was asked. Answer: true if it may be used."""

    vpn: int
    frame: int
    bits: int


class FlushLocal(Request, tag=11, gc=False):
    """Drop this CPU's translations of [start, end) of ``pmap`` (start = end: all of it)."""

    pmap: str
    start: int
    end: int


class SendIpis(Request, tag=12, gc=False):
    """Send shootdown interrupts to ``targets`` and spin until the rendezvous says that all have acknowledged. Answer: ns spun."""

    pmap: str
    start: int
    end: int
    targets: tuple[int, ...]


class LeaveLazy(Request, tag=33, gc=False):
    """pmap_lazyfix of one CPU, which shall not have ``pmap`` loaded any more: this one, or another by LAZYPMAP, for whose acknowledgement
    the thread spins."""

    pmap: str
    cpu: int


class SetSpace(Request, tag=13, gc=False):
    """The thread's address space is now (map, pmap): exec and exit. Loads it."""

    map: str
    pmap: str


class StartTask(Request, tag=14, gc=False):
    """Start the workload's task ``task`` in (map, pmap) on the CPU of its first step; ``how`` says by what call."""

    task: int
    map: str
    pmap: str
    how: str


class Pause(Request, tag=15, gc=False):
    """Give the CPU up for ``ns``."""

    ns: int


class Remember(Request, tag=16, gc=False):
    """The task has touched this page: it may be touched again (``workload.retouch``)."""

    vpn: int
    write: bool


class Recall(Request, tag=17, gc=False):
    """A page touched lately, drawn from the CPU's keyed stream. Answer: (vpn, write), (-1, False) if there is none."""


class Forget(Request, tag=18, gc=False):
    """The mapping of [start, end) changed: forget the pages of this address space that were touched there."""

    start: int
    end: int


class HoldAt(Request, tag=19, gc=False):
    """Stop at a named point, on the CPU and with every lock kept, until the steps ``after`` are complete, or for ``ns``."""

    point: str
    after: tuple[tuple[int, int], ...] = ()
    ns: int = 0


class Passed(HoldAt, tag=20, gc=False):
    """A point at which no script holds the thread: awaiting it asks for nothing."""

    def __await__(self) -> Generator[Request, Any, Any]:
        return
        yield


class TranslateWindow(Request, tag=30, gc=False):
    """Look a kernel window up in the TLB. Answer: the frame it shows as far as this CPU knows, else -1."""

    window: str


class FillWindow(Request, tag=31, gc=False):
    """What a walk found a window to show enters the TLB."""

    window: str
    frame: int


class Owned(Request, tag=32, gc=False):
    """mtx_owned: does the thread hold this lock? Answer: true or false."""

    lock: str


class Again(msgspec.Struct, gc=False):
    """What a long routine returns instead of going on: run ``routine`` with ``arguments`` next, with the same locks held, on a new
    history."""

    routine: str
    arguments: tuple[Value, ...]


class KernelPanic(Exception):
    """The modelled kernel panics with this text."""
