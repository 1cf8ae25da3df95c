"""A builder of record streams as a correct machine makes them, and the mutations that spoil one.

One thread per CPU: thread ``n`` runs on ``cpu.n``. Every call of :meth:`Stream.at` is one event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import records as r
from protocol.checks import Suite, Violation
from protocol.machine import Machine, thresholds
from protocol.messages.locks import EXCLUSIVE, SHARED, SPIN
from protocol.messages.objects import OBJ_DEAD
from protocol.pages import (
    ACTIVE,
    ALLOC_NOBUSY,
    BUSY,
    CACHE,
    FICTITIOUS,
    FREE,
    NONE,
    OBJT_DEAD,
    PTE_A,
    PTE_M,
    PTE_MANAGED,
    PTE_RW,
    PTE_U,
    PTE_V,
    UNMANAGED,
    WANTED,
)
from protocol.paging import PAGING
from protocol.records import Entry, Record

FRAMES = 64
OBJECT = "object.1.cpu.0"
PMAP = "pmap.1.cpu.0"
MAP = "map.1.cpu.0"
OTHER = "object.2.cpu.0"
TABLE = 60
"""The frame of a page-table page."""
RO = PTE_V | PTE_U | PTE_MANAGED | PTE_A
RW = RO | PTE_RW | PTE_M
MACHINE = Machine(cpus=4, cpu_domains=(0, 0, 0, 0), frames=FRAMES, thresholds=thresholds(FRAMES), latency_ns=(((20,),),) * 3)


class Stream:
    """Entries in ascending order of key; each operation below is what the kernel's routine of that name records."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.now = 0
        self.free = FRAMES
        self.fences = 0
        self.queues: dict[int, int] = {}
        self.entries_in: dict[tuple[str, int], int] = {}
        """(pmap, slot) of a leaf page-table page to its valid entries; there is always one more, so that none becomes empty."""

    def at(self, actor: str, *records: Record, sender: str = "cpu.0", step: int = 10) -> Stream:
        """One event at ``actor``, ``step`` ns after the one before. A PTE's store is counted in its page-table page, as the pmap does."""
        self.now += step
        number = len(self.entries) + 1
        made = [each for record in records for each in self._counted(actor, record)]
        word = "page.activate" if actor == "pq" else "word"
        self.entries.append(((self.now, 1, 0, actor, sender, number, sender, number - 1), word, made))
        return self

    def _counted(self, pmap: str, record: Any) -> list[Record]:
        entries = (record[3] & PTE_V) - (record[5] & PTE_V) if record[0] == r.PTE_SET else -1 if record[0] == r.PTE_CLEAR else 0
        if not entries:
            return [record]
        slot = record[1] >> PAGING[MACHINE.pmap].bits
        old = self.entries_in.get((pmap, slot), 1)
        self.entries_in[(pmap, slot)] = old + entries
        refs = (r.PT_REFS, 1, slot, TABLE, old, old + entries)
        return [refs, record] if entries > 0 else [record, refs]

    def on(self, thread: int, *records: Record) -> Stream:
        """One event on the thread's CPU."""
        return self.at(f"cpu.{thread}", *records)

    # Locks ------------------------------------------------------------------------------------------------------------------

    def acquire(self, thread: int, *locks: str, mode: int = EXCLUSIVE, depth: int = 1, wait_ns: int = 0) -> Stream:
        for lock in locks:
            self.fences += 1
            how = SPIN if lock in ("fq", "smp") else mode
            self.on(thread, (r.LOCK_ACQUIRE, thread, lock, how, self.fences, wait_ns, depth))
        return self

    def release(self, thread: int, *locks: str, depth: int = 0) -> Stream:
        for lock in locks:
            self.on(thread, (r.LOCK_RELEASE, thread, lock, self.fences, 10, depth))
        return self

    def wait(self, thread: int, lock: str, owner: int) -> Stream:
        return self.on(thread, (r.LOCK_WAIT, thread, lock, owner))

    # Pages ------------------------------------------------------------------------------------------------------------------

    def enter(self, thread: int, routine: str = "vm_fault") -> Stream:
        return self.on(thread, (r.ENTER, thread, routine, (), ()))

    def leave(self, thread: int, routine: str = "vm_fault") -> Stream:
        return self.on(thread, (r.LEAVE, thread, routine, None, ()))

    def take(self, thread: int, frame: int) -> Stream:
        self.acquire(thread, "fq")
        self.free -= 1
        self.at("fq", (r.FREE_TAKE, frame, frame % 32, 0, False, self.free))
        return self.release(thread, "fq")

    def put(self, thread: int, frame: int) -> Stream:
        self.acquire(thread, "fq")
        self.free += 1
        self.at("fq", (r.FREE_PUT, frame, False, self.free))
        return self.release(thread, "fq")

    def alloc(self, thread: int, frame: int, pindex: int) -> Stream:
        """vm_page_alloc [L: OBJ]: the page is busy."""
        self.take(thread, frame)
        self.at(OBJECT, (r.OBJECT_INSERT, pindex, frame))
        self.queues[frame] = NONE
        return self.at("pq", (r.PAGE_BIND, frame, OBJECT, pindex, 0, BUSY, thread, 0))

    def queue(self, frame: int, new: int) -> Stream:
        old, self.queues[frame] = self.queues[frame], new
        return self.at("pq", (r.PAGE_QUEUE, frame, old, new))

    def map_page(self, thread: int, frame: int, vpn: int, bits: int = RW) -> Stream:
        """pmap_enter."""
        self.acquire(thread, "pq", PMAP)
        self.at(PMAP, (r.PTE_SET, vpn, frame, bits, -1, 0))
        self.at("pq", (r.PV_ADD, frame, PMAP, vpn))
        return self.release(thread, "pq", PMAP)

    def fault(self, thread: int, frame: int, pindex: int, bits: int = RW) -> Stream:
        """A zero-fill fault: vpn = 100 + pindex."""
        vpn = 100 + pindex
        self.enter(thread).acquire(thread, MAP, mode=SHARED).acquire(thread, OBJECT)
        self.alloc(thread, frame, pindex).release(thread, OBJECT)
        self.map_page(thread, frame, vpn, bits)
        self.acquire(thread, OBJECT, "pq").queue(frame, ACTIVE)
        self.at("pq", (r.PAGE_UNBUSY, frame, thread)).release(thread, "pq", OBJECT, MAP).leave(thread)
        return self.fill(thread, frame, vpn, bits)

    def fill(self, thread: int, frame: int, vpn: int, bits: int = RW) -> Stream:
        return self.on(thread, (r.TLB_FILL, PMAP, vpn, frame, bits))

    def flush(self, cpu: int, start: int = 0, end: int = 0, pmap: str = PMAP) -> Stream:
        return self.on(cpu, (r.TLB_FLUSH, pmap, start, end, "test"))

    def shoot(self, thread: int, start: int, end: int, *targets: int) -> Stream:
        """pmap_invalidate."""
        self.acquire(thread, "smp").on(thread, (r.SHOOT_BEGIN, thread, PMAP, start, end, targets))
        for cpu in (thread, *targets):
            self.flush(cpu, start, end)
        for left, cpu in zip(range(len(targets) - 1, -1, -1), targets):
            self.at("smp", (r.SHOOT_ACK, cpu, left))
        return self.on(thread, (r.SHOOT_DONE, thread, PMAP, start, end, targets, 10)).release(thread, "smp")

    def unmap(self, thread: int, frame: int, vpn: int, *targets: int, bits: int = RW) -> Stream:
        """pmap_remove of one page."""
        self.acquire(thread, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, vpn, frame, bits))
        self.at("pq", (r.PV_DEL, frame, PMAP, vpn, True, True), (r.PAGE_DIRTY, frame, 0, 255))
        return self.shoot(thread, vpn, vpn + 1, *targets).release(thread, "pq", PMAP)

    def free_page(self, thread: int, frame: int, pindex: int) -> Stream:
        """vm_page_free of a page that is not busy."""
        self.enter(thread).acquire(thread, OBJECT, "pq").at(OBJECT, (r.OBJECT_REMOVE, pindex, frame))
        queue = self.queues.pop(frame)
        moved: tuple[Record, ...] = ((r.PAGE_QUEUE, frame, queue, NONE),) if queue != NONE else ()
        self.at("pq", *moved, (r.PAGE_RELEASE, frame, OBJECT, pindex, FREE))
        return self.put(thread, frame).release(thread, "pq", OBJECT).leave(thread)

    def to_cache(self, thread: int, frame: int) -> Stream:
        """vm_page_cache of a clean unmapped page."""
        return self.acquire(thread, OBJECT, "pq").queue(frame, CACHE).release(thread, "pq", OBJECT)

    def sleep_on(self, thread: int, frame: int) -> Stream:
        """vm_page_sleep_if_busy: the page is wanted, and the interlock goes with the sleep."""
        self.acquire(thread, "pq").at("pq", (r.PAGE_FLAGS, frame, 0, WANTED))
        return self.on(thread, (r.LOCK_RELEASE, thread, "pq", self.fences, 10, 0), (r.SLEEP, thread, f"page.{frame}", "pq"))

    def wake(self, frame: int, owner: int, *threads: int) -> Stream:
        """vm_page_wakeup."""
        flashed: tuple[Record, ...] = ((r.PAGE_FLAGS, frame, WANTED, 0), (r.WAKEUP, f"page.{frame}", threads))
        self.acquire(owner, "pq").at("pq", (r.PAGE_UNBUSY, frame, owner), *flashed).release(owner, "pq")
        for thread in threads:
            self.on(thread, (r.WAKE, thread, f"page.{frame}", "wakeup"))
        return self

    # Mutations --------------------------------------------------------------------------------------------------------------

    def find(self, number: int, nth: int = 0, **fields: Any) -> tuple[int, int]:
        """(entry, record) position of the nth record of a kind whose fields have these values; ``actor`` is the receiver."""
        names = r.KINDS[number].fields
        actor = fields.pop("actor", None)
        for place, (head, _, records) in enumerate(self.entries):
            for index, record in enumerate(records):
                same = record[0] == number and all(record[1 + names.index(name)] == value for name, value in fields.items())
                if same and actor in (None, head[3]):
                    if nth == 0:
                        return place, index
                    nth -= 1
        raise AssertionError(f"no {r.KINDS[number].name} with {fields}")

    def drop(self, number: int, nth: int = 0, **fields: Any) -> Stream:
        """Forget one record."""
        place, index = self.find(number, nth, **fields)
        del self.entries[place][2][index]
        return self

    def change(self, number: int, nth: int = 0, to: Callable[[Any], Record] = lambda record: record, **fields: Any) -> Stream:
        """Change one record."""
        place, index = self.find(number, nth, **fields)
        self.entries[place][2][index] = to(self.entries[place][2][index])
        return self

    def move_before(self, number: int, other: int, **fields: Any) -> Stream:
        """Let the first record of a kind with these fields happen before the first of another kind."""
        place, index = self.find(number, **fields)
        record = self.entries[place][2].pop(index)
        before, _ = self.find(other)
        self.entries[before][2].insert(0, record)
        return self


def judge(stream: Stream, ended: str = "finished", names: tuple[str, ...] = ()) -> tuple[list[Violation], dict[str, tuple[int, int]]]:
    """All violations of a stream, in order, and how often each check was evaluated."""
    suite = Suite(names, MACHINE, {})
    found = suite.step(stream.entries)
    found += suite.finish(stream.now, ended)
    return found, suite.evaluated()


def speaks_first(stream: Stream, check: str, ended: str = "finished") -> Violation:
    """The first violation of ``check``; no other check has spoken at an earlier record."""
    found, _ = judge(stream, ended)
    mine = [violation for violation in found if violation.check == check]
    assert mine, f"{check} is silent; found {[(v.check, v.message) for v in found]}"
    earliest = min((v.key, v.index) for v in found)
    assert (mine[0].key, mine[0].index) == earliest, f"{found[0].check} speaks before {check}: {found[0].message}"
    return mine[0]


def unmapped() -> Stream:
    """A page that nobody maps any more."""
    return Stream().fault(0, 1, 0).unmap(0, 1, 100)


def story() -> Stream:
    """Everything at least once: faults, a shootdown, a page slept on, a contended lock, recursion, cache, free; and what is rare."""
    s = plain_story()
    rare(s)
    s.now += QUIET_NS
    return s.flush(0, pmap="")


def plain_story() -> Stream:
    """The life of a few pages."""
    s = Stream()
    s.fault(0, 1, 0).fault(0, 2, 1).fill(1, 1, 100)
    s.unmap(0, 1, 100, 1).free_page(0, 1, 0)
    s.enter(1).acquire(1, OBJECT).alloc(1, 3, 5).release(1, OBJECT).sleep_on(2, 3).wake(3, 1, 2).leave(1)
    s.acquire(1, OBJECT, "pq").queue(3, ACTIVE).release(1, "pq", OBJECT).to_cache(1, 3)
    s.acquire(0, "pq").acquire(0, "pq", depth=2).release(0, "pq", depth=1)
    s.wait(3, "pq", 0).release(0, "pq").acquire(3, "pq", wait_ns=40).release(3, "pq")
    return s.flush(0, pmap="")


def rare(s: Stream) -> None:
    """A page in transition, a send, a device's page, a page-table page, a map, an object that dies, and what routines say of themselves."""
    s.on(1, (r.ALLOC_COLOUR, 1, "", 33, 1), (r.PEEK, "v_free_count", 1), (r.ARRAY, 1, 3, FRAMES))
    s.on(1, (r.LOOP, 1, "scan", True, 9), (r.LOOP, 1, "scan", False, 4))
    s.at("pq", (r.PAGE_ACT, 3, 5, 9), (r.PAGE_FLAGS, 3, 0, 0x80), (r.PAGE_COUNTS, 0, 1, 1, 0)).at("fq", (r.FREE_COUNTS, 62, 1, 0))
    s.enter(0).acquire(0, OBJECT).alloc(0, 5, 7).at(OBJECT, (r.OBJECT_PIP, 0, 1))
    s.on(0, (r.TRANSITION, 0, 5, OBJECT, 7, True)).release(0, OBJECT).acquire(0, OBJECT).on(0, (r.TRANSITION, 0, 5, OBJECT, 7, False))
    s.at(OBJECT, (r.OBJECT_PIP, 1, 0), (r.OBJECT_TREE, 3, 3)).on(0, (r.BELIEF, 0, 5, OBJECT, 7)).acquire(0, "pq")
    s.at("pq", (r.PAGE_UNBUSY, 5, 0), (r.PAGE_COW, 5, 0, 1), (r.PAGE_WIRE, 5, 0, 1)).release(0, "pq", OBJECT).acquire(0, "pq")
    s.at("pq", (r.PAGE_COW, 5, 1, 0), (r.PAGE_WIRE, 5, 1, 0)).release(0, "pq").acquire(0, "pq").release(0, "pq").leave(0)
    s.take(2, 6).at("pq", (r.PAGE_BIND, 6, "", 0, 1, FICTITIOUS, 2, 0))
    s.take(2, TABLE).at("pq", (r.PAGE_BIND, TABLE, "", 0, 1, UNMANAGED, 2, ALLOC_NOBUSY)).at(PMAP, (r.PT_INSTALL, 1, 9, TABLE))
    s.take(2, 7).on(2, (r.FRAME_ZERO, 7, 2)).acquire(2, "fq").at("fq", (r.FREE_PUT, 7, True, s.free + 1)).release(2, "fq")
    s.free += 1
    s.at(MAP, (r.MAP_ADD, 100, 200, OTHER, 0, 3, 0), (r.MAP_CLIP, 100, 150), (r.MAP_PROTECT, 150, 200, 1), (r.MAP_OBJECT, 100, OTHER, 0, 0))
    s.at(MAP, (r.MAP_WIRE, 150, 200, True), (r.MAP_WIRE, 150, 200, False))
    s.on(0, (r.OBJECT_NEW, OTHER, 0, 100, 2, OBJECT, 3)).at(OBJECT, (r.OBJECT_SHADOWS, 0, 1))
    s.at(MAP, (r.MAP_REMOVE, 100, 150, OTHER, 0), (r.MAP_REMOVE, 150, 200, OTHER, 50)).at(OTHER, (r.OBJECT_REFS, 2, 0))
    s.at(OTHER, (r.OBJECT_FLAGS, 0, OBJ_DEAD), (r.OBJECT_TYPE, 0, OBJT_DEAD)).at(OBJECT, (r.OBJECT_SHADOWS, 1, 0))
    s.on(0, (r.OBJECT_NEW, THIRD, 0, 8, 1, "", 0)).at(MAP, (r.MAP_ADD, 300, 308, THIRD, 0, 3, 0))
    s.at(OBJECT, (r.OBJECT_IO, 7, 5, 0, 1)).sleep_on(2, 5).acquire(1, "pq").at(OBJECT, (r.OBJECT_IO, 7, 5, 1, 0))
    s.at("pq", (r.PAGE_FLAGS, 5, WANTED, 0), (r.WAKEUP, "page.5", (2,))).release(1, "pq")
    s.on(2, (r.WAKE, 2, "page.5", "wakeup")).acquire(3, "pq").release(3, "pq")


QUIET_NS = 50_000
"""So long after its last step a run is at rest."""
THIRD = "object.3.cpu.0"
