"""What of a stretch that does not fit a picture is drawn: what decides, and what is near it.

Always: where the stretch begins, what is spoken, where a thread is held, what is counted, what the experiment's file asks for, and the last
steps before the end. Then, as far as there is room, what is done to the pages of the violation and to the addresses it names, who waits and
sleeps, other steps, and locks, the nearest to what is drawn already first. Cutting the middle out was tried first: the decisive step
of a long interleaving is in its middle as often as not.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from cluster.experiments.form import PictureTable
from cluster.experiments.telling import Step

ARROWS_MAX, LEAD_ARROWS = 27, 9
"""How many steps a picture has room for; how many may lead up to where it begins."""
FIRST_ARROWS, LAST_ARROWS = 3, 5
COUNTED_MAX = 4
TELLING, FILLING, SLACK = 1, 6, 2
"""What a step must weigh to be drawn for itself, how much room is left for what only fills gaps, and by how much filling may exceed it."""
_WAITS = ("sleep", "wake", "lock.wait", "lock.fail", "free.fail", "peek")
_TURNS = (
    "page.bind", "page.rebind", "page.busy", "page.unbusy", "page.wire", "pte.set", "pte.clear", "object.insert", "object.remove",
    "free.put", "free.take", "frame.", "store", "tlb.fill",
)  # fmt: skip
"""What becomes of a page, and not only of its flags and its place in a queue."""
_NUMBER = re.compile(r"\b0x[0-9a-f]+\b")


class Subject(NamedTuple):
    """What a picture is about: the frames that its words name (none if they name none), those that it is probably about, and what the file
    asks for."""

    frames: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()
    picture: PictureTable = PictureTable()

    def wants(self, step: Step) -> bool:
        """Does the experiment's file ask for this step?"""
        return self.picture.keeps_step(step.who, step.text)

    def decides(self, step: Step) -> bool:
        """Is this drawn in any case, were there too much of everything else?"""
        return step.spoken or step.kind == "held" or step.counted or self.wants(step)


def drawn(shown: Sequence[Step], subject: Subject) -> set[int]:
    """The numbers of the steps that are drawn."""
    if len(shown) <= ARROWS_MAX + 2:
        return set(range(len(shown)))
    stay = _decisive(shown, subject)
    words = {number for step in shown if step.spoken for number in _NUMBER.findall(step.text)} | subject.near
    weights = {number: _weight(step, words, subject) for number, step in enumerate(shown)}
    anchors = sorted(stay)
    for number in sorted(set(weights) - stay, key=lambda number: (-weights[number], _distance(number, anchors), -number)):
        if weights[number] < TELLING or _room(shown, stay) <= FILLING:
            break
        stay.add(number)
    return _filled(shown, stay)


def _room(shown: Sequence[Step], stay: set[int]) -> int:
    """For how many more steps there is room."""
    return ARROWS_MAX - sum(not shown[one].spoken for one in stay)


def _filled(shown: Sequence[Step], stay: set[int]) -> set[int]:
    """With the smallest gaps drawn as far as there is room: a gap that is told of takes as much room as a step or two."""
    stay = set(stay)
    for gap in sorted(_gaps(stay, len(shown)), key=lambda gap: (len(gap), -gap.start)):
        if len(gap) > 1 and len(gap) > _room(shown, stay) + SLACK:
            break
        stay.update(gap)
    return stay


def _gaps(stay: set[int], count: int) -> Iterator[range]:
    """The steps in a row that are not drawn."""
    ends = [-1, *sorted(stay), count]
    return (range(one + 1, other) for one, other in pairwise(ends) if other - one > 1)


def _decisive(shown: Sequence[Step], subject: Subject) -> set[int]:
    """What is drawn in any case; of what is counted not more than a few."""
    counted = [number for number, step in enumerate(shown) if step.counted]
    stay = {number for number, step in enumerate(shown) if subject.decides(step)} - set(counted[COUNTED_MAX:])
    end = len(shown) - next((number for number, step in enumerate(reversed(shown)) if not step.spoken), 0)
    return stay | set(range(min(FIRST_ARROWS, len(shown)))) | set(range(max(0, end - LAST_ARROWS), end))


def _weight(step: Step, words: set[str] | frozenset[str], subject: Subject) -> int:
    """How much a step has to do with the violation."""
    numbers = set(_NUMBER.findall(step.text))
    if numbers & subject.near:
        return 6 if step.kind == "page.release" else 5 if step.kind.startswith(_TURNS) else 4
    if numbers & words:
        return 3
    if step.kind.startswith(_WAITS):
        return 2
    return 0 if step.kind.startswith("lock.") else 1


def _distance(number: int, anchors: Sequence[int]) -> int:
    """How far it is to the nearest of the steps that are drawn in any case."""
    place = bisect(anchors, number)
    return min((abs(number - near) for near in anchors[max(0, place - 1) : place + 1]), default=0)


def gathered(shown: Sequence[Step]) -> Iterator[Step]:
    """Many steps of a kind in a row as the first of them."""
    number = 0
    while number < len(shown):
        run = _run(shown, number)
        more = f" (and {run - 1} more such)" if run > 2 else ""
        yield shown[number]._replace(text=shown[number].text + more)
        number += run if run > 2 else 1


def _run(shown: Sequence[Step], first: int) -> int:
    """How many steps from this one on are alike."""
    number = first
    while number < len(shown) and _alike(shown[first], shown[number]):
        number += 1
    return number - first


def _alike(step: Step, other: Step) -> bool:
    if step.spoken or other.spoken or step.counted or step.kind.startswith(("lock.", "held")):
        return False
    return step[1:4] == other[1:4]
