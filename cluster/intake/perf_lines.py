"""One line of ``perf script``: who, where, when, what. Integers only: a time is never a float.

Two forms exist: plain (microseconds) and rich (nanoseconds); both look like::

    comm pid/tid [cpu] seconds.fraction: subsystem:event: fields
    comm pid/tid [cpu] seconds.fraction: PERF_RECORD_MMAP2 pid/tid: [0xaddr(0xlen) @ 0xoffset maj:min inode generation]: rw-p name

``comm`` is under the recorded user's control. perf pads it to 16 columns, so the rest is looked for there first; in unpadded lines the
*last* place that looks like the rest and begins within 16 columns is meant, for a ``comm`` has 15 characters at most. Splitting at blanks
was rejected: a ``comm`` may hold blanks, slashes and colons. In fields, names are bounded by text that is longer than a ``comm`` can be,
so they cannot be forged. A number that the kernel's own type for it cannot hold is none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

COMM_COLUMNS = 16
PAGE_SHIFT = 12
USER_PAGES = 1 << 47 - PAGE_SHIFT
"""Pages of a user address space on amd64; what lies above belongs to the kernel."""
TIME_NS_MAX = (1 << 63) - 1
ERRNO_FIRST = (1 << 64) - 4095
"""System calls that fail return -4095 to -1, which perf prints as unsigned 64-bit numbers."""

_HEAD = re.compile(r"\s+(-?\d{1,10})/(-?\d{1,10})\s+\[(\d{1,10})\]\s+(\d{1,10})\.(\d{1,9}):\s+([A-Za-z_]\w*(?::\w+)?)(?::? |:?$)\s*")
_SWITCH = re.compile(r"prev_pid=(-?\d{1,10}) prev_prio=-?\d+ prev_state=(\S+) ==> next_comm=")
_FAULT = re.compile(r"address=(?:0x)?([0-9a-f]{1,16}) ip=(.*) error_code=(?:0x)?([0-9a-f]{1,16})\s*$")
_MAPPING = re.compile(
    r"(-?\d{1,10})/(-?\d{1,10}): \[(?:0x)?([0-9a-f]{1,16})\((?:0x)?([0-9a-f]{1,16})\) @ (?:0x)?([0-9a-f]{1,16})"
    r" ([0-9a-f]+:[0-9a-f]+) (\d{1,20}) \d+\]:"
    r" ([r-][w-][x-][ps]) (.*)$"
)
_NUMBER = re.compile(r": (-?(?:0x)?[0-9a-f]{1,16})(?=,|\s*$)")
_RETURN = re.compile(r"(-?\d{1,20}|0x[0-9a-f]{1,16})\s*$")
_NEWTASK = re.compile(r"pid=(\d{1,10}) comm=(.*) clone_flags=([0-9a-f]{1,16})(?: |$)")
_FORK = re.compile(r" pid=(\d{1,10}) child_comm=(.*) child_pid=(\d{1,10})\s*$")
_EXEC = re.compile(r" pid=(\d{1,10}) old_pid=(\d{1,10})\s*$")
_EXIT = re.compile(r" pid=(\d{1,10}) prio=-?\d+(?: group_dead=(true|false))?\s*$")
_LOST = re.compile(r"lost (\d{1,18})(?!\d)")


class Line(NamedTuple):
    """A line: ``text`` and the place ``fields`` where the event's fields begin in it; ``time_ns`` since the host's boot."""

    comm: str
    pid: int
    tid: int
    cpu: int
    time_ns: int
    event: str
    text: str
    fields: int


class Region(NamedTuple):
    """A PERF_RECORD_MMAP2: bytes, the owner, ``prot`` as PROT_* bits, and what is mapped (device, inode, name)."""

    pid: int
    tid: int
    address: int
    length: int
    offset: int
    device: str
    inode: int
    prot: int
    shared: bool
    name: str


def parse(text: str) -> Line | None:
    """A line of text as a Line; None if it is none. Fields are not looked at."""
    head = _HEAD.match(text, COMM_COLUMNS) or _unpadded(text)
    if head is None:
        return None
    pid, tid, cpu, seconds, fraction, event = head.groups()
    if len(fraction) == 6:
        time_ns = int(seconds) * 1_000_000_000 + int(fraction) * 1000
    elif len(fraction) == 9:
        time_ns = int(seconds + fraction)
    else:
        return None
    if time_ns > TIME_NS_MAX:
        return None
    return Line(text[: head.start()], int(pid), int(tid), int(cpu), time_ns, event, text, head.end())


def _unpadded(text: str) -> re.Match[str] | None:
    for start in range(COMM_COLUMNS, -1, -1):
        head = _HEAD.match(text, start)
        if head is not None:
            # \s+ may have begun inside a run of blanks that belongs to the separator.
            while start and text[start - 1].isspace():
                start -= 1
            return _HEAD.match(text, start)
    return None


def switched_out(line: Line) -> tuple[int, str] | None:
    """Of a sched_switch: the task that leaves the CPU and its state ("D": it waits for something it cannot be woken from, "S", "R+",
    ...)."""
    found = _SWITCH.search(line.text, line.fields)
    return (int(found[1]), found[2]) if found else None


def fault(line: Line) -> tuple[int, str, int] | None:
    """Of a page fault: address, the instruction's address or kernel symbol, and error code."""
    found = _FAULT.match(line.text, line.fields)
    return (int(found[1], 16), found[2], int(found[3], 16)) if found else None


def region(line: Line) -> Region | None:
    """Of a PERF_RECORD_MMAP2."""
    found = _MAPPING.match(line.text, line.fields)
    if found is None:
        return None
    pid, tid, address, length, offset, device, inode, flags, name = found.groups()
    prot = sum(bit for bit, letter in zip((1, 2, 4), flags) if letter != "-")
    return Region(
        int(pid), int(tid), int(address, 16), int(length, 16), int(offset, 16), device, int(inode), prot, flags[3] == "s", name.rstrip()
    )


def arguments(line: Line) -> list[int]:
    """Of a sys_enter: the arguments in order (all are printed in hexadecimal)."""
    return [int(number, 16) for number in _NUMBER.findall(line.text, line.fields - 1)]


def returned(line: Line) -> int | None:
    """Of a sys_exit: the value, negative for an error."""
    found = _RETURN.match(line.text, line.fields)
    if found is None:
        return None
    value = int(found[1], 0)
    if not -(1 << 63) <= value < 1 << 64:
        return None
    return value - (1 << 64) if value >= ERRNO_FIRST else value


def new_task(line: Line) -> tuple[int, int] | None:
    """Of a task_newtask: the child's tid, and the clone flags (printed in hexadecimal without 0x)."""
    found = _NEWTASK.match(line.text, line.fields)
    return (int(found[1]), int(found[3], 16)) if found else None


def forked(line: Line) -> tuple[int, str] | None:
    """Of a sched_process_fork: the child's tid and comm."""
    found = _FORK.search(line.text, line.fields)
    return (int(found[3]), found[2]) if found else None


def executed(line: Line) -> tuple[int, int] | None:
    """Of a sched_process_exec: tid after and before (they differ when another thread than the first one calls exec)."""
    found = _EXEC.search(line.text, line.fields)
    return (int(found[1]), int(found[2])) if found else None


def exited(line: Line) -> tuple[int, bool | None] | None:
    """Of a sched_process_exit: the tid, and whether it was the last of its process (None: not printed)."""
    found = _EXIT.search(line.text, line.fields)
    if found is None:
        return None
    return int(found[1]), None if found[2] is None else found[2] == "true"


def lost_events(line: Line) -> int:
    """Of a PERF_RECORD_LOST: how many events were lost (at least 1)."""
    found = _LOST.search(line.text, line.fields)
    return max(1, int(found[1])) if found else 1
