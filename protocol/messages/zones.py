"""Operations on a UMA zone with a private object (home ``zone.*``, under the zone's lock; vm-facts 3.14, 3.16)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class ZoneTake(Op, tag=230, gc=False):
    """uma_zalloc without waiting: take an item. Value: ZONE_TAKEN, ZONE_EMPTY (a slab is needed) or ZONE_FULL (the zone may not grow)."""

    word: ClassVar[str] = "zone.take"


ZONE_TAKEN, ZONE_EMPTY, ZONE_FULL = range(3)


class ZoneGive(Op, tag=231, gc=False):
    """uma_zfree: ``items`` come back. No value."""

    word: ClassVar[str] = "zone.give"
    items: int = 1


class ZoneGrow(Op, tag=232, gc=False):
    """A new slab's items are free. No value."""

    word: ClassVar[str] = "zone.grow"
