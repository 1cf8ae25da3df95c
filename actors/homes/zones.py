"""A UMA zone whose slabs come from an object of its own, so that it can be asked where nobody may sleep (vm-facts 3.16): the pv zone.

What is kept is how many items are free and how many slabs there are; the items themselves are what their users make of them. The caches of
free items that the kernel keeps per CPU were left out: pv entries are taken and given back under the page-queues lock, so a cache saves
cycles there and changes no interleaving.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home, OpTable, locked
from protocol.messages import Value
from protocol.messages.zones import ZONE_EMPTY, ZONE_FULL, ZONE_TAKEN, ZoneGive, ZoneGrow, ZoneTake
from protocol.records import ZONE_ITEMS


class Zone(Home, kw_only=True):
    """A zone of at most ``limit`` items, ``slab_items`` of them in a slab."""

    ops: ClassVar[OpTable] = {
        ZoneTake: locked("take", "items"),
        ZoneGive: locked("give", "items"),
        ZoneGrow: locked("grow", "items"),
    }

    limit: int
    slab_items: int
    free: int = 0
    slabs: int = 0

    def take(self, op: ZoneTake) -> Value:
        """uma_zalloc."""
        if self.free:
            self._count(-1)
            return ZONE_TAKEN
        return ZONE_EMPTY if self.slabs * self.slab_items < self.limit else ZONE_FULL

    def give(self, op: ZoneGive) -> Value:
        """uma_zfree."""
        self._count(op.items)
        return None

    def grow(self, op: ZoneGrow) -> Value:
        """A slab was allocated. The zone's last one may hold more items than the limit leaves."""
        room = self.limit - self.slabs * self.slab_items
        self.slabs += 1
        self._count(max(0, min(self.slab_items, room)))
        return None

    def _count(self, delta: int) -> None:
        self.record((ZONE_ITEMS, self.free, self.free + delta, self.slabs))
        self.free += delta
