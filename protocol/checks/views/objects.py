"""Vm objects: what is resident in each, in the order in which the object itself saw it.

A write to an object may be posted under its lock, so ``object.remove`` can be recorded after the frame is back on the free list, when the
object is far away. What was freed is therefore remembered here and judged when the object's lock is next acquired: links are FIFO and an
unlock follows the posted writes, so whatever was posted under the lock has arrived by the next grant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import OBJECT
from protocol.checks.state import ObjectView
from protocol.checks.views.domain import ACTOR, Domain, Handler, nothing
from protocol.records import Head


class Objects(Domain):
    """All vm objects of one shard that have, or just had, resident pages."""

    name = "objects"

    def __init__(self, state: dict[str, ObjectView], findings: Findings, checks: Sequence[Check]) -> None:
        self.objects = state
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        objects = self.objects
        return [
            (OBJECT, r.OBJECT_INSERT, self.compose(r.OBJECT_INSERT, objects, ACTOR, _insert, ObjectView)),
            (OBJECT, r.OBJECT_REMOVE, self.compose(r.OBJECT_REMOVE, objects, ACTOR, self._remove, None)),
            (OBJECT, r.OBJECT_IO, self.compose(r.OBJECT_IO, objects, ACTOR, _io, None)),
            (OBJECT, r.PAGE_BIND, self.compose(r.PAGE_BIND, objects, 2, _bind, None)),
            (OBJECT, r.PAGE_RELEASE, self.compose(r.PAGE_RELEASE, objects, 2, _release, None)),
            (
                OBJECT,
                r.LOCK_ACQUIRE,
                self.compose(r.LOCK_ACQUIRE, objects, 2, _locked if self.around(r.LOCK_ACQUIRE)[0] else nothing, None),
            ),
        ]

    def _remove(self, record: Any, view: ObjectView, head: Head) -> None:
        _, pindex, frame = record
        _, soft = view.resident.pop(pindex, (frame, 0))
        if soft:
            view.removed_soft[pindex] = frame
        view.released.pop(pindex, None)
        if not view.resident and not view.removed_soft and not view.released:
            del self.objects[head[3]]


def _insert(record: Any, view: ObjectView, head: Head) -> None:
    view.resident[record[1]] = (record[2], 0)


def _io(record: Any, view: ObjectView, head: Head) -> None:
    _, pindex, frame, _, new = record
    if pindex in view.resident:
        view.resident[pindex] = (frame, new)


def _bind(record: Any, view: ObjectView, head: Head) -> None:
    view.released.pop(record[3], None)


def _release(record: Any, view: ObjectView, head: Head) -> None:
    _, frame, _, pindex, _ = record
    if view.resident.get(pindex, (0, 0))[0] == frame:
        view.released[pindex] = frame


def _locked(record: Any, view: ObjectView, head: Head) -> None:
    if view.released or view.removed_soft:
        view.released.clear()
        view.removed_soft.clear()
