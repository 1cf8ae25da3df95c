"""Address-space maps: the entries of each, and how many entries name each object, which the global stage counts.

A map is the home of its entries, so its own records are exact in their order. Entries are split by clipping before anything is done to a
part of one; the split is a record of its own, for it changes how many entries refer to an object.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import MAP
from protocol.checks.state import MapView
from protocol.checks.views.domain import ACTOR, Domain, Handler, nothing
from protocol.records import Head


class Maps(Domain):
    """All maps of one shard that have entries."""

    name = "maps"

    def __init__(self, state: dict[str, MapView], findings: Findings, checks: Sequence[Check]) -> None:
        self.maps = state
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says. What an entry referred to is told before the entry changes."""
        updates = {
            r.MAP_ADD: _add,
            r.MAP_REMOVE: self._remove,
            r.MAP_OBJECT: _object,
            r.MAP_CLIP: _clip,
            r.MAP_PROTECT: nothing,
            r.MAP_WIRE: nothing,
        }
        told = {r.MAP_ADD: self._tell_add, r.MAP_REMOVE: self._tell_remove, r.MAP_OBJECT: self._tell_object, r.MAP_CLIP: self._tell_clip}
        table: list[tuple[int, int, Handler]] = [(MAP, number, tell) for number, tell in told.items()]
        return table + [(MAP, number, self.compose(number, self.maps, ACTOR, update, MapView)) for number, update in updates.items()]

    def _remove(self, record: Any, view: MapView, head: Head) -> None:
        start = record[1]
        if view.entries.pop(start, None) is not None:
            del view.starts[bisect_left(view.starts, start)]
        if not view.starts:
            del self.maps[head[3]]

    # What the global stage must know ----------------------------------------------------------------------------------------

    def _count(self, name: str, delta: int, head: Head, index: int) -> None:
        if name:
            self.findings.derive(head, index, MAP, "entry", name, delta)

    def _tell_add(self, record: Any, head: Head, index: int) -> None:
        self._count(record[3], 1, head, index)

    def _tell_remove(self, record: Any, head: Head, index: int) -> None:
        self._count(record[3], -1, head, index)

    def _tell_object(self, record: Any, head: Head, index: int) -> None:
        old = self._named(head[3], record[1])
        if old != record[2]:
            self._count(old, -1, head, index)
            self._count(record[2], 1, head, index)

    def _tell_clip(self, record: Any, head: Head, index: int) -> None:
        self._count(self._named(head[3], record[1]), 1, head, index)

    def _named(self, name: str, start: int) -> str:
        """The object of the entry that begins at ``start`` ("" if there is none)."""
        view = self.maps.get(name)
        entry = view.entries.get(start) if view is not None else None
        return entry[1] if entry is not None else ""


def _add(record: Any, view: MapView, head: Head) -> None:
    _, start, end, name, offset, _, _ = record
    if start not in view.entries:
        insort(view.starts, start)
    view.entries[start] = (end, name, offset)


def _object(record: Any, view: MapView, head: Head) -> None:
    _, start, name, offset, _ = record
    entry = view.entries.get(start)
    if entry is not None:
        view.entries[start] = (entry[0], name, offset)


def _clip(record: Any, view: MapView, head: Head) -> None:
    _, start, at = record
    entry = view.entries.get(start)
    if entry is not None and start < at < entry[0]:
        end, name, offset = entry
        view.entries[start] = (at, name, offset)
        if at not in view.entries:
            insort(view.starts, at)
        view.entries[at] = (end, name, offset + at - start)
