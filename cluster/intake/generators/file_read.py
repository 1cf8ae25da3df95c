"""File read: tasks map one file and read it, some of its pages not in the page cache.

A cold page is read once, by whoever comes first, while the others find it busy and sleep: the slow pager, busy pages and their waiters.
Which pages are cold is drawn per page, not per access, so that it does not depend on who comes first.
"""

from __future__ import annotations

from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent


def build(builder: Builder, parameters: Parameters) -> None:
    """Every task reads the whole file from a drawn page on, round and round."""
    pages = parameters["pages"]
    file = builder.file("file", pages, warm=True)
    stream = builder.stream(-1)
    cold = [percent(stream, parameters["cold_percent"]) for _ in range(pages)]
    for index in range(parameters["tasks"]):
        task = builder.task("reader", index)
        builder.mmap(task, HEAP_VPN, pages, file, shared=bool(parameters["shared"]))
        _read(builder, parameters, task, cold)
        builder.exit(task)


def _read(builder: Builder, parameters: Parameters, task: int, cold: list[bool]) -> None:
    stream, pages = builder.stream(task), parameters["pages"]
    page = stream.below(pages) if parameters["scattered"] else 0
    for _ in range(parameters["reads"]):
        builder.think(task, stream)
        builder.access(task, HEAP_VPN + page, percent(stream, parameters["write_percent"]), cold[page])
        page = stream.below(pages) if parameters["scattered"] else (page + 1) % pages


GENERATOR = Generator(
    "file_read",
    "reads of a mapped file through a slow pager",
    (
        CPUS,
        THINK,
        WRITES._replace(default=0),
        Parameter("tasks", 4, 1, 1024, "readers, each in an address space of its own"),
        Parameter("pages", 128, 1, 1_000_000, "pages of the file"),
        Parameter("reads", 128, 1, 1_000_000, "accesses of each reader"),
        Parameter("cold_percent", 50, 0, 100, "share of pages that are not in the page cache"),
        Parameter("scattered", 0, 0, 1, "1: pages in a drawn order; 0: one after the other"),
        Parameter("shared", 0, 0, 1, "1: a shared mapping; 0: a private one, whose stores copy"),
    ),
    build,
)
