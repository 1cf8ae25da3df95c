"""Entries as a small correct machine would make them: zero-fill faults, COW faults, munmaps with a remote CPU, on any number of CPUs.

Not the machine itself (that would couple these tests to every routine of the kernel), but the same kinds, names and sizes: about one
record per event, locks of the right classes, times of the right density. A linear congruential counter stands in for the spread of real
latencies.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.event import ORDINARY, SLICE_NS
from protocol.identity import FREE_QUEUES, PAGE_QUEUES, RENDEZVOUS
from protocol.locks import class_of
from protocol.messages.locks import EXCLUSIVE, SHARED, SPIN
from protocol.pages import ACTIVE, BUSY, CACHE, FREE, NONE, PTE_A, PTE_M, PTE_MANAGED, PTE_RW, PTE_U, PTE_V, VALID_ALL
from protocol.records import (
    ENTER,
    FAULT_DONE,
    FREE_PUT,
    FREE_TAKE,
    IPI_DELIVER,
    IPI_SEND,
    LEAVE,
    LOCK_ACQUIRE,
    LOCK_RELEASE,
    LOCK_WAIT,
    OBJECT_INSERT,
    OBJECT_PIP,
    OBJECT_REFS,
    OBJECT_VALID,
    PAGE_BIND,
    PAGE_DIRTY,
    PAGE_QUEUE,
    PAGE_RELEASE,
    PAGE_UNBUSY,
    PTE_CLEAR,
    PTE_SET,
    PV_ADD,
    PV_DEL,
    SHOOT_ACK,
    SHOOT_ARM,
    SHOOT_BEGIN,
    SHOOT_DONE,
    STORE,
    TASK_STEP,
    TLB_FILL,
    TLB_FLUSH,
    Entry,
    Record,
)

BITS = PTE_V | PTE_RW | PTE_U | PTE_A | PTE_M | PTE_MANAGED


class Script:
    """Builds entries; ``seqs`` counts each sender's events, so identities are unique and every cause exists (or is boot's)."""

    def __init__(self, cpus: int = 2, frames: int = 4096, start_ns: int = 1, wait_every: int = 9) -> None:
        self.cpus, self.frames, self.free = cpus, frames, frames
        self.entries: list[Entry] = []
        self.clock = [start_ns + 3 * n for n in range(cpus)]
        self.seqs: dict[str, int] = {}
        self.last: dict[str, tuple[str, int]] = {}
        self.fences: dict[str, int] = {}
        self.taken_at: dict[tuple[str, int], int] = {}
        self.resident: list[tuple[int, int]] = []
        self.steps = 0
        self.wait_every = wait_every
        self.noise = 12345

    def spread(self, bound: int) -> int:
        """A number in [0, bound) that looks irregular to a compressor."""
        self.noise = (self.noise * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self.noise >> 33) % bound

    def event(self, time: int, receiver: str, sender: str, word: str, *records: Record, cls: int = ORDINARY) -> None:
        """One entry; its cause is the last event its sender handled."""
        seq = self.seqs.get(sender, 0)
        self.seqs[sender] = seq + 1
        cause = self.last.get(sender, ("boot", 0))
        self.entries.append(((time, cls, 0, receiver, sender, seq, *cause), word, list(records)))
        self.last[receiver] = (sender, seq)

    def call(self, cpu: int, home: str, word: str, *records: Record) -> None:
        """A request to a home, and its reply."""
        name = f"cpu.{cpu}"
        self.clock[cpu] += 13 + self.spread(8)
        self.event(self.clock[cpu], home, name, word, *records)
        self.clock[cpu] += 17 + self.spread(8)
        self.event(self.clock[cpu], name, home, "reply")

    def post(self, cpu: int, home: str, word: str, *records: Record) -> None:
        """A write nobody waits for."""
        self.event(self.clock[cpu] + 15, home, f"cpu.{cpu}", word, *records)
        self.clock[cpu] += 1

    def lock(self, cpu: int, thread: int, lock: str, mode: int = EXCLUSIVE) -> None:
        """Acquire; every ``wait_every``-th one has to wait first."""
        name = f"cpu.{cpu}"
        self.steps += 1
        wait = 35 + self.spread(8)
        self.clock[cpu] += 15
        self.event(self.clock[cpu], lock, name, "lock-request")
        if self.steps % self.wait_every == 0 and not class_of(lock).spin:
            self.event(self.clock[cpu] + 15, name, lock, "lock-wait", (LOCK_WAIT, thread, lock, 100 + thread))
            wait += 500 + self.spread(900)
        self.clock[cpu] += wait
        fence = self.fences[lock] = self.fences.get(lock, 0) + 1
        self.taken_at[lock, cpu] = self.clock[cpu]
        self.event(self.clock[cpu], name, lock, "lock-grant", (LOCK_ACQUIRE, thread, lock, mode, fence, wait if wait > 60 else 0, 1))

    def unlock(self, cpu: int, thread: int, lock: str) -> None:
        """Release: the record stands in the CPU's entry of that moment."""
        hold = self.clock[cpu] - self.taken_at[lock, cpu]
        self.add(cpu, (LOCK_RELEASE, thread, lock, self.fences[lock], hold, 0))
        self.post(cpu, lock, "unlock")

    def add(self, cpu: int, *records: Record) -> None:
        """More records in the CPU's last entry."""
        name = f"cpu.{cpu}"
        for entry in reversed(self.entries):
            if entry[0][3] == name:
                entry[2].extend(records)
                return
        raise AssertionError(f"{name} has handled nothing yet")

    def fault(self, cpu: int, vpn: int, hard: bool = False, cow: bool = False) -> int:
        """A zero-fill fault (or, in the last record's words, a hard or COW one); returns its frame."""
        name, thread, frame = f"cpu.{cpu}", 10 + cpu, self.spread(self.frames)
        obj, space, pmap = f"object.{1 + vpn % 7}.{name}", f"map.1.{name}", f"pmap.1.{name}"
        self.clock[cpu] += 200 + self.spread(300)
        self.event(self.clock[cpu], name, name, "timer", (TASK_STEP, cpu, vpn, "access", 0), (ENTER, thread, "vm_fault", (vpn, 2), ()))
        self.lock(cpu, thread, space, SHARED)
        self.call(cpu, space, "map.find")
        self.lock(cpu, thread, obj)
        self.post(cpu, obj, "object.enter", (OBJECT_REFS, 1, 2), (OBJECT_PIP, 0, 1))
        self.call(cpu, obj, "object.lookup")
        self.lock(cpu, thread, FREE_QUEUES, SPIN)
        self.free -= 1
        self.call(cpu, FREE_QUEUES, "free.take", (FREE_TAKE, frame, frame % 32, 0, False, self.free))
        self.unlock(cpu, thread, FREE_QUEUES)
        self.post(cpu, obj, "object.insert", (OBJECT_INSERT, vpn & 511, frame))
        self.call(cpu, PAGE_QUEUES, "page.bind", (PAGE_BIND, frame, obj, vpn & 511, 0, BUSY, thread, 0))
        self.clock[cpu] += 350
        self.event(self.clock[cpu], name, name, "timer")
        self.post(cpu, obj, "object.valid", (OBJECT_VALID, vpn & 511, frame, 0, VALID_ALL))
        self.lock(cpu, thread, PAGE_QUEUES)
        self.post(cpu, PAGE_QUEUES, "page.writeable", (PAGE_DIRTY, frame, 0, VALID_ALL))
        self.unlock(cpu, thread, PAGE_QUEUES)
        self.unlock(cpu, thread, obj)
        self.lock(cpu, thread, PAGE_QUEUES)
        self.lock(cpu, thread, pmap)
        self.call(cpu, pmap, "pmap.need")
        self.call(cpu, pmap, "pmap.swap", (PTE_SET, vpn, frame, BITS, -1, 0))
        self.call(cpu, PAGE_QUEUES, "page.pv-add", (PV_ADD, frame, pmap, vpn))
        self.unlock(cpu, thread, pmap)
        self.unlock(cpu, thread, PAGE_QUEUES)
        self.lock(cpu, thread, obj)
        self.lock(cpu, thread, PAGE_QUEUES)
        self.post(cpu, PAGE_QUEUES, "page.finish", (PAGE_QUEUE, frame, NONE, ACTIVE), (PAGE_UNBUSY, frame, thread))
        self.unlock(cpu, thread, PAGE_QUEUES)
        self.post(cpu, obj, "object.enter", (OBJECT_PIP, 1, 0), (OBJECT_REFS, 2, 1))
        self.unlock(cpu, thread, obj)
        self.unlock(cpu, thread, space)
        self.call(cpu, pmap, "pmap.walk")
        how = "hard" if hard else "cow" if cow else "zero-fill"
        self.add(cpu, (LEAVE, thread, "vm_fault", "ok", ()), (FAULT_DONE, thread, vpn, how, hard, cow))
        self.add(cpu, (TLB_FILL, pmap, vpn, frame, BITS), (STORE, thread, pmap, vpn, frame))
        self.resident.append((vpn, frame))
        return frame

    def munmap(self, cpu: int, remote: int, vpn: int, frame: int) -> None:
        """One page unmapped, with a shootdown of one remote CPU; the page is freed."""
        name, thread, other = f"cpu.{cpu}", 10 + cpu, f"cpu.{remote}"
        obj, space, pmap = f"object.{1 + vpn % 7}.{name}", f"map.1.{name}", f"pmap.1.{name}"
        self.lock(cpu, thread, space)
        self.call(cpu, space, "map.cut")
        self.lock(cpu, thread, PAGE_QUEUES)
        self.lock(cpu, thread, pmap)
        self.call(cpu, pmap, "pmap.clear", (PTE_CLEAR, vpn, frame, BITS))
        self.call(cpu, PAGE_QUEUES, "page.pv-del", (PV_DEL, frame, pmap, vpn, True, True))
        self.lock(cpu, thread, RENDEZVOUS, SPIN)
        self.add(cpu, (SHOOT_BEGIN, thread, pmap, vpn, vpn + 1, (remote,)), (IPI_SEND, 1, other, pmap, vpn, vpn + 1))
        self.post(cpu, RENDEZVOUS, "ipi-arm", (SHOOT_ARM, 1))
        at = self.clock[cpu]
        flush = (TLB_FLUSH, pmap, vpn, vpn + 1, "ipi")
        self.event(at + 90, other, name, "ipi", (IPI_DELIVER, 1, name), flush, cls=0)
        self.event(at + 340, RENDEZVOUS, other, "ipi-ack", (SHOOT_ACK, remote, 0))
        self.clock[cpu] = at + 360
        self.event(self.clock[cpu], name, RENDEZVOUS, "ipi-done", (SHOOT_DONE, thread, pmap, vpn, vpn + 1, (remote,), 360))
        self.add(cpu, (TLB_FLUSH, pmap, vpn, vpn + 1, "local"))
        self.unlock(cpu, thread, RENDEZVOUS)
        self.unlock(cpu, thread, pmap)
        self.unlock(cpu, thread, PAGE_QUEUES)
        self.unlock(cpu, thread, space)
        self.release(cpu, obj, vpn & 511, frame, ACTIVE)

    def release(self, cpu: int, obj: str, pindex: int, frame: int, queue: int = CACHE) -> None:
        """vm_page_free of a page."""
        self.call(cpu, PAGE_QUEUES, "page.free", (PAGE_QUEUE, frame, queue, NONE), (PAGE_RELEASE, frame, obj, pindex, FREE))
        self.free += 1
        self.call(cpu, FREE_QUEUES, "free.put", (FREE_PUT, frame, False, self.free))

    def sorted(self) -> list[Entry]:
        """All entries in key order."""
        return sorted(self.entries, key=lambda entry: entry[0])


def machine_entries(faults: int = 40, cpus: int = 2, think_ns: int = 0) -> list[Entry]:
    """The entries of ``faults`` faults spread over the CPUs, one in five of them followed by a munmap of what was faulted.

    ``think_ns`` between two faults of a CPU spreads few entries over many slices.
    """
    script = Script(cpus=cpus)
    for number in range(faults):
        cpu = number % cpus
        vpn = 0x7F3A0 + number // cpus
        script.clock[cpu] += think_ns
        frame = script.fault(cpu, vpn)
        if number % 5 == 4 and cpus > 1:
            script.munmap(cpu, (cpu + 1) % cpus, vpn, frame)
    return script.sorted()


def slices(entries: list[Entry]) -> Iterator[tuple[int, list[Entry]]]:
    """The entries slice by slice, as a worker closes them."""
    index, batch = -1, list[Entry]()
    for entry in entries:
        here = entry[0][0] // SLICE_NS
        if here != index and batch:
            yield index, batch
            batch = []
        index = here
        batch.append(entry)
    if batch:
        yield index, batch
