"""Everything at once: processes with threads that touch, map, fork and send, a file truncated, read and cached under them, a driver.

What a machine short of memory does to itself in an hour, drawn at random into a few thousand steps: the workload in which a protocol's gaps
are met without a script that knows them. Every action is one that a correct kernel survives; the weights say how often each is drawn.
Pages of the shared file belong to one thread each as far as I/O goes (its number modulo the threads), since whoever begins an I/O ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cluster.engine.streams import KeyedStream
from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent
from protocol.workload import Hold, Kernel, Madvise, Think

FILE_VPN = HEAP_VPN + 0x4000
SCRATCH_VPN = HEAP_VPN + 0x8000
"""Where a thread's own short-lived mappings begin, SCRATCH_PAGES apart."""
SCRATCH_PAGES, SCRATCH_STRIDE = 6, 0x400
DEVICE_VPN, DEVICE_PHYS, DEVICE_PAGES = HEAP_VPN + 0x30000, 1 << 24, 4
"""Where devices' memory is mapped, and where it is: beyond all RAM, no two mappings on the same."""
DEVICE_STRIDE = 1 << 24
"""More steps than a thread can have: each mapping of a device is of memory of its own."""
HOLD_NS, SEND_NS, DRIVE_NS, BURST_NS, IO_NS = 20_000, 60_000, 20_000, 50_000, 100_000
"""Mean times for which an object's lock is held by a thread that works under it, for which a network card has a page, between two
stretches of contiguous memory that a driver asks for, for which interrupts have the last free pages, and for which a disk has a page."""


@dataclass(frozen=True)
class Worker:
    """A thread: its task, its number among all threads, and what it draws from."""

    builder: Builder
    parameters: Parameters
    task: int
    number: int
    file: int
    stream: KeyedStream

    def below(self, name: str) -> int:
        """A draw below a parameter."""
        return self.stream.below(self.parameters[name])

    def kernel(self, routine: str, *arguments: int | bool, holds: tuple[Hold, ...] = ()) -> None:
        """A step inside the kernel."""
        self.builder.add(self.task, Kernel(routine=routine, arguments=arguments, holds=holds))

    def own_page(self) -> int:
        """A page of the file whose I/O is this thread's."""
        threads = self.parameters["processes"] * self.parameters["threads"] + self.parameters["syncers"]
        return (self.number + threads * self.stream.below(1 + self.parameters["file_pages"] // threads)) % self.parameters["file_pages"]


def build(builder: Builder, parameters: Parameters) -> None:
    """The driver, and every process with its threads."""
    file = builder.file("shared", parameters["file_pages"] + 1, warm=False)
    if parameters["drives"]:
        _driver(builder, parameters, builder.task("driver", 0))
    for process in range(parameters["processes"]):
        first = builder.task("worker", process)
        builder.mmap(first, HEAP_VPN, parameters["heap_pages"])
        builder.mmap(first, FILE_VPN, parameters["file_pages"], file, shared=True)
        tasks = [first] + [builder.task("worker", process + n, first, "thread") for n in range(1, parameters["threads"])]
        for number, task in enumerate(tasks):
            _work(
                Worker(builder, parameters, task, process * parameters["threads"] + number, file, builder.stream(task)),
                ACTIONS,
                parameters["steps"],
            )
    for number in range(parameters["syncers"]):
        task = builder.task("syncer", parameters["processes"] + parameters["threads"] + number - 1)
        first = parameters["processes"] * parameters["threads"]
        _work(Worker(builder, parameters, task, first + number, file, builder.stream(task)), FILE_ACTIONS, parameters["syncs"])


def _driver(builder: Builder, parameters: Parameters, task: int) -> None:
    """Contiguous memory, taken and given back now and then while the workers work; half of the time the driver can wait for laundering."""
    stream = builder.stream(task)
    for _ in range(parameters["drives"]):
        if parameters["think_ns"]:
            builder.add(task, Think(for_ns=stream.exponential_ns(DRIVE_NS) + 1))
        pages = 1 + stream.below(parameters["drive_pages"])
        builder.add(task, Kernel(routine="contig_alloc", arguments=(pages, 1, 0, 1, 0, percent(stream, 50))))
        builder.think(task, stream)
        builder.add(task, Kernel(routine="contig_free", arguments=(0,)))
    builder.exit(task)


def _work(worker: Worker, names: Collection[str], steps: int) -> None:
    builder, weights = worker.builder, [worker.parameters[name] for name in names]
    for _ in range(steps):
        builder.think(worker.task, worker.stream)
        drawn = worker.stream.below(sum(weights))
        for name, weight in zip(names, weights):
            drawn -= weight
            if drawn < 0:
                ACTIONS[name](worker)
                break
    builder.exit(worker.task)


def _touch(worker: Worker) -> None:
    write = percent(worker.stream, worker.parameters["write_percent"])
    worker.builder.access(worker.task, HEAP_VPN + worker.below("heap_pages"), write)


def _touch_file(worker: Worker) -> None:
    write = percent(worker.stream, worker.parameters["write_percent"])
    worker.builder.access(worker.task, FILE_VPN + worker.below("file_pages"), write)


def _map(worker: Worker) -> None:
    """A mapping of the thread's own, touched and removed."""
    builder, start = worker.builder, SCRATCH_VPN + worker.number * SCRATCH_STRIDE
    pages = 1 + worker.stream.below(SCRATCH_PAGES)
    builder.mmap(worker.task, start, pages)
    for page in range(pages):
        builder.access(worker.task, start + page, True)
    builder.munmap(worker.task, start, pages)


def _io(worker: Worker) -> None:
    """I/O between a disk and a page of what a thread of the process has mapped, which may be about to remove it."""
    first = worker.number - worker.number % worker.parameters["threads"]
    vpn = SCRATCH_VPN + (first + worker.below("threads")) * SCRATCH_STRIDE + worker.stream.below(SCRATCH_PAGES)
    worker.kernel("space_page_io", vpn, holds=(Hold("space_page_io.busy", for_ns=worker.stream.exponential_ns(IO_NS) + 1),))


def _device(worker: Worker) -> None:
    """A device's memory mapped, locked, touched, and removed again."""
    builder, place = worker.builder, worker.number * DEVICE_STRIDE + len(worker.builder.tasks[worker.task].steps)
    start, pages = DEVICE_VPN + worker.number * SCRATCH_STRIDE, 1 + worker.stream.below(DEVICE_PAGES)
    worker.kernel("device_mmap", start, DEVICE_PHYS + place * DEVICE_PAGES, pages)
    worker.kernel("mlock", start, pages)
    builder.access(worker.task, start + worker.stream.below(pages), True)
    worker.kernel("munlock", start, pages)
    builder.munmap(worker.task, start, pages)


def _drop(worker: Worker) -> None:
    """MADV_DONTNEED on a part of the heap, whose pages go, or of the file, of which the mappings go; other threads use both."""
    first, pages = (FILE_VPN, "file_pages") if percent(worker.stream, 50) else (HEAP_VPN, "heap_pages")
    start = worker.below(pages)
    end = min(worker.parameters[pages], start + 1 + worker.stream.below(4))
    worker.builder.add(worker.task, Madvise(start=first + start, end=first + end, advice="drop"))


def _fork(worker: Worker) -> None:
    """A child that touches some of what it shares, and exits."""
    builder, parameters = worker.builder, worker.parameters
    child = builder.task("child", worker.number + 1, worker.task, "fork")
    stream = builder.stream(child)
    for _ in range(parameters["child_touches"]):
        builder.think(child, stream)
        start, pages = (FILE_VPN, "file_pages") if percent(stream, 25) else (HEAP_VPN, "heap_pages")
        builder.access(child, start + stream.below(parameters[pages]), percent(stream, parameters["write_percent"]))
    builder.exit(child)


def _truncate(worker: Worker) -> None:
    """The file gets shorter by a page, and longer again."""
    worker.kernel("file_truncate", worker.file, worker.below("file_pages"))


def _read(worker: Worker) -> None:
    """I/O into a page: busy from its beginning to its end; the I/O fails now and then, and the page goes."""
    page, fails = worker.own_page(), percent(worker.stream, 20)
    worker.kernel("page_grab", worker.file, page, False, False)
    worker.builder.think(worker.task, worker.stream)
    worker.kernel("page_io_done", worker.file, page, fails)


def _wait(worker: Worker) -> None:
    """Somebody needs a page not to be busy."""
    worker.kernel("page_wait", worker.file, worker.below("file_pages"))


def _cache(worker: Worker) -> None:
    """The buffer cache gives a page up."""
    routine = "page_try_to_cache" if percent(worker.stream, 70) else "page_try_to_free"
    worker.kernel(routine, worker.file, worker.below("file_pages"))


def _hold(worker: Worker) -> None:
    """A file system works for a while with the file's object locked."""
    for_ns = worker.stream.exponential_ns(HOLD_NS) + 1
    worker.kernel("object_hold", worker.file, holds=(Hold("object_hold.locked", for_ns=for_ns),))


def _send(worker: Worker) -> None:
    """A zero-copy send of a page of the heap, which is stored into before the network card has it out."""
    vpn = HEAP_VPN + worker.below("heap_pages")
    worker.builder.access(worker.task, vpn, True)
    worker.kernel("zero_copy_send", vpn, worker.stream.exponential_ns(SEND_NS) + 1)
    worker.builder.access(worker.task, vpn, True)


def _burst(worker: Worker) -> None:
    """A burst of packets: for a while interrupts have more memory than threads may have, and give it back."""
    worker.kernel("memory_short", -1 - worker.stream.below(3), worker.stream.exponential_ns(BURST_NS) + 1)


ACTIONS: dict[str, Callable[[Worker], None]] = {
    "touches": _touch, "file_touches": _touch_file, "maps": _map, "drops": _drop, "forks": _fork, "truncates": _truncate, "reads": _read,
    "waits": _wait, "caches": _cache, "holds": _hold, "sends": _send, "devices": _device, "bursts": _burst, "ios": _io,
}  # fmt: skip
"""Parameter that is an action's weight to the action."""
FILE_ACTIONS = ("truncates", "reads", "waits", "caches", "holds")
"""What a thread of the file system does, which has no memory of its own."""


def _weight(name: str, default: int, meaning: str) -> Parameter:
    return Parameter(name, default, 0, 1000, f"weight: {meaning}")


GENERATOR = Generator(
    "kernel_mix",
    "user and kernel work of every kind on too little memory",
    (
        CPUS,
        THINK,
        WRITES,
        Parameter("processes", 2, 1, 64, "processes"),
        Parameter("threads", 2, 1, 64, "threads of each"),
        Parameter("steps", 60, 1, 1_000_000, "actions of each thread of a process"),
        Parameter("heap_pages", 24, 1, 4096, "pages of each process's heap"),
        Parameter("file_pages", 12, 1, 4096, "pages of the file that all map"),
        Parameter("child_touches", 8, 0, 100_000, "accesses of each forked child"),
        Parameter("syncers", 1, 0, 64, "threads of the file system, which truncate, read and cache pages of the file"),
        Parameter("syncs", 60, 0, 1_000_000, "actions of each of these"),
        Parameter("drives", 12, 0, 100_000, "contiguous stretches of memory that a driver takes and gives back"),
        Parameter("drive_pages", 4, 1, 256, "greatest length of such a stretch, in pages"),
        Parameter("touches", 30, 1, 1000, "weight: accesses to the heap"),
        _weight("file_touches", 20, "accesses to the file"),
        _weight("maps", 8, "mappings made, touched and removed"),
        _weight("drops", 6, "madvise that drops a part of the heap or of the file"),
        _weight("forks", 4, "forks"),
        _weight("truncates", 8, "truncations of the file"),
        _weight("reads", 8, "I/O into a page of the file"),
        _weight("waits", 6, "waits for a busy page"),
        _weight("caches", 8, "pages given up to the cache queue or freed if clean"),
        _weight("holds", 4, "work with the file's object locked"),
        _weight("sends", 6, "zero-copy sends"),
        _weight("devices", 3, "mappings of a device's memory, made, locked in memory, touched and removed"),
        _weight("bursts", 5, "bursts of packets, whose interrupts take the last free pages for a while"),
        _weight("ios", 0, "I/O into a page of what a thread of the process has mapped for a while"),
    ),
    build,
)
