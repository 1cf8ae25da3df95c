"""Map churn: threads of one address space map, touch and unmap without pause.

Each munmap must invalidate on every CPU that runs the space, so shootdowns and the map lock are what is measured. All threads also read a
region they share, so that the others' TLBs hold entries of the space.
"""

from __future__ import annotations

from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent

SHARED_PAGES = 8


def build(builder: Builder, parameters: Parameters) -> None:
    """One process; its first thread maps the shared region and makes the others."""
    first = builder.task("churn", 0)
    builder.mmap(first, HEAP_VPN, SHARED_PAGES)
    threads = [first] + [builder.task("churn", index, first, "thread") for index in range(1, parameters["threads"])]
    for thread in threads:
        _churn(builder, parameters, thread)


def _churn(builder: Builder, parameters: Parameters, task: int) -> None:
    stream, pages = builder.stream(task), parameters["pages"]
    start = HEAP_VPN + 512 + task * (pages + 511 & ~511)
    for _ in range(parameters["rounds"]):
        builder.mmap(task, start, pages)
        for page in range(pages):
            builder.think(task, stream)
            builder.access(task, start + page, percent(stream, parameters["write_percent"]))
            builder.access(task, HEAP_VPN + stream.below(SHARED_PAGES), False)
        builder.munmap(task, start, pages)
    builder.exit(task)


GENERATOR = Generator(
    "map_churn",
    "mmap and munmap in one address space from many threads",
    (
        CPUS,
        THINK,
        WRITES,
        Parameter("threads", 4, 1, 1024, "threads of the one process"),
        Parameter("pages", 4, 1, 4096, "pages of each mapping"),
        Parameter("rounds", 32, 1, 100_000, "mappings each thread makes and removes"),
    ),
    build,
)
