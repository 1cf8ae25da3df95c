"""One colour's free list: taken from either end, with the frames that were never used as a range.

From head to tail: frames freed with arbitrary content (last in, first out), boot frames, frames known to be zero. Boot frames are a range
and not a list of numbers, so that a machine of a million frames starts at once and its snapshot is small; the kernel's own form, a linked
list of every frame, was rejected for that.
"""

from __future__ import annotations

import msgspec

_SLACK = 64


class Frames(msgspec.Struct, array_like=True):
    """A list that gives from both ends; items below ``base`` are gone. (A deque is no data for a snapshot.)"""

    items: list[int] = []
    base: int = 0

    def __len__(self) -> int:
        return len(self.items) - self.base

    def __contains__(self, item: int) -> bool:
        return item in self.items[self.base :]

    def put_first(self, items: list[int]) -> None:
        """Put items before the oldest one."""
        self.items[: self.base] = items
        self.base = 0

    def remove(self, item: int) -> None:
        """Take an item out, wherever it is."""
        del self.items[self.items.index(item, self.base)]

    def pop_first(self) -> int:
        """Take the oldest item; the room of those gone is given back now and then, at constant cost per item."""
        item = self.items[self.base]
        self.base += 1
        if self.base >= _SLACK and self.base * 2 >= len(self.items):
            del self.items[: self.base]
            self.base = 0
        return item


class FreeList(msgspec.Struct, array_like=True):
    """The free frames of one colour. Boot frames are ``low``, ``low + step``, ... ``high``; none are left when ``low`` exceeds ``high``."""

    low: int
    high: int
    step: int
    count: int
    freed: Frames = msgspec.field(default_factory=Frames)
    zeroed: Frames = msgspec.field(default_factory=Frames)

    def push(self, frame: int, zeroed: bool) -> None:
        """Put a frame in: at the tail if it is zero, else at the head."""
        (self.zeroed if zeroed else self.freed).items.append(frame)
        self.count += 1

    def pop_head(self) -> tuple[int, bool]:
        """Take the frame at the head of a list that is not empty: (frame, zeroed)."""
        self.count -= 1
        if len(self.freed):
            return (self._last(self.freed), False)
        if self.low <= self.high:
            self.low += self.step
            return (self.low - self.step, False)
        return (self.zeroed.pop_first(), True)

    def pop_tail(self) -> tuple[int, bool]:
        """Take the frame at the tail of a list that is not empty: (frame, zeroed)."""
        self.count -= 1
        if len(self.zeroed):
            return (self._last(self.zeroed), True)
        if self.low <= self.high:
            self.high -= self.step
            return (self.high + self.step, False)
        return (self.freed.pop_first(), False)

    def has(self, frame: int) -> bool:
        """Is this frame, which is of the list's colour, on the list?"""
        return self.low <= frame <= self.high or frame in self.freed or frame in self.zeroed

    def take(self, frame: int) -> bool:
        """Take a frame that is on the list, out of its middle. Returns whether it is zero.

        What stood above it among the boot frames keeps its place: behind the frames freed since, before the other boot frames.
        """
        self.count -= 1
        if self.low <= frame <= self.high:
            above = list(range(frame - self.step, self.low - 1, -self.step))
            self.freed.put_first(above)
            self.low = frame + self.step
            return False
        zeroed = frame in self.zeroed
        (self.zeroed if zeroed else self.freed).remove(frame)
        return zeroed

    def _last(self, frames: Frames) -> int:
        item = frames.items.pop()
        if len(frames.items) == frames.base:
            frames.items.clear()
            frames.base = 0
        return item

    def mark(self, marks: bytearray, start: int) -> None:
        """Set ``marks[frame - start]`` for each frame on the list that ``marks`` has room for."""
        end = start + len(marks)
        low = self.low + max(0, -(-(start - self.low) // self.step)) * self.step
        for frame in range(low, min(self.high + 1, end), self.step):
            marks[frame - start] = 1
        for frames in (self.freed, self.zeroed):
            for frame in frames.items[frames.base :]:
                if start <= frame < end:
                    marks[frame - start] = 1

    def members(self) -> list[tuple[int, bool]]:
        """(frame, zeroed) from head to tail; for inspection and tests, not for the machine."""
        freed = [(f, False) for f in reversed(self.freed.items[self.freed.base :])]
        boot = [(f, False) for f in range(self.low, self.high + 1, self.step)]
        return freed + boot + [(f, True) for f in self.zeroed.items[self.zeroed.base :]]


def boot_lists(frames: int, colours: int) -> list[FreeList]:
    """The lists of a machine that has just started: frames 1 to ``frames``, by number modulo ``colours``."""
    lists = []
    for colour in range(colours):
        low = colour or colours
        count = max(0, (frames - low) // colours + 1)
        lists.append(FreeList(low, low + (count - 1) * colours, colours, count))
    return lists


def spans(marks: bytearray, start: int, wanted: int) -> tuple[tuple[int, int], ...]:
    """The (first, last) of each stretch of ``marks`` that is ``wanted``, ``marks[0]`` being number ``start``."""
    found, at, byte = [], 0, bytes([wanted])
    other = bytes([1 - wanted])
    while (first := marks.find(byte, at)) >= 0:
        at = marks.find(other, first)
        at = len(marks) if at < 0 else at
        found.append((start + first, start + at - 1))
    return tuple(found)
