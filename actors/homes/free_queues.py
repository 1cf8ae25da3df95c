"""The free lists (``fq``): frames nobody owns, by colour, under the free-queue spin lock (vm-facts 2.3, 2.6, 3.1, 3.2).

Thresholds are decided inside ``Take``: test and pop are one step under the lock. The number of CACHE pages, which the kernel reads there
without the page-queues lock, is a mirror that the paging queues' home posts; asking for it under a spin lock was rejected, for it would
lengthen every hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from actors.home import Home, OpTable, locked, reading, unlocked
from actors.homes.free_lists import FreeList, boot_lists, spans
from protocol.machine import Thresholds
from protocol.messages import Message, Value
from protocol.messages.contig import FreeWindow, TakeRun
from protocol.messages.free import CacheCount, FreeCounts, Put, PutZeroed, ReturnWithheld, Take, TakeDirty, Withhold, ZeroCheck
from protocol.pages import CLASS_CONTIG, CLASS_IDLE, CLASS_INTERRUPT, CLASS_SYSTEM
from protocol.records import FREE_ASIDE, FREE_COUNTS, FREE_FAIL, FREE_PUT, FREE_TAKE, FREE_WITHHOLD


class FreeQueues(Home, kw_only=True):
    """The home of the free lists. Frames are 1 to ``frames``; the colour of a frame is its number modulo ``colours``."""

    ops: ClassVar[OpTable] = {
        Take: locked("take", "free_list"),
        Put: locked("put", "free_list"),
        CacheCount: unlocked("set_cache"),
        TakeDirty: locked("take_dirty", "free_list"),
        PutZeroed: locked("put_zeroed", "free_list"),
        FreeCounts: unlocked("counts"),
        ZeroCheck: unlocked("zero_check"),
        FreeWindow: reading("window", "free_list"),
        TakeRun: locked("take_run", "free_list"),
        ReturnWithheld: unlocked("give_back"),
    }
    handlers: ClassVar[dict[type[Message], str]] = {**Home.handlers, Withhold: "withhold"}

    frames: int
    colours: int
    thresholds: Thresholds
    free: int = -1
    """Free frames that may be taken: those on the lists less the withheld."""
    zeroed: int = 0
    cache: int = 0
    """Mirror of the number of pages on the CACHE queue, which the kernel reads without its lock."""
    withheld: int = 0
    idle: list[int] = []
    """Frames that the idle loop has taken to zero them: on no list, and not yet anybody's."""
    zero_state: bool = False
    """Enough free pages were zero when the idle loop last put one back."""
    aside: dict[int, bool] = {}
    """Free frames that a fault has taken off their lists, and whether each is zero."""
    lists: list[FreeList] = []

    def __post_init__(self) -> None:
        """A new home: every frame is free and has never been used."""
        if not self.lists:
            self.free = self.frames
            self.lists = boot_lists(self.frames, self.colours)

    # Operations -----------------------------------------------------------------------------------------------------------

    def take(self, op: Take) -> Value:
        """vm_page_alloc, steps 2, 4 and 5: pop a frame if the thresholds allow it."""
        if not self._allowed(op.klass, op.last_resort):
            return self.refuse(op)
        frame, zeroed = self._pop(op.colour % self.colours, op.prefer_zero, op.forward)
        self.free -= 1
        self.zeroed -= zeroed
        self.record((FREE_TAKE, frame, op.colour, op.klass, zeroed, self.free))
        return (frame, zeroed, self._paging_needed())

    def refuse(self, op: Take) -> Value:
        """There is no frame for this request."""
        self.record((FREE_FAIL, op.klass, self.free, self.cache))
        return (-1, False, self._paging_needed())

    def _allowed(self, klass: int, last_resort: bool) -> bool:
        free, limits = self.free, self.thresholds
        if free > limits.free_reserved:
            return True
        if klass == CLASS_INTERRUPT:
            return free > 0
        return klass == CLASS_SYSTEM and (last_resort or self.cache == 0) and free > limits.interrupt_free_min

    def _paging_needed(self) -> bool:
        return self.thresholds.free_reserved + self.thresholds.cache_min > self.free + self.cache

    def _pop(self, colour: int, prefer_zero: bool, forward: bool) -> tuple[int, bool]:
        """From the colour's own list, else from the head of the first that has one."""
        lists = self.lists
        if lists[colour].count:
            return lists[colour].pop_tail() if prefer_zero else lists[colour].pop_head()
        for near in self._neighbours(colour, forward):
            if lists[near].count:
                return lists[near].pop_head()
        raise AssertionError(f"fq counts {self.free} free frames and no list has one")

    def _neighbours(self, colour: int, forward: bool) -> Iterator[int]:
        """Colour ± i, i from colours/2 down to 1 (2.3); ``forward``: colour + 1, + 2, ..."""
        colours = self.colours
        if forward:
            yield from ((colour + distance) % colours for distance in range(1, colours))
            return
        for distance in range(colours // 2, 0, -1):
            yield from ((colour + distance) % colours, (colour - distance) % colours)

    def put(self, op: Put) -> Value:
        """vm_page_free, step 8: to the tail if its content is zero, else to the head."""
        self.lists[op.frame % self.colours].push(op.frame, op.zeroed)
        self.zeroed += op.zeroed
        self.free += 1
        self.record((FREE_PUT, op.frame, op.zeroed, self.free))
        return (self.free + self.cache, self.free)

    def take_dirty(self, op: TakeDirty) -> Value:
        """vm_page_zero_idle: a frame that is not zero, from the head of a list."""
        self.zero_state = False
        if self.free <= 0 or self.zeroed >= self.free + self.withheld:
            return -1
        frame, zeroed = self._pop(op.colour % self.colours, False, False)
        if zeroed:
            self.lists[frame % self.colours].push(frame, True)
            return -1
        self.free -= 1
        self.idle.append(frame)
        self.record((FREE_TAKE, frame, op.colour, CLASS_IDLE, False, self.free))
        return frame

    def put_zeroed(self, op: PutZeroed) -> Value:
        """vm_page_zero_idle: back at the tail."""
        if op.frame in self.idle:
            self.idle.remove(op.frame)
        self.put(Put(op.frame, True))
        self.zero_state = self.zeroed * 5 >= self.free * 4
        return None

    def zero_check(self, op: ZeroCheck) -> Value:
        """vm_page_zero_check: until 4/5 of the free pages are zero; after that not before fewer than 2/3 are."""
        self.record((FREE_COUNTS, self.free, self.cache, self.zeroed))
        return self.zeroed * 3 < self.free * 2 if self.zero_state else self.zeroed * 5 < self.free * 4

    def set_cache(self, op: CacheCount) -> Value:
        """The paging queues' home tells its cache count."""
        self.cache = op.count
        return None

    def counts(self, op: FreeCounts) -> Value:
        """v_free_count, v_cache_count and the zeroed frames, read without the lock."""
        self.record((FREE_COUNTS, self.free, self.cache, self.zeroed))
        return (self.free, self.cache, self.zeroed)

    # Runs of frames -------------------------------------------------------------------------------------------------------

    def window(self, op: FreeWindow) -> Value:
        """contigmalloc1's scan: which frames of the window are free."""
        marks = bytearray(max(0, op.end - op.start))
        for free in self.lists:
            free.mark(marks, op.start)
        taken = sorted(frame for frame in (*self.idle, *self.aside) if op.start <= frame < op.end)
        return (self.free, spans(marks, op.start, 1), tuple(taken))

    def take_run(self, op: TakeRun) -> Value:
        """contigmalloc1's dequeueing. (The kernel's, too, does nothing for a page that is on no queue.)"""
        there = [frame for frame in range(op.first, op.first + op.count) if self.lists[frame % self.colours].has(frame)]
        if op.all_free and len(there) < op.count:
            return None
        return tuple(frame for frame in there if self._take_out(frame))

    def _take_out(self, frame: int) -> bool:
        zeroed = self.lists[frame % self.colours].take(frame)
        self.free -= 1
        self.zeroed -= zeroed
        self.record((FREE_TAKE, frame, frame % self.colours, CLASS_CONTIG, zeroed, self.free))
        return zeroed

    # Memory taken away ----------------------------------------------------------------------------------------------------

    def withhold(self, op: Withhold, sender: str) -> None:
        """A fault takes frames out of use: they stay on their lists, the count that decisions read is lower."""
        frames = self.free - op.leave if op.leave >= 0 else min(op.frames, self.free)
        if frames <= 0:
            return
        self._withhold(frames)
        if op.until_ns > 0 or op.for_ns > 0:
            self.port.timer(ReturnWithheld(frames=frames, reply=False), max(1, op.for_ns or op.until_ns - self.clock.now))

    def give_back(self, op: ReturnWithheld) -> Value:
        """The time is over: withheld frames may be taken again."""
        self._withhold(-min(op.frames, self.withheld))
        return None

    def _withhold(self, frames: int) -> None:
        self.withheld += frames
        self.free -= frames
        self.record((FREE_WITHHOLD, frames, self.free))

    def set_aside(self, frame: int) -> None:
        """A fault takes a frame off its list."""
        zeroed = self.aside[frame] = self.lists[frame % self.colours].take(frame)
        self.free -= 1
        self.zeroed -= zeroed
        self.record((FREE_ASIDE, frame, zeroed, True, self.free))

    def put_back(self) -> None:
        """All of them are on their lists again."""
        for frame, zeroed in sorted(self.aside.items()):
            self.lists[frame % self.colours].push(frame, zeroed)
            self.free += 1
            self.zeroed += zeroed
            self.record((FREE_ASIDE, frame, zeroed, False, self.free))
        self.aside = {}
