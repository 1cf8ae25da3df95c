"""What CPUs, the rendezvous and the sequencer say: interrupts, acknowledgements, timers, migration (vm-facts 3.15)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import IPI, LOCAL, Message, Op

INVLTLB, INVLPG, INVLRNG, LAZYPMAP = range(4)
VECTOR_NAMES = ("INVLTLB", "INVLPG", "INVLRNG", "LAZYPMAP")


class Ipi(Message, tag=180, gc=False):
    """A shootdown's inter-processor interrupt: drop translations of ``pmap`` ("" for every one) in [start, end) as ``vector`` says.

    LAZYPMAP: whoever has ``pmap`` loaded without using it loads another table.
    """

    link: ClassVar[int] = IPI
    word: ClassVar[str] = "ipi"
    vector: int
    pmap: str
    start: int
    end: int


class IpiAck(Message, tag=181, gc=False):
    """The handler on the sender has flushed: one more for the rendezvous' wait count."""

    word: ClassVar[str] = "ipi-ack"


class Arm(Op, tag=182, gc=False):
    """The initiator tells the rendezvous how many acknowledgements to wait for. Posted under the rendezvous lock. No value."""

    word: ClassVar[str] = "ipi-arm"
    targets: int


class IpiDone(Message, tag=183, gc=False):
    """The rendezvous has all acknowledgements: the spinning initiator ``thread`` may go on."""

    word: ClassVar[str] = "ipi-done"
    thread: int


class Timer(Message, tag=184, gc=False):
    """A CPU's timer to itself. ``what`` names its use (:data:`COMPUTE` ...), ``thread`` its thread, ``stamp`` tells a stale one."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "timer"
    what: int
    thread: int
    stamp: int


COMPUTE, START, SWITCHED, RESUME, TIMEOUT, ACTIVATE = range(6)
TIMER_NAMES = ("compute", "start", "switched", "resume", "timeout", "activate")


class Stall(Message, tag=185, gc=False):
    """A fault: the CPU does nothing for ``duration_ns``."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "stall"
    duration_ns: int


class Arrive(Message, tag=186, gc=False):
    """A task comes to the receiver: started there, forked there, or migrated between two of its operations."""

    word: ClassVar[str] = "arrive"
    task: int
    index: int
    map: str
    pmap: str


class Await(Op, tag=187, gc=False):
    """A task's next operation must follow the operations ``after``, (task, index) pairs. Value (when all are complete): None."""

    word: ClassVar[str] = "order.await"
    after: tuple[tuple[int, int], ...]


class Complete(Op, tag=188, gc=False):
    """The operation (task, index), which others await, is complete. No value."""

    word: ClassVar[str] = "order.complete"
    task: int
    index: int


class Assertion(Message, tag=190, gc=False):
    """An assertion of the modelled kernel failed in an operation that ``thread`` had posted: its CPU panics with ``text``."""

    word: ClassVar[str] = "assertion"
    thread: int
    text: str


class Begin(Message, tag=189, gc=False):
    """The first event of an actor that has something to do at the start."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "begin"
