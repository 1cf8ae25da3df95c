"""What is mapped where in one address space, as far as the recording has told by now.

A sorted list of disjoint ranges of pages with bisection: an address space has tens to hundreds of mappings, for which a list beats every
tree in Python. The table answers three questions: what does a fault hit, what is free around an unknown address, and what did exec map in
the end (its mappings overlap, later ones win).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

BLOCK_PAGES = 512
"""2 MB: an unknown earlier mapping is taken to fill the gap inside the aligned block of this size that its page lies in."""
STACK_REACH_PAGES = 2048
"""8 MB: a fault this near below a stack is the stack's growth (Linux's default stack limit)."""


class Mapping(NamedTuple):
    """Pages [start, end) map ``file`` (-1: anonymous) from page ``offset`` on."""

    start: int
    end: int
    prot: int = 3
    file: int = -1
    offset: int = 0
    shared: bool = False
    stack: bool = False

    def part(self, start: int, end: int) -> Mapping:
        """The piece of it inside [start, end)."""
        low, high = max(start, self.start), min(end, self.end)
        return self._replace(start=low, end=high, offset=self.offset + (low - self.start if self.file >= 0 else 0))

    def moved(self, start: int, pages: int) -> Mapping:
        """The same contents at ``start``, ``pages`` long."""
        return self._replace(start=start, end=start + pages)


class MappingTable:
    """The mappings of one address space, disjoint and ascending."""

    __slots__ = ("_maps", "_starts")

    def __init__(self, maps: list[Mapping] | None = None) -> None:
        self._maps = maps or []
        self._starts = [mapping.start for mapping in self._maps]

    def copy(self) -> MappingTable:
        """What a forked child starts with."""
        return MappingTable(self._maps.copy())

    def all(self) -> list[Mapping]:
        """Every mapping, ascending."""
        return self._maps.copy()

    def find(self, vpn: int) -> Mapping | None:
        """The mapping that page ``vpn`` lies in."""
        index = bisect_right(self._starts, vpn) - 1
        if index >= 0 and vpn < self._maps[index].end:
            return self._maps[index]
        return None

    def cut(self, start: int, end: int) -> list[Mapping]:
        """Unmap [start, end). Returns the pieces that were mapped, ascending."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._maps[first].end <= start:
            first += 1
        last = bisect_left(self._starts, end)
        touched = self._maps[first:last]
        if not touched:
            return []
        kept = []
        if touched[0].start < start:
            kept.append(touched[0].part(touched[0].start, start))
        if touched[-1].end > end:
            kept.append(touched[-1].part(end, touched[-1].end))
        self._maps[first:last] = kept
        self._starts[first:last] = [mapping.start for mapping in kept]
        return [mapping.part(start, end) for mapping in touched]

    def add(self, mapping: Mapping) -> None:
        """Map a range, replacing what is there."""
        self.cut(mapping.start, mapping.end)
        index = bisect_right(self._starts, mapping.start)
        self._maps.insert(index, mapping)
        self._starts.insert(index, mapping.start)

    def protect(self, start: int, end: int, prot: int) -> None:
        """Change the protection of what is mapped in [start, end)."""
        for piece in self.cut(start, end):
            self.add(piece._replace(prot=prot))

    def holes(self, start: int, end: int) -> list[tuple[int, int]]:
        """The unmapped parts of [start, end), ascending."""
        holes = []
        for mapping in self._maps[max(0, bisect_right(self._starts, start) - 1) : bisect_left(self._starts, end)]:
            if mapping.end <= start:
                continue
            if mapping.start > start:
                holes.append((start, mapping.start))
            start = mapping.end
        if start < end:
            holes.append((start, end))
        return holes

    def gap(self, vpn: int) -> tuple[int, int]:
        """The free range around ``vpn``, which is unmapped, within its aligned 2 MB block."""
        start = vpn - vpn % BLOCK_PAGES
        end = start + BLOCK_PAGES
        index = bisect_right(self._starts, vpn)
        if index:
            start = max(start, self._maps[index - 1].end)
        if index < len(self._maps):
            end = min(end, self._maps[index].start)
        return start, end

    def stack_above(self, vpn: int) -> Mapping | None:
        """The stack that grows when ``vpn``, which is unmapped, is touched."""
        index = bisect_right(self._starts, vpn)
        if index == len(self._maps):
            return None
        above = self._maps[index]
        return above if above.stack and above.start - vpn <= STACK_REACH_PAGES else None
