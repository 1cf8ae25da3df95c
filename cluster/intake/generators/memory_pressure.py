"""Memory pressure: working sets that together exceed memory, touched again and again.

Recordings hold only first touches, so nothing brings an evicted page back; here every access after the first round may find its page gone.
Most accesses go to a hot part of the working set, so that the page daemon's reference bits mean something.
"""

from __future__ import annotations

from cluster.engine.streams import KeyedStream
from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent, shuffled


def build(builder: Builder, parameters: Parameters) -> None:
    """Every task fills its working set, then touches it at random."""
    for index in range(parameters["tasks"]):
        task, pages = builder.task("worker", index), parameters["pages"]
        stream = builder.stream(task)
        builder.mmap(task, HEAP_VPN, pages)
        for page in shuffled(stream, pages):
            builder.think(task, stream)
            builder.access(task, HEAP_VPN + page, True)
        for _ in range(parameters["touches"]):
            builder.think(task, stream)
            builder.access(task, HEAP_VPN + _page(parameters, stream), percent(stream, parameters["write_percent"]))
        builder.exit(task)


def _page(parameters: Parameters, stream: KeyedStream) -> int:
    pages = parameters["pages"]
    hot = max(1, pages * parameters["hot_percent"] // 100)
    return stream.below(hot) if percent(stream, parameters["hot_touch_percent"]) else stream.below(pages)


GENERATOR = Generator(
    "memory_pressure",
    "working sets larger than memory, touched again",
    (
        CPUS,
        THINK,
        WRITES._replace(default=40),
        Parameter("tasks", 4, 1, 1024, "tasks, each in an address space of its own"),
        Parameter("pages", 512, 1, 1_000_000, "pages of each task's working set; choose more in all than machine.frames"),
        Parameter("touches", 1024, 0, 1_000_000, "accesses of each task after its set is filled"),
        Parameter("hot_percent", 20, 1, 100, "share of the set that is hot"),
        Parameter("hot_touch_percent", 80, 0, 100, "share of accesses that go there"),
    ),
    build,
)
