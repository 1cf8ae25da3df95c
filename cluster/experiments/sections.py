"""Critical sections in the steps of an arm, as a picture shows them.

What a thread posts to a lock's home under that lock is put before the release, as the thread did it: by the clock it arrives a little
later, and would look as if it had been done without the lock. Sections in which nothing is seen to happen are left out, unless they fall
into a gap in which another thread is held: who could take the lock there is what the gap is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.experiments.telling import Step

Entry = tuple[int, Step]
"""A step with its number in the run."""


def lock_of(step: Step) -> str:
    """The home of the lock in a lock's step: ``+vm object object.1 (held 20 ns)``."""
    return step.text.partition(" (")[0].split()[-1]


def upgrades(step: Step) -> bool:
    """Is a shared lock that is held made exclusive here? It is not taken another time, and is given back once."""
    return step.kind == "lock.acquire" and "(upgrade" in step.text


def in_hand(found: Sequence[Step]) -> list[Entry]:
    """The steps, numbered, each that was posted to a lock's home under the lock put before the lock's release."""
    made = {step.event: number for number, step in reversed(list(enumerate(found)))}
    order: list[Entry] = []
    released: dict[tuple[str, str], Entry] = {}
    for entry in enumerate(found):
        number, step = entry
        lock = released.get((step.who, step.where))
        if step.kind == "lock.release":
            released[step.who, lock_of(step)] = entry
        elif step.kind == "lock.acquire":
            released.pop((step.who, lock_of(step)), None)
        elif lock is not None and not step.spoken and made.get(step.cause, number) <= lock[0]:
            order.insert(_place(order, lock), entry)
            continue
        order.append(entry)
    return order


def _place(order: Sequence[Entry], lock: Entry) -> int:
    """Where the release stands, which is near the end."""
    return next(place for place in range(len(order) - 1, -1, -1) if order[place] is lock)


def merged(kept: Sequence[Entry]) -> list[Entry]:
    """Locks taken and given back with nothing between left out, or one step if they are counted or, the first time, if another thread is
    held meanwhile."""
    order: list[Entry] = []
    held: set[str] = set()
    noted: set[tuple[str, str]] = set()
    for number, step in kept:
        held.discard(step.who)
        if step.kind == "held":
            held.add(step.who)
            noted.clear()
        if step.kind != "lock.release":
            order.append((number, step))
            continue
        section = (step.who, lock_of(step))
        _given_back(order, (number, step), keep=bool(held) and section not in noted)
        noted.add(section)
    return order


def _given_back(order: list[Entry], release: Entry, keep: bool) -> None:
    """Put a release behind what was done under the lock; if that was nothing, only one step is left, or none."""
    if not order or not _of_one_lock(order[-1][1], release[1]):
        order.append(release)
        return
    place, taken = order.pop()
    if taken.counted or keep:
        order.append((place, taken._replace(kind="lock.both")))


def _of_one_lock(taken: Step, given: Step) -> bool:
    same = taken.kind == "lock.acquire" and taken.who == given.who and lock_of(taken) == lock_of(given)
    return same and not upgrades(taken)
