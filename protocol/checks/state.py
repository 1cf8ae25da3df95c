"""Everything the checks know, as typed plain data: what a snapshot holds and what moves when the number of shards changes.

The state is a mirror of the machine, kept by frame, thread, lock, object, map and page table, so that it can be split and joined by key.
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

UNKNOWN, ZEROS, OTHER = range(3)
"""Content of a frame: not heard of; zero; anything."""

STORED, SAVING = 1, 2
"""Bits of ``unsaved``: a store completed since the last write-out began; a write-out has begun and not ended."""


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
    pindex: int = -1
    soft: int = 0
    io_ended: int = -1
    """Grant of the page-queues lock in which its last I/O ended."""
    ptes: int = 0
    pvs: int = 0
    tlb: int = 0
    touched_ns: int = 0
    cow: int = 0
    writable: int = 0
    """PTEs of it that allow writing."""
    content: int = UNKNOWN
    unsaved: int = 0
    reclaimable: bool = False
    """It has been put on the cache queue, or is about to be freed, as clean, and has not been taken into use since."""
    moving: int = 0
    """Transitions under way while its object's lock is dropped."""
    busied: int = -1
    """Grant of the page-queues lock in which it was last made busy."""
    table: str = ""
    """The page table of which it is a page."""
    unlinked: bool = False
    """It was a page-table page, and has not been freed yet."""
    links: dict[tuple[str, int], int] = {}
    """(pmap, vpn) of each managed mapping to the halves that exist."""
    sleepers: dict[int, int] = {}
    """Thread to the time it went to sleep on this page."""
    woken: dict[int, int] = {}
    """Thread to the time it was woken off this page, until it runs."""


class PagesState(msgspec.Struct, array_like=True):
    """All frames that are not simply free, and the TLB entries that map them."""

    pages: dict[int, PageView] = {}
    tlb: dict[str, dict[str, dict[int, int]]] = {}
    """CPU to pmap to vpn to frame."""
    open_links: dict[tuple[int, str, int], tuple[int, int]] = {}
    """(frame, pmap, vpn) of mappings of which one half exists, to that half and the time since when it is alone."""
    shoots: dict[int, tuple[str, int, int]] = {}
    """Thread to (pmap, start, end) of its shootdown that is not acknowledged yet; for messages, and the same on all shards."""
    hold: int = 0
    """The last grant of the page-queues lock; the same on all shards."""
    ended_io: dict[int, int] = {}
    """Frame on which somebody sleeps to the time its last I/O ended; judged at the lock's next grant."""
    sent: dict[int, int] = {}
    """Frame of which a zero-copy send began, ended (to its wire count then) or was mapped writable (-1); judged at the lock's next
    grant."""


class ThreadView(msgspec.Struct, array_like=True):
    """A thread: its locks in order of acquisition with their depth, their types, and how deep it is in kernel routines since when."""

    held: dict[str, int] = {}
    types: tuple[str, ...] = ()
    spins: int = 0
    waiting: str = ""
    inside: int = 0
    since_ns: int = 0
    idle: bool = False
    stack: list[tuple[str, tuple[tuple[str, int], ...]]] = []
    """(routine, (lock, depth) of those held when it began), outermost first."""
    loops: dict[str, int] = {}
    """Routine to the measure of its loop's last iteration."""
    cached: dict[int, str] = {}
    """Page of the cache queue that the thread has made busy, to its object."""
    wrong: list[str] = []
    """Locks of which it has been said that a routine has kept or lost them, until the thread leaves the kernel."""
    parked: bool = False
    """It has been put to wait for a lock or on a channel, and has not given the CPU up since."""


class LocksState(msgspec.Struct, array_like=True):
    """Who holds and who waits for each lock."""

    holders: dict[str, list[int]] = {}
    waiters: dict[str, list[int]] = {}


class ObjectView(msgspec.Struct, array_like=True):
    """A vm object: pindex to (frame, soft-busy count) of each resident page, and what was freed but not seen removed; its header."""

    resident: dict[int, tuple[int, int]] = {}
    released: dict[int, int] = {}
    removed_soft: dict[int, int] = {}
    halves: dict[tuple[int, int], int] = {}
    """(pindex, frame) to 1 if the object has the page and the page does not name the object, -1 the other way round."""
    created: bool = False
    """Its creation is on record; a file's object exists at boot."""
    refs: int = -1
    """-1: not heard of."""
    pip: int = 0
    shadows: int = 0
    flags: int = 0
    dead: bool = False
    moving: dict[int, int] = {}
    """Frame to the number of its transitions under way."""
    sleepers: dict[int, int] = {}
    """Thread to the time it went to sleep on the object."""
    touched_ns: int = 0
    """When its references, shadows, paging in progress or pages in transition last changed."""
    told: dict[tuple[int, int], int] = {}
    """The halves of which it has been said that the other is missing; the one that comes late takes them back."""


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
    uncounted: dict[tuple[int, int], int] = {}
    """(level, slot) of page-table pages whose reference count and valid entries differ, to the difference."""
    empty: dict[tuple[int, int], int] = {}
    """(level, slot) of page-table pages without a valid entry, to the frame."""
    counts: dict[tuple[int, int], int] = {}
    """(level, slot) of page-table pages that count valid entries, to how many."""
    active: dict[str, int] = {}
    """CPU in pm_active to the clock since when."""
    told: dict[tuple[int, int], int] = {}
    """The differences of ``uncounted`` that have been said; the half that comes late takes them back."""
    building: dict[tuple[int, int], int] = {}
    """(level, slot) of page-table pages that have had no entry yet, to the frame."""


class PmapsState(msgspec.Struct, array_like=True):
    """All page tables, and which of them each CPU's TLB has entries of."""

    pmaps: dict[str, PmapView] = {}
    loaded: dict[str, list[str]] = {}


class MapView(msgspec.Struct, array_like=True):
    """A map: the starts of its entries, ascending, and start to (end, object, offset)."""

    starts: list[int] = []
    entries: dict[int, tuple[int, str, int]] = {}


class ShootView(msgspec.Struct, array_like=True):
    """The rendezvous: thread to number of targets of each shootdown under way, and the acknowledgements that came for it.

    ``lazy``: CPUs told to load another page table (LAZYPMAP), which acknowledge to the same count without a shootdown.
    """

    targets: dict[int, int] = {}
    acks: int = 0
    lazy: int = 0


class QueuesView(msgspec.Struct, array_like=True):
    """The lengths of the paging queues, by queue number, and the frames on HOLD."""

    counts: list[int] = []
    held: dict[int, int] = {}


class FreeView(msgspec.Struct, array_like=True):
    """Free lists: the count last told, the frames known to be zero, and the length of each colour's list. -1 and []: not heard of."""

    count: int = -1
    zeroed: int = -1
    buckets: list[int] = []


NEVER_NS = (1 << 63) - 1


class GlobalState(msgspec.Struct, array_like=True):
    """What all shards together know: the lock order learnt, who waits for what, what refers to which object, and since when somebody is
    inside the kernel."""

    edges: dict[tuple[str, str], tuple[int, int, str, str]] = {}
    """(outer type, inner type) to (time, thread, outer lock, inner lock) of the first sight."""
    squawked: dict[tuple[str, str], int] = {}
    holders: dict[str, list[int]] = {}
    waits: dict[int, str] = {}
    active_since_ns: int = NEVER_NS
    left_ns: int = 0
    """When a thread last left the kernel."""
    entries: dict[str, int] = {}
    """Object to how many map entries name it."""
    backing: dict[str, tuple[str, int]] = {}
    """Object to (object behind it, offset in pages)."""
    shadows: dict[str, int] = {}
    """Object to how many shadow it."""
    asleep: dict[int, str] = {}
    """Thread that sleeps for a busy page to the object that it will lock again."""
    cached: dict[int, int] = {}
    """Page that was made busy on the cache queue and has not left it, to when. One that is no longer busy is asked after by nobody."""


class SuiteState(msgspec.Struct, array_like=True):
    """The state of one shard. ``globals`` is the same in all of them."""

    pages: PagesState = msgspec.field(default_factory=PagesState)
    threads: dict[int, ThreadView] = {}
    locks: LocksState = msgspec.field(default_factory=LocksState)
    objects: dict[str, ObjectView] = {}
    pmaps: PmapsState = msgspec.field(default_factory=PmapsState)
    free: dict[str, FreeView] = {}
    maps: dict[str, MapView] = {}
    shoots: dict[str, ShootView] = {}
    queues: dict[str, QueuesView] = {}
    globals: GlobalState = msgspec.field(default_factory=GlobalState)
    counts: dict[str, tuple[int, int]] = {}
    """Check to (evaluated, violations)."""
    sightings: list[tuple[tuple[str, ...], str]] = []
    """(types held, type asked for) of the acquisitions that this shard has told the global stage of. Telling again would change nothing,
    but a shard that goes on from a snapshot must say what it said before, to the byte."""
