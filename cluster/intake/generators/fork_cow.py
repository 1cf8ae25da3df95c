"""Fork and copy on write: a parent fills memory, forks, and both sides store into what they share.

The parent's memory is write-protected at each fork; each first store by either side is a copy-on-write fault, and those of the parent shoot
down what its other threads hold. A child's exit gives references up: what only one object still shadows is collapsed into that one, and
after the last child's exit the parent's chain is one object again.
"""

from __future__ import annotations

from cluster.engine.streams import KeyedStream
from cluster.intake.generators.base import CPUS, HEAP_VPN, THINK, WRITES, Builder, Generator, Parameter, Parameters, percent


def build(builder: Builder, parameters: Parameters) -> None:
    """One parent after the other, each with its children."""
    for index in range(parameters["parents"]):
        _family(builder, parameters, index)


def _family(builder: Builder, parameters: Parameters, index: int) -> None:
    parent = builder.task("parent", index)
    pages = parameters["pages"]
    builder.mmap(parent, HEAP_VPN, pages)
    stream = builder.stream(parent)
    for page in range(pages):
        builder.think(parent, stream)
        builder.access(parent, HEAP_VPN + page, True)
    for number in range(parameters["children"]):
        child = builder.task("child", index + number + 1, parent, "fork")
        _touch(builder, parameters, child, builder.stream(child))
        builder.exit(child)
        _touch(builder, parameters, parent, stream)
    builder.exit(parent)


def _touch(builder: Builder, parameters: Parameters, task: int, stream: KeyedStream) -> None:
    for _ in range(parameters["touches"]):
        builder.think(task, stream)
        builder.access(task, HEAP_VPN + stream.below(parameters["pages"]), percent(stream, parameters["write_percent"]))


GENERATOR = Generator(
    "fork_cow",
    "forks, and stores of both sides into the memory they share",
    (
        CPUS,
        THINK,
        WRITES._replace(default=75),
        Parameter("parents", 1, 1, 256, "processes that fork"),
        Parameter("children", 4, 1, 1024, "children of each, one after the other; several may live at once"),
        Parameter("pages", 64, 1, 65536, "pages the parent fills before it forks"),
        Parameter("touches", 48, 0, 1_000_000, "accesses of either side after each fork, to drawn pages"),
    ),
    build,
)
