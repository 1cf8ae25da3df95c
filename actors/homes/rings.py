"""A doubly linked queue of integers as two dictionaries: insert anywhere, remove and step in constant time, and a state that is plain data.

The kernel's TAILQ threads its links through the page records; here the links are the queue's own, so that a scan marker (a negative number)
needs no record. A list or a deque was rejected: taking a page out of the middle, the commonest move of all, costs them a walk.
"""

from __future__ import annotations

import msgspec

END = 0
"""The sentinel before the head and behind the tail: 0 is never a frame."""


def _closed() -> dict[int, int]:
    return {END: END}


class Ring(msgspec.Struct, array_like=True):
    """A queue of frames (positive) and markers (negative). ``after[END]`` is its head, ``before[END]`` its tail."""

    after: dict[int, int] = msgspec.field(default_factory=_closed)
    before: dict[int, int] = msgspec.field(default_factory=_closed)
    markers: int = 0

    @property
    def count(self) -> int:
        """How many frames stand in the queue."""
        return len(self.after) - 1 - self.markers

    def insert(self, item: int, place: int) -> None:
        """Insert ``item`` behind ``place``, which is in the queue; END puts it at the head."""
        after, before = self.after, self.before
        follower = after[place]
        after[place] = before[follower] = item
        before[item] = place
        after[item] = follower
        if item < END:
            self.markers += 1

    def remove(self, item: int) -> None:
        """Take ``item``, which is in the queue, out of it."""
        after, before = self.after, self.before
        follower, leader = after.pop(item), before.pop(item)
        after[leader] = follower
        before[follower] = leader
        if item < END:
            self.markers -= 1

    def first(self) -> int:
        """The first frame from the head, markers passed over; END if there is none."""
        item = self.after[END]
        while item < END:
            item = self.after[item]
        return item

    def frames(self) -> list[int]:
        """The frames from head to tail."""
        found, item = [], self.after[END]
        while item != END:
            if item > 0:
                found.append(item)
            item = self.after[item]
        return found
