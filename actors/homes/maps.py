"""An address space's map: sorted disjoint entries under an sx lock, with the timestamp that tells a fault it was changed (vm-facts 3.9).

Entries are immutable rows in two parallel lists, searched by bisection. The kernel's splay tree was rejected as nothing of its shape can be
seen from outside; clipping, which can, is done by every operation on a part of an entry.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import ClassVar

from actors.home import Home, OpTable, locked, shared, unlocked
from protocol.messages import Value
from protocol.messages.locks import Sleep, Unlock
from protocol.messages.space import (
    ENTRY_WIRED,
    AddEntry,
    Cut,
    Entries,
    EntryRow,
    Find,
    FindSpace,
    Gap,
    ProtectEntries,
    SetEntryObject,
    SpaceUsers,
    WireEntries,
)
from protocol.records import MAP_ADD, MAP_CLIP, MAP_OBJECT, MAP_PROTECT, MAP_REMOVE, MAP_WIRE, UNGUARDED

BLOCK_PAGES = 512
"""The aligned block within which an unknown earlier mapping is assumed (model notes 6)."""


class VmMap(Home, kw_only=True):
    """A vm map over the page numbers [``low``, ``high``)."""

    ops: ClassVar[OpTable] = {
        Find: shared("find", "entries"),
        AddEntry: locked("add", "entries"),
        Cut: locked("cut", "entries"),
        ProtectEntries: locked("protect", "entries"),
        WireEntries: locked("wire", "entries"),
        Entries: shared("entries", "entries"),
        SetEntryObject: locked("set_object", "entries"),
        FindSpace: shared("find_space", "entries"),
        Gap: shared("gap", "entries"),
        SpaceUsers: unlocked("count_users"),
    }

    low: int = 16
    high: int = 1 << 35
    users: int = 1
    """Tasks in this address space."""
    timestamp: int = 0
    """Counts the exclusive holds of the lock."""
    starts: list[int] = []
    rows: list[EntryRow] = []
    """The entries, ascending; ``starts[i]`` is the start of ``rows[i]``."""

    def unlock(self, message: Unlock | Sleep, sender: str) -> None:
        """vm_map_unlock: after an exclusive hold, whoever remembers the timestamp looks again."""
        if self.owner == message.thread and self.fence == message.fence:
            self.timestamp += 1
        super().unlock(message, sender)

    # Reading --------------------------------------------------------------------------------------------------------------

    def find(self, op: Find) -> Value:
        """vm_map_lookup_entry."""
        place = bisect_right(self.starts, op.vpn) - 1
        if place >= 0:
            row = self.rows[place]
            if op.vpn < row[1]:
                return (self.timestamp, *row)
        return (self.timestamp,)

    def entries(self, op: Entries) -> Value:
        """The entries that touch a range."""
        first, last = self._touching(op.start, op.end)
        return tuple(self.rows[first : min(last, first + op.limit)])

    def find_space(self, op: FindSpace) -> Value:
        """vm_map_findspace, first fit. -1: the map has no such gap."""
        start = max(op.hint, self.low)
        place = self._touching(start, start + 1)[0]
        while place < len(self.rows) and self.starts[place] < start + op.pages:
            start = self.rows[place][1]
            place += 1
        return start if start + op.pages <= self.high else -1

    def gap(self, op: Gap) -> Value:
        """The unmapped surroundings of a page within its block."""
        block = op.vpn - op.vpn % BLOCK_PAGES
        place = bisect_right(self.starts, op.vpn)
        start = max(block, self.rows[place - 1][1]) if place else block
        if start > op.vpn:
            return None
        end = min(block + BLOCK_PAGES, self.starts[place]) if place < len(self.rows) else block + BLOCK_PAGES
        return (start, end)

    def _touching(self, start: int, end: int) -> tuple[int, int]:
        """The slice of ``rows`` that touches [start, end); an empty range touches nothing."""
        if start >= end:
            return (0, 0)
        first = bisect_right(self.starts, start) - 1
        if first < 0 or self.rows[first][1] <= start:
            first += 1
        return (first, max(first, bisect_left(self.starts, end)))

    # Changing -------------------------------------------------------------------------------------------------------------

    def add(self, op: AddEntry) -> Value:
        """vm_map_insert."""
        first, last = self._touching(op.start, op.end)
        if op.start >= op.end or first != last:
            return f"vm_map_insert: 0x{op.start:x} to 0x{op.end:x} is empty or overlaps an entry"
        self._splice(first, first, [(op.start, op.end, op.object, op.offset, op.prot, op.flags)])
        self.record((MAP_ADD, op.start, op.end, op.object, op.offset, op.prot, op.flags))
        return None

    def cut(self, op: Cut) -> Value:
        """vm_map_delete, as far as the entries go."""
        more = self._pieces_more(op.start, op.end)
        first, last = self._clip(op.start, op.end)
        gone = self.rows[first:last]
        self._splice(first, last, [])
        for start, end, name, offset, _, _ in gone:
            self.record((MAP_REMOVE, start, end, name, offset))
        return tuple((*row, pieces - 1) for row, pieces in zip(gone, more, strict=True))

    def protect(self, op: ProtectEntries) -> Value:
        """vm_map_protect, as far as the entries go. The answer shows the pieces as they were."""
        more = self._pieces_more(op.start, op.end)
        first, last = self._clip(op.start, op.end)
        before = self.rows[first:last]
        for place in range(first, last):
            start, end, name, offset, prot, flags = self.rows[place]
            if prot != op.prot:
                self.rows[place] = (start, end, name, offset, op.prot, flags)
                self.record((MAP_PROTECT, start, end, op.prot))
        return tuple((*row, pieces) for row, pieces in zip(before, more, strict=True))

    def wire(self, op: WireEntries) -> Value:
        """vm_map_wire and vm_map_unwire, as far as the entries go. The kernel counts; here only the user wires, and once."""
        more = self._pieces_more(op.start, op.end)
        first, last = self._clip(op.start, op.end)
        before = self.rows[first:last]
        for place in range(first, last):
            start, end, name, offset, prot, flags = self.rows[place]
            new = flags | ENTRY_WIRED if op.wired else flags & ~ENTRY_WIRED
            if new != flags:
                self.rows[place] = (start, end, name, offset, prot, new)
                self.record((MAP_WIRE, start, end, op.wired))
        return tuple((*row, pieces) for row, pieces in zip(before, more, strict=True))

    def count_users(self, op: SpaceUsers) -> Value:
        """The vmspace's reference count."""
        self.users += op.delta
        return self.users

    def _pieces_more(self, start: int, end: int) -> list[int]:
        """For each entry that touches [start, end): into how many pieces more clipping at its edges will split it."""
        first, last = self._touching(start, end)
        return [(row[0] < start) + (row[1] > end) for row in self.rows[first:last]]

    def set_object(self, op: SetEntryObject) -> Value:
        """An entry gets its object. If none starts there, the asker's picture of the map was stale: recorded."""
        place = bisect_left(self.starts, op.start)
        if place == len(self.starts) or self.starts[place] != op.start:
            self.record((UNGUARDED, "entry", self.name, op.thread, f"an entry that starts at 0x{op.start:x}"))
            return None
        start, end, _, _, prot, _ = self.rows[place]
        row = (start, end, op.object, op.offset, prot, op.flags)
        if row != self.rows[place]:
            self.rows[place] = row
            self.record((MAP_OBJECT, start, op.object, op.offset, op.flags))
        return None

    def _clip(self, start: int, end: int) -> tuple[int, int]:
        """vm_map_clip_start and _end: split the entries at the edges of [start, end); the slice of ``rows`` that is now inside."""
        if start >= end:
            return (0, 0)
        for edge in (start, end):
            place = bisect_left(self.starts, edge) - 1
            if place >= 0 and self.rows[place][1] > edge:
                low, high, name, offset, prot, flags = self.rows[place]
                tail = (edge, high, name, offset + edge - low, prot, flags)
                self._splice(place, place + 1, [(low, edge, name, offset, prot, flags), tail])
                self.record((MAP_CLIP, low, edge))
        return self._touching(start, end)

    def _splice(self, first: int, last: int, rows: list[EntryRow]) -> None:
        self.rows[first:last] = rows
        self.starts[first:last] = [row[0] for row in rows]
