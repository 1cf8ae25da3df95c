"""One record as one terse line (docs/logs.md has the columns).

Locks are written as kernel engineers write them on a whiteboard: ``+vm object`` when taken, ``-vm object`` when given back, and
everything done under a lock stands further right. Whatever came from outside is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cluster.inspect.escape import escaped
from cluster.inspect.words import UNKNOWN, in_words, kind_name, lock_in_words
from protocol import records as kinds
from protocol.locks import class_of
from protocol.messages.locks import EXCLUSIVE, MODE_NAMES, SPIN
from protocol.records import Record

NS_PER_S = 1_000_000_000
INDENT_MAX = 12
KERNEL_TIDS, THREADS_PER_CPU = 1 << 24, 4096
"""How CPUs number the threads that run no task (actors.processor.state)."""


def seconds(time_ns: int) -> str:
    """Virtual time as seconds with nine decimals."""
    return f"{time_ns // NS_PER_S}.{time_ns % NS_PER_S:09d}"


def identity(event: tuple[str, int]) -> str:
    """An event's identity as ``sender:seq``, the form ``--cause`` takes."""
    return f"{event[0]}:{event[1]}"


def thread_name(thread: int) -> str:
    """A thread as the log names it: ``t3`` for task 3's, ``k5.0`` for the first kernel thread of CPU 5."""
    if thread < KERNEL_TIDS:
        return f"t{thread}"
    cpu, number = divmod(thread - KERNEL_TIDS, THREADS_PER_CPU)
    return f"k{cpu}.{number}"


def thread_number(text: str) -> int | None:
    """A thread's number from its name, or from the number itself; None for what is neither."""
    if found := re.fullmatch(r"t?([0-9]{1,15})", text):
        return int(found[1])
    if found := re.fullmatch(r"k([0-9]{1,9})\.([0-9]{1,4})", text):
        return KERNEL_TIDS + int(found[1]) * THREADS_PER_CPU + int(found[2])
    return None


def what(record: Record) -> str:
    """A record's kind and fields."""
    number: Any = record[0]
    special = _SPECIAL.get(number) if kind_name(record) != UNKNOWN else None
    return escaped(special(record) if special is not None else _general(record))


def line(event: Mapping[str, Any]) -> str:
    """The console's line for a record, from the event that :mod:`cluster.inspect.log` makes of it."""
    head, thread = event["head"], event["thread"]
    who = "-" if thread is None else thread_name(thread) if event["own"] else f"({thread_name(thread)})"
    indent = "  " * min(event["depth"], INDENT_MAX)
    text = what(event["record"])
    return f"{seconds(head[0])}  {escaped(head[3]):<16} {who:>7}  {indent}{text}  [{escaped(identity(head[4:6]))}]"


def _general(record: Record) -> str:
    words = in_words(record)
    kind = kind_name(record)
    change = f" {_value(words.pop('old'))} -> {_value(words.pop('new'))}" if "old" in words and "new" in words else ""
    fields = "".join(f" {name}={_value(value)}" for name, value in words.items() if name != "thread")
    return kind + fields + change


def _value(value: object) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(_value(item) for item in value) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value != "" else "''"


def _acquire(record: Any) -> str:
    _, _, lock, mode, fence, wait_ns, depth = record
    notes = [f"grant {fence}"]
    if mode not in (EXCLUSIVE, SPIN):
        notes.insert(0, MODE_NAMES[mode] if 0 <= mode < len(MODE_NAMES) else f"mode {mode}")
    if wait_ns:
        notes.append(f"{'spun' if mode == SPIN else 'waited'} {wait_ns} ns")
    if depth > 1:
        notes.append(f"recursion {depth}")
    return f"+{lock_in_words(lock)} ({', '.join(notes)})"


def _release(record: Any) -> str:
    _, _, lock, _, hold_ns, depth = record
    return f"-{lock_in_words(lock)} ({f'recursion left {depth}' if depth else f'held {hold_ns} ns'})"


def _wait(record: Any) -> str:
    verb = "spins" if class_of(record[2]).spin else "waits"
    return f"?{lock_in_words(record[2])} (taken by {_owner(record[3])}, {verb})"


def _fail(record: Any) -> str:
    return f"!{lock_in_words(record[2])} (not got, taken by {_owner(record[3])})"


def _owner(thread: int) -> str:
    return "readers" if thread == -1 else thread_name(thread)


def _enter(record: Any) -> str:
    return f"> {record[2]}{_value(in_words(record)['arguments'])}{_locks(record[4])}"


def _switch(record: Any) -> str:
    _, old, new, pmap = record
    space = f", loads {pmap}" if pmap else ""
    return f"switch {_running(old)} -> {_running(new)}{space}"


def _running(thread: int) -> str:
    return "idle" if thread == -1 else thread_name(thread)


def _flush(record: Any) -> str:
    _, pmap, start, end, reason = record
    if start == end:
        return f"tlb.flush {pmap or 'everything not global'} reason={reason}"
    return _general(record)


def _leave(record: Any) -> str:
    return f"< {record[2]} = {_value(in_words(record)['outcome'])}{_locks(record[4])}"


def _locks(held: tuple[str, ...]) -> str:
    return f" holding {', '.join(held)}" if held else ""


_SPECIAL = {
    kinds.LOCK_ACQUIRE: _acquire,
    kinds.LOCK_RELEASE: _release,
    kinds.LOCK_WAIT: _wait,
    kinds.LOCK_FAIL: _fail,
    kinds.ENTER: _enter,
    kinds.LEAVE: _leave,
    kinds.SWITCH: _switch,
    kinds.TLB_FLUSH: _flush,
}
