"""Everything the checks know, as typed plain data: what a snapshot holds and what moves when the number of shards changes.

The state is a mirror of the machine, kept by frame, thread, lock, object and page table, so that it can be split and joined by key.
Deriving it again from the stored trace after a restart was rejected: it costs as much as the run.
"""

from __future__ import annotations

import msgspec

FREE, PRIVATE, BOUND, RELEASED, HELD = range(5)
"""Phase of a frame: on the free lists; taken and known to its owner only; a page with a record; its record dropped and not yet put back;
freed but held."""
PHASE_NAMES = ("on the free list", "taken and not yet a page", "allocated", "released and not yet on the free list", "on the hold queue")

NOT_BUSY = -2
"""In place of the thread that owns BUSY."""

HAS_PTE, HAS_PV = 1, 2
"""Halves of a mapping: the page-table entry, and the pv entry on the page."""


class PageView(msgspec.Struct, array_like=True):
    """A frame as the records tell it. ``soft`` is the soft-busy count its object keeps; ``touched_ns`` when its owner last changed."""

    phase: int = FREE
    queue: int = 0
    flags: int = 0
    wire: int = 0
    hold: int = 0
    dirty: int = 0
    owner: int = NOT_BUSY
    object: str = ""
    soft: int = 0
    io_seen: bool = False
    ptes: int = 0
    pvs: int = 0
    tlb: int = 0
    touched_ns: int = 0
    links: dict[tuple[str, int], int] = {}
    """(pmap, vpn) of each managed mapping to the halves that exist."""
    sleepers: dict[int, int] = {}
    """Thread to the time it went to sleep on this page."""


class PagesState(msgspec.Struct, array_like=True):
    """All frames that are not simply free, and the TLB entries that map them."""

    pages: dict[int, PageView] = {}
    tlb: dict[str, dict[str, dict[int, int]]] = {}
    """CPU to pmap to vpn to frame."""
    open_links: dict[tuple[int, str, int], int] = {}
    """(frame, pmap, vpn) of mappings of which one half exists, to that half."""
    shoots: dict[int, tuple[str, int, int]] = {}
    """Thread to (pmap, start, end) of its shootdown that is not acknowledged yet; for messages, and the same on all shards."""


class ThreadView(msgspec.Struct, array_like=True):
    """A thread: its locks in order of acquisition with their depth, their types, and how deep it is in kernel routines since when."""

    held: dict[str, int] = {}
    types: tuple[str, ...] = ()
    spins: int = 0
    waiting: str = ""
    inside: int = 0
    since_ns: int = 0
    idle: bool = False


class LocksState(msgspec.Struct, array_like=True):
    """Who holds and who waits for each lock."""

    holders: dict[str, list[int]] = {}
    waiters: dict[str, list[int]] = {}


class ObjectView(msgspec.Struct, array_like=True):
    """A vm object: pindex to (frame, soft-busy count) of each resident page, and what was freed but not seen removed."""

    resident: dict[int, tuple[int, int]] = {}
    released: dict[int, int] = {}
    removed_soft: dict[int, int] = {}


class PmapView(msgspec.Struct, array_like=True):
    """A page table and the TLB entries made from it. ``clock`` counts its changes and flushes, so that "older than" needs no times."""

    ptes: dict[int, tuple[int, int]] = {}
    """vpn to (frame, bits) of each valid entry."""
    tlb: dict[str, dict[int, tuple[int, int, int]]] = {}
    """CPU to vpn to (frame, bits, clock of the fill)."""
    changed: dict[int, int] = {}
    """vpn of each entry that lost rights since the pmap lock was last given back, to the clock of the change."""
    flushes: list[tuple[str, int, int, int]] = []
    """(CPU, clock, start, end) of flushes while there are such entries."""
    shoots: dict[int, int] = {}
    """Thread to the clock at which its shootdown began."""
    clock: int = 0


class PmapsState(msgspec.Struct, array_like=True):
    """All page tables, and which of them each CPU's TLB has entries of."""

    pmaps: dict[str, PmapView] = {}
    loaded: dict[str, list[str]] = {}


NEVER_NS = (1 << 63) - 1


class GlobalState(msgspec.Struct, array_like=True):
    """What all shards together know: the lock order learnt, who waits for what, and since when somebody is inside the kernel."""

    edges: dict[tuple[str, str], tuple[int, int, str, str]] = {}
    """(outer type, inner type) to (time, thread, outer lock, inner lock) of the first sight."""
    squawked: dict[tuple[str, str], int] = {}
    holders: dict[str, list[int]] = {}
    waits: dict[int, str] = {}
    active_since_ns: int = NEVER_NS


class SuiteState(msgspec.Struct, array_like=True):
    """The state of one shard. ``globals`` is the same in all of them."""

    pages: PagesState = msgspec.field(default_factory=PagesState)
    threads: dict[int, ThreadView] = {}
    locks: LocksState = msgspec.field(default_factory=LocksState)
    objects: dict[str, ObjectView] = {}
    pmaps: PmapsState = msgspec.field(default_factory=PmapsState)
    free: dict[str, int] = {}
    """Home of free lists to its count after the last record."""
    globals: GlobalState = msgspec.field(default_factory=GlobalState)
    counts: dict[str, tuple[int, int]] = {}
    """Check to (evaluated, violations)."""
