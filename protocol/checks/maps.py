"""I-MAP: an address-space map's entries. The map is their only home, so its records are judged in their own order."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from protocol import records as r
from protocol.checks.base import Check
from protocol.checks.state import MapView
from protocol.records import Head


class MapEntries(Check):
    """Statement: the entries of a map are disjoint and none is empty; what is removed, split or changed is an entry, with the object and
    offset it was given.

    Evaluated: at every ``map.add``, ``map.remove``, ``map.clip``, ``map.protect``, ``map.wire`` and ``map.object``. Detects: a mapping put
    over another, an entry clipped to the wrong end, a part of an entry wired; no change of the table. An entry here is wired or not, it has
    no count; and whether its pages are wired with it is not judged: entries are kept by map and pages by frame, what is in between (object,
    offset, a fault under way) by others, and no record says when the three are at rest. A page's own wirings are I-WIRED's.
    """

    name = "I-MAP"
    domains = ("maps",)
    before = {
        "maps": {
            r.MAP_ADD: "added", r.MAP_REMOVE: "removed", r.MAP_CLIP: "clipped", r.MAP_PROTECT: "protected", r.MAP_WIRE: "wired",
            r.MAP_OBJECT: "named",
        }
    }  # fmt: skip

    def added(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """It overlaps neither the entry before it nor the one after."""
        self.evaluated += 1
        _, start, end, *_ = record
        if start >= end:
            self.violate(head, index, f"{head[3]}: {_range(start, end)} added, which is empty")
            return
        place = bisect_left(view.starts, end) - 1
        if place >= 0:
            other = view.starts[place]
            last = view.entries[other][0]
            if last > start:
                self.violate(head, index, f"{head[3]}: {_range(start, end)} added over {_range(other, last)}")

    def removed(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """The whole of an entry."""
        _, start, end, name, offset = record
        self._is(start, (end, name, offset), "removed", view, head, index)

    def protected(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """The whole of an entry."""
        self._whole(record, "protected", view, head, index)

    def wired(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """The whole of an entry."""
        self._whole(record, "wired" if record[3] else "no longer wired", view, head, index)

    def _whole(self, record: Any, what: str, view: MapView, head: Head, index: int) -> None:
        self.evaluated += 1
        _, start, end, _ = record
        entry = view.entries.get(start)
        if entry is None or entry[0] != end:
            self.violate(head, index, f"{head[3]}: {_range(start, end)} {what}, but {_found(start, entry)}")

    def clipped(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """Within an entry."""
        self.evaluated += 1
        _, start, at = record
        entry = view.entries.get(start)
        if entry is None or not start < at < entry[0]:
            self.violate(head, index, f"{head[3]}: split at {at:#x}, but {_found(start, entry)}")

    def named(self, record: Any, view: MapView, head: Head, index: int) -> None:
        """An entry gets an object."""
        self.evaluated += 1
        if record[1] not in view.entries:
            self.violate(head, index, f"{head[3]}: {record[2]} given to an entry at {record[1]:#x}, but none begins there")

    def _is(self, start: int, wanted: tuple[int, str, int], what: str, view: MapView, head: Head, index: int) -> None:
        self.evaluated += 1
        entry = view.entries.get(start)
        if entry != wanted:
            end, name, offset = wanted
            text = f"{_range(start, end)} of {name or 'no object'} from {offset} {what}, but {_found(start, entry)}"
            self.violate(head, index, f"{head[3]}: {text}")


def _range(start: int, end: int) -> str:
    return f"{start:#x} to {end:#x}"


def _found(start: int, entry: tuple[int, str, int] | None) -> str:
    if entry is None:
        return f"no entry begins at {start:#x}"
    return f"the entry there is {_range(start, entry[0])} of {entry[1] or 'no object'} from {entry[2]}"
