"""The base of every message, and of the operations a CPU thread asks of a home.

Messages are msgspec structs encoded as arrays: 43 ns to make, plain MessagePack on the wire, typed and checked when decoded.
An operation (:class:`Op`) carries the asking thread, the locks that thread holds with their grant numbers (law 3: the proof
of a lock is a fencing token), and whether an answer is wanted. What a home answers must survive the wire unchanged, so
it is a :data:`Value`: scalars and tuples of scalars at most three deep, never a list.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

Scalar = None | bool | int | str
Row = tuple[Scalar, ...]
Value = None | bool | int | str | tuple[None | bool | int | str | tuple[None | bool | int | str | Row, ...], ...]
Held = tuple[tuple[str, int], ...]
"""(lock, grant number) of each lock a thread holds, in the order of acquisition."""

MEMORY, IPI, DEVICE, LOCAL = range(4)
"""Kinds of link: cache-line traffic between homes and CPUs, inter-processor interrupts, device requests, timers to oneself."""
LINK_NAMES = ("memory", "ipi", "device", "local")


class Message(msgspec.Struct, array_like=True, tag_field="_", gc=False):
    """Anything one actor says to another. ``link`` chooses its latency, ``word`` is its name in logs and fault predicates."""

    link: ClassVar[int] = MEMORY
    word: ClassVar[str] = "message"


class Op(Message, kw_only=True, gc=False):
    """An operation on a home, asked by a CPU thread.

    ``thread`` is the asking thread's tid, ``held`` its locks, and ``reply`` is false for a posted write. The driver of the thread
    fills the three in; kernel routines give only the fields of the subclass.
    """

    thread: int = -1
    held: Held = ()
    reply: bool = True


class Reply(Message, tag=1, gc=False):
    """A home's answer to an :class:`Op` that wanted one."""

    word: ClassVar[str] = "reply"

    thread: int
    value: Value = None
