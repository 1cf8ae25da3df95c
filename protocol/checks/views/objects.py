"""Vm objects: what is resident in each, in the order in which the object itself saw it, and the object's header.

A write to an object may be posted under its lock, so ``object.remove`` can be recorded after the frame is back on the free list, when the
object is far away. What was freed is therefore remembered here and judged when the object's lock is next acquired: links are FIFO and an
unlock follows the posted writes, so whatever was posted under the lock has arrived by the next grant. The same goes for the two halves of
residence, the object's list and the page's own word of its owner, of which one is written before the other.

References are counted elsewhere as well: map entries and shadows refer to an object from other shards, and tell the global stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, Findings
from protocol.checks.routing import OBJECT, OLD_OBJECT
from protocol.checks.state import GlobalState, ObjectView
from protocol.checks.views.domain import ACTOR, Domain, Handler, nothing
from protocol.messages.objects import OBJ_DEAD
from protocol.pages import OBJT_DEAD
from protocol.records import Head


class Objects(Domain):
    """All vm objects of one shard, from their creation until they are dead and nothing refers to them. ``known`` is what the global stage
    has counted."""

    name = "objects"

    def __init__(self, state: dict[str, ObjectView], known: GlobalState, findings: Findings, checks: Sequence[Check]) -> None:
        self.objects = state
        self.known = known
        super().__init__(findings, checks)

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """As the base says."""
        objects = self.objects
        own = {r.OBJECT_INSERT: _insert, r.OBJECT_PIP: _pip, r.OBJECT_REFS: _refs, r.OBJECT_SHADOWS: _shadows}
        table = [(OBJECT, number, self.compose(number, objects, ACTOR, update, ObjectView)) for number, update in own.items()]
        return [
            *table,
            (OBJECT, r.OBJECT_NEW, self.compose(r.OBJECT_NEW, objects, 1, _new, ObjectView)),
            (OBJECT, r.OBJECT_NEW, self._shadows_another),
            (OBJECT, r.OBJECT_BACKING, self._backing),
            (OBJECT, r.OBJECT_FLAGS, self.compose(r.OBJECT_FLAGS, objects, ACTOR, _flags, ObjectView)),
            (OBJECT, r.OBJECT_FLAGS, self._begins_to_die),
            (OBJECT, r.OBJECT_REFS, self._is_given_up),
            (OBJECT, r.OBJECT_REMOVE, self.compose(r.OBJECT_REMOVE, objects, ACTOR, self._remove, None)),
            (OBJECT, r.OBJECT_TYPE, self.compose(r.OBJECT_TYPE, objects, ACTOR, self._type, None)),
            (OBJECT, r.OBJECT_TREE, self.compose(r.OBJECT_TREE, objects, ACTOR, nothing, None)),
            (OBJECT, r.OBJECT_IO, self.compose(r.OBJECT_IO, objects, ACTOR, _io, None)),
            (OBJECT, r.PAGE_BIND, _if_named(2, self.compose(r.PAGE_BIND, objects, 2, _bind, ObjectView))),
            (OBJECT, r.FAKE_NEW, self.compose(r.FAKE_NEW, objects, 2, _rebound, ObjectView)),
            (OBJECT, r.PAGE_RELEASE, self.compose(r.PAGE_RELEASE, objects, 2, self._release, None)),
            (OLD_OBJECT, r.PAGE_REBIND, self.compose(r.PAGE_REBIND, objects, 4, self._unbound, None)),
            (OBJECT, r.PAGE_REBIND, _if_named(2, self.unjudged(objects, 2, _rebound, ObjectView))),
            (OBJECT, r.TRANSITION, self.compose(r.TRANSITION, objects, 3, _transition, None)),
            (OBJECT, r.SLEEP, self.compose(r.SLEEP, objects, 3, _sleep, None)),
            (OBJECT, r.WAKEUP, self.compose(r.WAKEUP, objects, ACTOR, _wakeup, None)),
            *self.unseen(OBJECT, r.UNGUARDED),
            (OBJECT, r.LOCK_ACQUIRE, self.compose(r.LOCK_ACQUIRE, objects, 2, _locked, None)),
        ]

    # The header, with what the global stage must know ------------------------------------------------------------------------

    def _shadows_another(self, record: Any, head: Head, index: int) -> None:
        if record[5]:
            self.findings.derive(head, index, OBJECT, "shadow", record[1], record[5], record[6])

    def _backing(self, record: Any, head: Head, index: int) -> None:
        self.findings.derive(head, index, OBJECT, "shadow", head[3], record[1], record[2])

    def _begins_to_die(self, record: Any, head: Head, index: int) -> None:
        """A termination begins with the last reference gone; a collapse while the one in front still has one."""
        if record[2] & ~record[1] & OBJ_DEAD and self.objects[head[3]].refs <= 0:
            self.findings.derive(head, index, OBJECT, "dead", head[3])

    def _is_given_up(self, record: Any, head: Head, index: int) -> None:
        """The last reference on an object that is dead already goes: a collapse ends."""
        if record[2] <= 0 and self.objects[head[3]].flags & OBJ_DEAD:
            self.findings.derive(head, index, OBJECT, "dead", head[3])

    def _type(self, record: Any, view: ObjectView, head: Head) -> None:
        if record[2] == OBJT_DEAD:
            view.dead = True
            self._forget(head[3], view)

    # Residence --------------------------------------------------------------------------------------------------------------

    def _remove(self, record: Any, view: ObjectView, head: Head) -> None:
        _, pindex, frame = record
        _, soft = view.resident.pop(pindex, (frame, 0))
        if soft:
            view.removed_soft[pindex] = frame
        if view.released:
            view.released.pop(pindex, None)
        _half(view, pindex, frame, -1)
        if view.dead:
            self._forget(head[3], view)

    def _release(self, record: Any, view: ObjectView, head: Head) -> None:
        _, frame, name, pindex, _ = record
        if view.resident.get(pindex, (0, 0))[0] == frame:
            view.released[pindex] = frame
        _half(view, pindex, frame, 1)
        if view.moving:
            view.moving.pop(frame, None)
        if view.dead:
            self._forget(name, view)

    def _unbound(self, record: Any, view: ObjectView, head: Head) -> None:
        _, frame, _, _, name, pindex = record
        _half(view, pindex, frame, 1)
        if view.dead:
            self._forget(name, view)

    def _forget(self, name: str, view: ObjectView) -> None:
        """A dead object's husk is remembered until what was posted has arrived."""
        if not (view.resident or view.removed_soft or view.released or view.halves or view.sleepers or view.pip):
            self.objects.pop(name, None)


def _half(view: ObjectView, pindex: int, frame: int, which: int) -> None:
    """One half of residence came (or the other went): in step again if the other was missing, though it may have been said already."""
    key = (pindex, frame)
    halves = view.halves
    if view.told.get(key) == -which:
        del view.told[key]
    elif key in halves:
        if halves[key] + which:
            halves[key] += which
        else:
            del halves[key]
    else:
        halves[key] = which


def _if_named(position: int, handler: Handler) -> Handler:
    """For records about pages, of which some are in no object."""

    def named(record: Any, head: Head, index: int) -> None:
        if record[position]:
            handler(record, head, index)

    return named


def _new(record: Any, view: ObjectView, head: Head) -> None:
    view.refs, view.created, view.touched_ns = record[4], True, head[0]


def _flags(record: Any, view: ObjectView, head: Head) -> None:
    view.flags = record[2]


def _insert(record: Any, view: ObjectView, head: Head) -> None:
    _, pindex, frame = record
    view.resident[pindex] = (frame, 0)
    _half(view, pindex, frame, 1)


def _io(record: Any, view: ObjectView, head: Head) -> None:
    _, pindex, frame, _, new = record
    if pindex in view.resident:
        view.resident[pindex] = (frame, new)


def _bind(record: Any, view: ObjectView, head: Head) -> None:
    if view.released:
        view.released.pop(record[3], None)
    _half(view, record[3], record[1], -1)


def _rebound(record: Any, view: ObjectView, head: Head) -> None:
    _half(view, record[3], record[1], -1)


def _pip(record: Any, view: ObjectView, head: Head) -> None:
    view.pip = record[2]
    view.touched_ns = head[0]


def _refs(record: Any, view: ObjectView, head: Head) -> None:
    view.refs = record[2]
    view.touched_ns = head[0]


def _shadows(record: Any, view: ObjectView, head: Head) -> None:
    view.shadows = record[2]
    view.touched_ns = head[0]


def _transition(record: Any, view: ObjectView, head: Head) -> None:
    frame, moving = record[2], view.moving
    view.touched_ns = head[0]
    if record[5]:
        moving[frame] = moving.get(frame, 0) + 1
    elif frame in moving:
        if moving[frame] > 1:
            moving[frame] -= 1
        else:
            del moving[frame]


def _sleep(record: Any, view: ObjectView, head: Head) -> None:
    view.sleepers[record[1]] = head[0]


def _wakeup(record: Any, view: ObjectView, head: Head) -> None:
    for thread in record[2]:
        view.sleepers.pop(thread, None)


def _locked(record: Any, view: ObjectView, head: Head) -> None:
    if record[6] == 1:
        if view.released or view.removed_soft:
            view.released.clear()
            view.removed_soft.clear()
        if view.halves:
            view.told.update(view.halves)
            view.halves.clear()
