"""Devices: the disk behind vnode objects and the swap space (home ``pager.N``; vm-facts 3.10), the network card (``nic.0``)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import DEVICE, Message, Op

NEVER, WRONG, TORN = "never", "wrong", "torn"
"""Flaws of a request: it is begun and never ends; another page is read; only the first half of what is written reaches the device."""


class PagerRead(Op, tag=160, gc=False):
    """Read ``count`` pages of ``object`` from ``pindex`` on.

    Value, after the device's queue and latency: true, or false for an I/O error. What is not the whole of what was last written there is
    said: (object, pindex, 512-byte pieces) that have been read.
    """

    link: ClassVar[int] = DEVICE
    word: ClassVar[str] = "pager.read"
    object: str
    pindex: int
    count: int = 1
    fail: bool = False
    flaw: str = ""
    """What else goes wrong with it, by a fault: ``NEVER`` or ``WRONG``."""


class PagerWrite(Op, tag=161, gc=False):
    """Write pages out. No value: completion is a PagerDone interrupt at the CPU that asked.

    ``pages`` are (pindex, frame) pairs.
    """

    link: ClassVar[int] = DEVICE
    word: ClassVar[str] = "pager.write"
    object: str
    pages: tuple[tuple[int, int], ...]
    fail: bool = False
    flaw: str = ""
    """``NEVER`` or ``TORN``."""


class PagerDone(Message, tag=162, gc=False):
    """Write completed (or failed): an interrupt at the CPU that started it, served by an interrupt thread."""

    link: ClassVar[int] = DEVICE
    word: ClassVar[str] = "pager.done"
    object: str
    pages: tuple[tuple[int, int], ...]
    ok: bool


class PagerHas(Op, tag=163, gc=False):
    """Does the pager have a block for (object, pindex)? Value: bool."""

    word: ClassVar[str] = "pager.has"
    object: str
    pindex: int


class PagerFree(Op, tag=164, gc=False):
    """The object's blocks in [start, end) are no longer needed. No value."""

    word: ClassVar[str] = "pager.free"
    object: str
    start: int
    end: int


class PagerMove(Op, tag=168, gc=False):
    """swap_pager_copy, which destroys its source: ``object`` gets the blocks of ``source`` from ``offset`` on, for its own ``pages`` pages.

    Where it has a block already it keeps that one. What is left of the source's blocks is freed. Value: how many have moved.
    """

    word: ClassVar[str] = "pager.move"
    source: str
    object: str
    offset: int
    pages: int


class NicSend(Op, tag=166, gc=False):
    """The network card begins to send the page in ``frame``, which takes ``ns``. No value: completion is a NicDone interrupt."""

    link: ClassVar[int] = DEVICE
    word: ClassVar[str] = "nic.send"
    frame: int
    ns: int


class NicDone(Message, tag=167, gc=False):
    """The page is sent: an interrupt at the CPU that began it, served by an interrupt thread."""

    link: ClassVar[int] = DEVICE
    word: ClassVar[str] = "nic.done"
    frame: int


class DeviceTimer(Message, tag=165, gc=False):
    """The device's own clock: the request at the head of its queue is done."""

    word: ClassVar[str] = "pager.timer"
    request: int
