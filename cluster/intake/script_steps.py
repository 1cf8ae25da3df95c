"""One step of a script: the word after ``do`` decides which keys it takes.

Addresses are given as page numbers (``vpn``) or byte addresses (``va``), lengths in ``pages``, as in the compiled form. Every word of the
form can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cluster.intake.perf_lines import PAGE_SHIFT, USER_PAGES
from cluster.intake.script_kernel import file_number, kernel_step
from cluster.intake.tables import Table
from protocol.workload import (
    ADVICE,
    EXPECTATIONS,
    HOW,
    Access,
    AnyStep,
    Brk,
    Exec,
    Exit,
    File,
    Fork,
    Madvise,
    Mmap,
    Mprotect,
    Mremap,
    Munmap,
    Think,
)

RIGHTS = {letter: bit for bit, letter in zip((1, 2, 4), "rwx")}


class Names:
    """What a step may refer to: tasks by name, and files."""

    def __init__(self, tasks: Mapping[str, int], files: Sequence[File]) -> None:
        self.tasks, self.files = tasks, files


Make = Callable[[Table, Names], AnyStep]


def make_step(table: Table, names: Names) -> AnyStep:
    """The step of a table, with ``cpu``, ``at_ns``, ``delay_ns`` and ``expect``; ``name`` and ``when`` are the script's. Raises
    InputError."""
    word = table.text("do", allowed=list(WORDS))
    step = WORDS[word](table, names)
    step.at_ns = table.nanoseconds("at_ns", 0)
    step.delay_ns = table.nanoseconds("delay_ns", 0)
    step.cpu = table.integer("cpu", -1, low=-1, high=4095)
    if isinstance(step, Access) and table.has("expect"):
        step.expect = table.text("expect", allowed=EXPECTATIONS)
    return step


def _page(table: Table, prefix: str = "") -> int:
    """A page number, from ``vpn`` or ``va``."""
    if table.has(prefix + "va"):
        return table.integer(prefix + "va", high=(USER_PAGES << PAGE_SHIFT) - 1) >> PAGE_SHIFT
    return table.integer(prefix + "vpn", high=USER_PAGES - 1)


def _range(table: Table, prefix: str = "") -> tuple[int, int]:
    start = _page(table, prefix)
    return start, start + table.integer(prefix + "pages", 1, low=1, high=USER_PAGES - start)


def _prot(table: Table, default: str = "rw") -> int:
    """Rights: letters of "rwx", or PROT_* bits."""
    value = table.take("prot", default)
    if isinstance(value, str) and all(letter in RIGHTS for letter in value):
        return sum(bit for letter, bit in RIGHTS.items() if letter in value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 7:
        return value
    raise table.error("prot", value, 'letters of "rwx", or 0 to 7')


def _file(table: Table, names: Names) -> int:
    name = table.text("file", "")
    return file_number(table, "file", name, names.files) if name else -1


def _access(table: Table, names: Names) -> AnyStep:
    return Access(
        vpn=_page(table),
        write=table.boolean("write", False),
        fetch=table.boolean("fetch", False),
        present=table.boolean("present", False),
        cold=table.boolean("cold", False),
    )


def _mmap(table: Table, names: Names) -> AnyStep:
    start, end = _range(table)
    return Mmap(
        start=start,
        end=end,
        prot=_prot(table),
        file=_file(table, names),
        offset=table.integer("offset", 0, high=USER_PAGES),
        shared=table.boolean("shared", False),
        populate=table.boolean("populate", False),
        stack=table.boolean("stack", False),
    )


def _munmap(table: Table, names: Names) -> AnyStep:
    start, end = _range(table)
    return Munmap(start=start, end=end)


def _mprotect(table: Table, names: Names) -> AnyStep:
    start, end = _range(table)
    return Mprotect(start=start, end=end, prot=_prot(table, "r"))


def _madvise(table: Table, names: Names) -> AnyStep:
    start, end = _range(table)
    return Madvise(start=start, end=end, advice=table.text("advice", allowed=ADVICE))


def _brk(table: Table, names: Names) -> AnyStep:
    return Brk(old_end=table.integer("old_end", high=USER_PAGES), new_end=table.integer("new_end", high=USER_PAGES))


def _mremap(table: Table, names: Names) -> AnyStep:
    (start, end), (new_start, new_end) = _range(table), _range(table, "new_")
    return Mremap(start=start, end=end, new_start=new_start, new_end=new_end)


def _fork(table: Table, names: Names) -> AnyStep:
    child = table.text("child")
    if child not in names.tasks:
        raise table.error("child", child, list(names.tasks))
    return Fork(child=names.tasks[child], how=table.text("how", "fork", allowed=HOW))


def _exec(table: Table, names: Names) -> AnyStep:
    rows = []
    for row in table.tables("mappings"):
        start, end = _range(row)
        file, offset = _file(row, names), row.integer("offset", 0, high=USER_PAGES)
        rows.append((start, end, _prot(row), file, offset, row.boolean("stack", False)))
        row.finish()
    for one, other in zip(sorted(rows), sorted(rows)[1:]):
        if other[0] < one[1]:
            raise table.error("mappings", f"page {other[0]} twice", "mappings that do not overlap")
    return Exec(mappings=tuple(sorted(rows)))


def _exit(table: Table, names: Names) -> AnyStep:
    return Exit()


def _think(table: Table, names: Names) -> AnyStep:
    return Think(for_ns=table.nanoseconds("for_ns"))


def _kernel(table: Table, names: Names) -> AnyStep:
    return kernel_step(table, names.files)


WORDS: dict[str, Make] = {
    "access": _access,
    "mmap": _mmap,
    "munmap": _munmap,
    "mprotect": _mprotect,
    "madvise": _madvise,
    "brk": _brk,
    "mremap": _mremap,
    "fork": _fork,
    "exec": _exec,
    "exit": _exit,
    "think": _think,
    "kernel": _kernel,
}
"""What may stand after ``do``."""
