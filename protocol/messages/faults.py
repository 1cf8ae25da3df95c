"""What faults of the modelled machine say: their beginning, and what they put off (the parts that fail are in ``actors.faults``).

Each comes from ``boot`` or from the actor to itself: it crosses no link, and no other fault concerns it. What is put off is a message in
the queue and no field of the actor, so that a snapshot holds it like any other event.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import LOCAL, Message


class Begins(Message, tag=330, gc=False):
    """The fault called ``fault`` begins at the receiver."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "fault.begins"
    fault: str


class Ends(Message, tag=331, gc=False):
    """The fault called ``fault`` is over at the receiver."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "fault.ends"
    fault: str


class Online(Message, tag=332, gc=False):
    """The halted CPU runs again, unless it has been halted anew for longer."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "cpu.online"


class DeviceInterrupt(Message, tag=333, gc=False):
    """A device's line interrupts the CPU, and does so again ``period_ns`` later, before ``until_ns``."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "device.interrupt"
    period_ns: int
    until_ns: int


class FlushLate(Message, tag=334, gc=False):
    """The flush that a target has acknowledged before it did it: [start, end) of ``pmap``, which takes ``ns``."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "tlb.flush-late"
    pmap: str
    start: int
    end: int
    ns: int


class Rouse(Message, tag=335, gc=False):
    """A sleeper returns from its channel although nobody wakes it, unless it has been woken by then; ``fault`` says why."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "sleep.rouse"
    fault: str
    cpu: str
    thread: int
    chan: str
