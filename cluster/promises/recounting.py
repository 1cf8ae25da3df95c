"""What a recording's text says happened, counted without the compiler's help.

The compiler knows tasks, spaces and times; this knows lines. That the two agree is worth something because they share nothing but the rules
of the format (``configs/recordings/README.md``): a mistake would have to be made twice.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_HEAD = re.compile(r"^\s*(?P<comm>.*?)\s+(?P<pid>\d+)/(?P<tid>\d+)\s+\[\d+\]\s+\d+\.\d+:\s+(?P<event>\S+):\s+(?P<rest>.*)$")
_MMAP_FAILED = range(0xFFFFFFFFFFFFF001, 0x10000000000000000)
_ENDS = ("sched:sched_process_exec", "sched:sched_process_exit")
PRESENT, WRITE = 1, 2
"""Bits of a page fault's error code."""
VM, VFORK, THREAD = 0x100, 0x4000, 0x10000
"""Flags of clone."""


class Line(NamedTuple):
    """One line of an event; ``number`` counts from 1."""

    number: int
    comm: str
    pid: int
    tid: int
    event: str
    rest: str


class Recounted(NamedTuple):
    """What happened, by the text alone. ``present_writes``: (line, comm) of write faults on present pages."""

    lines: int
    faults: int
    forks: int
    vforks: int
    threads: int
    execs: int
    exits: int
    mmaps: int
    present_writes: list[tuple[int, str]]

    def counts(self) -> dict[str, int]:
        """The counts by the names of the workload's account."""
        return {name: value for name, value in self._asdict().items() if isinstance(value, int)}


def recount(path: Path, lines_max: int = 0) -> Recounted:
    """Count ``path`` (xz), or its first ``lines_max`` lines."""
    texts = lzma.decompress(path.read_bytes()).decode("utf-8", "surrogateescape").splitlines()
    texts = texts[:lines_max] if lines_max else texts
    lines = [line for number, text in enumerate(texts, 1) if (line := _parsed(number, text)) is not None]
    faults = [line for line in lines if line.event.startswith("exceptions:page_fault_")]
    how = _clones(lines)
    return Recounted(
        lines=len(texts),
        faults=len(faults),
        forks=how.count("fork"),
        vforks=how.count("vfork"),
        threads=how.count("thread"),
        execs=_count(lines, "sched:sched_process_exec"),
        exits=_count(lines, "sched:sched_process_exit"),
        mmaps=sum(line.event == "syscalls:sys_exit_mmap" and int(line.rest, 16) not in _MMAP_FAILED for line in lines),
        present_writes=[(line.number, line.comm) for line in faults if _code(line) & PRESENT and _code(line) & WRITE],
    )


def _parsed(number: int, text: str) -> Line | None:
    """The line, or None if it is no event's (what is mapped where, a line cut short)."""
    found = _HEAD.match(text)
    return Line(number, found["comm"], int(found["pid"]), int(found["tid"]), found["event"], found["rest"]) if found else None


def _count(lines: Sequence[Line], event: str) -> int:
    return sum(line.event == event for line in lines)


def _code(line: Line) -> int:
    return int(line.rest.rpartition("error_code=")[2], 16)


def _clones(lines: Sequence[Line]) -> list[str]:
    """fork, vfork or thread, of each new task."""
    flags = [int(found[1], 16) for line in lines if (found := re.search(r"clone_flags=([0-9a-f]+)", line.rest))]
    if flags:
        return ["thread" if flag & THREAD else "vfork" if flag & VFORK else "fork" for flag in flags]
    return [_guessed(lines, at) for at, line in enumerate(lines) if line.event == "sched:sched_process_fork"]


def _guessed(lines: Sequence[Line], at: int) -> str:
    """Without clone's flags: a thread's pid is not its tid; a vfork's parent, switching out in state D, does nothing until it is let go.

    It is let go in the middle of the child's exec, whose own line comes last: the first sign of the exec, a new comm, may be earlier.
    """
    child, parent = int(lines[at].rest.rpartition("child_pid=")[2]), lines[at].tid
    later = lines[at + 1 :]
    its = [line for line in later if line.tid == child]
    if its and its[0].pid != its[0].tid:
        return "thread"
    let_go = next((line.number for line in its if line.event in _ENDS or line.comm != its[0].comm), 0)
    parents = [line for line in later if line.tid == parent][:2]
    asleep = bool(parents) and parents[0].event == "sched:sched_switch" and "prev_state=D " in parents[0].rest
    return "vfork" if asleep and parents[0].number < let_go and all(line.number > let_go for line in parents[1:]) else "fork"
