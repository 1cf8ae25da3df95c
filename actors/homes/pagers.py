"""A pager: a device with a queue, and for swap the blocks written so far (vm-facts 3.10).

The device works on a few requests at once and each takes a fixed time. A model of seeks was rejected: the recordings' devices have none,
and what matters to the protocols is that an answer comes late and others queue behind it. A write's end is an interrupt at the CPU that
asked.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors.home import Home, OpTable, unlocked
from actors.homes.indexes import Indexes
from actors.homes.pager_content import Content, pieces_written
from protocol.messages import Message, Reply, Value
from protocol.messages.device import NEVER, TORN, WRONG, DeviceTimer, PagerDone, PagerFree, PagerHas, PagerMove, PagerRead, PagerWrite
from protocol.pages import VALID_ALL
from protocol.records import PAGER_DONE, PAGER_START, PAGER_TORN

READ, WRITE = "read", "write"


class Request(msgspec.Struct, array_like=True, gc=False):
    """A request that waits or is being worked on. ``pages`` are (pindex, frame); a read has no frames (-1)."""

    cpu: str
    thread: int
    reply: bool
    operation: str
    object: str
    pages: tuple[tuple[int, int], ...]
    fail: bool
    flaw: str = ""


class Pager(Home, kw_only=True):
    """A device. With ``swap`` it has only blocks that were written; otherwise it holds the whole of every file."""

    ops: ClassVar[OpTable] = {PagerHas: unlocked("has"), PagerFree: unlocked("free"), PagerMove: unlocked("move")}
    handlers: ClassVar[dict[type[Message], str]] = {
        **Home.handlers,
        PagerRead: "read",
        PagerWrite: "write",
        DeviceTimer: "finished",
    }

    read_ns: int
    write_ns: int
    depth: int
    """Requests worked on at once."""
    swap: bool = False
    number: int = 0
    """Requests started so far."""
    waiting: list[Request] = []
    working: dict[int, Request] = {}
    blocks: dict[str, Indexes] = {}
    """Per object, the page indices that have a swap block."""
    torn: Content = msgspec.field(default_factory=Content)
    """Pages of which the last write has only reached the device in part."""

    def has(self, op: PagerHas) -> Value:
        """vm_pager_has_page. The asker has compared ``pindex`` with the object's size: below it, a file has every page."""
        return not self.swap or (op.object in self.blocks and op.pindex in self.blocks[op.object])

    def free(self, op: PagerFree) -> Value:
        """swap_pager_freespace; a file keeps its pages."""
        blocks = self.blocks.get(op.object)
        if blocks is not None:
            for pindex in blocks.between(op.start, op.end, op.end - op.start):
                blocks.discard(pindex)
            if not blocks.chunks:
                del self.blocks[op.object]
            self.torn.forget(op.object, op.start, op.end)
        return None

    def move(self, op: PagerMove) -> Value:
        """swap_pager_copy. The asker holds both objects' locks, and no I/O on either is under way."""
        source = self.blocks.pop(op.source, None)
        if source is None:
            return 0
        moved = 0
        for pindex in source.between(op.offset, op.offset + op.pages, op.pages):
            blocks = self.blocks.setdefault(op.object, Indexes())
            if pindex - op.offset not in blocks:
                blocks.add(pindex - op.offset)
                self.torn.put(op.object, pindex - op.offset, self.torn.of(op.source, pindex))
                moved += 1
        self.torn.forget(op.source)
        return moved

    def read(self, op: PagerRead, sender: str) -> None:
        """Queue a read."""
        pages = tuple((op.pindex + i, -1) for i in range(op.count))
        self._ask(Request(sender, op.thread, op.reply, READ, op.object, pages, op.fail, op.flaw))

    def write(self, op: PagerWrite, sender: str) -> None:
        """Queue a write. An answer, if one is wanted, says only that it is queued."""
        self._ask(Request(sender, op.thread, False, WRITE, op.object, op.pages, op.fail, op.flaw))
        self.answer(sender, op, None)

    def _ask(self, request: Request) -> None:
        if len(self.working) < self.depth:
            self._start(request)
        else:
            self.waiting.append(request)

    def _start(self, request: Request) -> None:
        self.number += 1
        self.working[self.number] = request
        self.record((PAGER_START, request.operation, request.object, _first(request), len(request.pages)))
        if request.flaw != NEVER:
            self.port.timer(DeviceTimer(self.number), self.takes_ns(request))

    def takes_ns(self, request: Request) -> int:
        """How long the device works on a request."""
        return max(1, self.read_ns if request.operation == READ else self.write_ns)

    def finished(self, message: DeviceTimer, sender: str) -> None:
        """The device is done with a request: tell who asked, and begin the next."""
        request = self.working.pop(message.request)
        ok = self._transfer(request)
        self.record((PAGER_DONE, request.operation, request.object, _first(request), len(request.pages), ok))
        if request.operation == WRITE:
            self.port.interrupt(request.cpu, PagerDone(request.object, request.pages, ok), self.service_ns)
        elif request.reply:
            self.tell(request.cpu, Reply(request.thread, self._was_read(request) if ok else False))
        if self.waiting:
            self._start(self.waiting.pop(0))

    def _transfer(self, request: Request) -> bool:
        """Did it work? Swap gets its blocks when the write has ended, and cannot read what was never written."""
        if request.fail:
            return False
        if request.operation == READ:
            blocks = self.blocks.get(request.object, Indexes())
            return not self.swap or all(pindex in blocks for pindex, _ in request.pages)
        if request.flaw == TORN or self.torn:
            self._tear(request)
        if not self.swap:
            return True
        blocks = self.blocks.setdefault(request.object, Indexes())
        for pindex, _ in request.pages:
            blocks.add(pindex)
        return True

    def _was_read(self, request: Request) -> Value:
        """True for the page asked for, whole as it was last written; else which page it is, and which pieces of it are."""
        obj, pindex = request.object, _first(request) + (request.flaw == WRONG)
        pieces = self.torn.of(obj, pindex)
        return True if pieces == VALID_ALL and request.flaw != WRONG else (obj, pindex, pieces)

    def _tear(self, request: Request) -> None:
        """Which pieces of each page have reached the device: all of them, unless the write is torn."""
        for place, (pindex, frame) in enumerate(request.pages):
            pieces = pieces_written(place, len(request.pages)) if request.flaw == TORN else VALID_ALL
            self.torn.put(request.object, pindex, pieces)
            if pieces != VALID_ALL:
                self.record((PAGER_TORN, frame, request.object, pindex, pieces))


def _first(request: Request) -> int:
    return request.pages[0][0] if request.pages else -1
