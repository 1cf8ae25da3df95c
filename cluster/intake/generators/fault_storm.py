"""Fault storm: every task touches fresh anonymous memory as fast as it can, unmaps it and begins again.

Zero-fill faults and frees only, so what is measured is the allocator: page queues, free lists and their locks.
"""

from __future__ import annotations

from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent, shuffled


def build(builder: Builder, parameters: Parameters) -> None:
    """Tasks in one address space, of which the first makes the others before it storms itself, or each in its own."""
    for index in range(parameters["tasks"]):
        parent = 0 if parameters["threads"] and index else -1
        builder.task("storm", index, parent, "thread")
    for task in range(parameters["tasks"]):
        _storm(builder, parameters, task)


def _storm(builder: Builder, parameters: Parameters, task: int) -> None:
    stream, pages = builder.stream(task), parameters["pages"]
    # Regions lie 2 MB apart, so that tasks of one space share page tables above the last level only.
    start = HEAP_VPN + task * (pages + 511 & ~511)
    for _ in range(parameters["rounds"]):
        builder.mmap(task, start, pages)
        for page in shuffled(stream, pages):
            builder.think(task, stream)
            builder.access(task, start + page, percent(stream, parameters["write_percent"]))
        builder.munmap(task, start, pages)
    builder.exit(task)


GENERATOR = Generator(
    "fault_storm",
    "zero-fill faults on fresh memory from many tasks at once",
    (
        CPUS,
        THINK,
        WRITES,
        Parameter("tasks", 4, 1, 1024, "tasks"),
        Parameter("threads", 0, 0, 1, "1: all tasks are threads of one address space; 0: each has its own"),
        Parameter("pages", 64, 1, 65536, "pages a task maps and touches, each once, in a drawn order"),
        Parameter("rounds", 4, 1, 100_000, "how often it does so"),
    ),
    build,
)
