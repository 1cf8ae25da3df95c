"""An ordered set of non-negative integers, in chunks of 64 as bit masks: an object's pages, a pmap's PTEs, a pager's blocks.

A sorted list was rejected: tearing a large object down from its low end moves the whole list once per page. Masks stay below 2^64, so they
are MessagePack integers.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import msgspec


class Indexes(msgspec.Struct, array_like=True):
    """A set of integers >= 0 that can be listed in ascending order from any point."""

    masks: dict[int, int] = {}
    """Chunk number (index >> 6) to the bits present in it; never 0."""
    chunks: list[int] = []
    """The chunk numbers, ascending."""

    def add(self, index: int) -> None:
        """Put ``index`` in."""
        chunk = index >> 6
        mask = self.masks.get(chunk)
        if mask is None:
            insort(self.chunks, chunk)
            mask = 0
        self.masks[chunk] = mask | 1 << (index & 63)

    def discard(self, index: int) -> None:
        """Take ``index`` out, if it is there."""
        chunk = index >> 6
        mask = self.masks.get(chunk, 0) & ~(1 << (index & 63))
        if mask:
            self.masks[chunk] = mask
        elif self.masks.pop(chunk, 0):
            del self.chunks[bisect_left(self.chunks, chunk)]

    def __contains__(self, index: int) -> bool:
        return bool(self.masks.get(index >> 6, 0) >> (index & 63) & 1)

    def between(self, start: int, end: int, limit: int) -> list[int]:
        """The members in [start, end), ascending, at most ``limit``."""
        found: list[int] = []
        chunks = self.chunks
        for place in range(bisect_left(chunks, start >> 6), len(chunks)):
            base = chunks[place] << 6
            if base >= end:
                break
            mask = self.masks[chunks[place]]
            while mask:
                low = mask & -mask
                mask ^= low
                index = base + low.bit_length() - 1
                if index >= end or len(found) >= limit:
                    return found
                if index >= start:
                    found.append(index)
        return found
