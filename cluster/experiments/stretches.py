"""Which steps of an arm a picture is made of: from the first that differs to the violation, without what only prepares or follows.

What a thread posts to a lock's home under that lock is put before the release, as the thread did it: by the clock it arrives a little
later, and would look as if it had been done without the lock. Pages that the violation does not name are left out, so are critical
sections in which nothing is seen to happen, and kernel threads that only look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cluster.experiments.stories import begins, common
from cluster.experiments.telling import Step

ARROWS_MAX, HEAD_ARROWS, LEAD_ARROWS = 27, 14, 9
_HIDDEN = ("task.", "fault.done", "free.fail", "wakeup", "enter", "leave", "access.", "injected", "tlb.evict", "peek")
_IDLE = ("sleeps on vm_pages_needed", "TLB drops everything not global (load)", "runs again (timeout)")
_KERNEL_THREAD = re.compile(r"k[0-9]+\.[0-9]+")
_FRAME = re.compile(r"\b(?:pages?|frames?) (0x[0-9a-f]+)")
Entry = tuple[int, Step]
"""A step with its number in the run."""


class Part(NamedTuple):
    """Steps in a row that are drawn, or left out; ``silent``: without saying so."""

    steps: Sequence[Step]
    drawn: bool
    silent: bool = False


def stretch(found: Sequence[Step], other: Sequence[Step], shows: Sequence[str]) -> list[Part]:
    """The parts of a picture; the first is what comes before it. ``other`` is the arm it is compared with, if there is one."""
    end = _end(found, shows)
    frames = _frames(found[:end], shows)
    kept = _merged(_without_idle([entry for entry in _in_hand(found[:end]) if _matters(entry[1], frames)]))
    start = _start(kept, found, other)
    before, shown = ([step for _, step in part] for part in (kept[:start], kept[start:]))
    return [Part(before, False, silent=True), *_parted(list(_gathered(_said_once(shown))))]


def lock_of(step: Step) -> str:
    """The home of the lock in a lock's step: ``+vm object object.1 (held 20 ns)``."""
    return step.text.partition(" (")[0].split()[-1]


def _end(found: Sequence[Step], shows: Sequence[str]) -> int:
    """Up to where: the first words of the check that names the bug, with those spoken together with it."""
    spoken = [number for number, step in enumerate(found) if step.spoken and (not shows or step.kind == shows[0])]
    if spoken:
        end = spoken[0] + 1
        while end < len(found) and found[end].spoken:
            end += 1
        return end
    counted = [number for number, step in enumerate(found) if step.counted]
    return min(counted[min(len(counted), 3) - 1] + LEAD_ARROWS, len(found)) if counted else len(found)


def _start(kept: Sequence[Entry], found: Sequence[Step], other: Sequence[Step]) -> int:
    """Where the stretch begins: at the first step that differs, or, if that is near the end, as early as there is room for."""
    differs, begin = common(found, other), begins(found)
    roomy = max(sum(number < begin for number, _ in kept) - LEAD_ARROWS, len(kept) - ARROWS_MAX)
    differing = sum(number < differs for number, _ in kept) - LEAD_ARROWS if other else len(kept)
    return max(0, min(differing, roomy))


def _frames(found: Sequence[Step], shows: Sequence[str]) -> set[str]:
    """The frames that the words told up to name; none if they name none."""
    spoken = [step for step in found if step.spoken and (not shows or step.kind == shows[0])]
    return set(_FRAME.findall(spoken[0].text)) if spoken else set()


def _matters(step: Step, frames: set[str]) -> bool:
    if step.spoken or step.counted:
        return True
    mine = set(_FRAME.findall(step.text))
    if step.kind == "page.flags" and not mine & frames:
        return False
    return not step.kind.startswith(_HIDDEN) and not step.text.startswith(_IDLE) and (not frames or not mine or bool(mine & frames))


def _in_hand(found: Sequence[Step]) -> list[Entry]:
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


def _without_idle(kept: Sequence[Entry]) -> list[Entry]:
    """Kernel threads that only take locks and give them back are no part of the story."""
    busy = {step.who for _, step in kept if not step.kind.startswith(("lock.", "sleep", "wake"))}
    return [(number, step) for number, step in kept if step.who in busy or not _KERNEL_THREAD.fullmatch(step.who)]


def _merged(kept: Sequence[Entry]) -> list[Entry]:
    """Locks taken and given back with nothing between left out, or one step if they are counted."""
    merged: list[Entry] = []
    for number, step in kept:
        last = merged[-1][1] if merged else None
        if step.kind == "lock.release" and last is not None and last.kind == "lock.acquire" and _of_one_lock(last, step):
            place, _ = merged.pop()
            if last.counted:
                merged.append((place, last._replace(kind="lock.both")))
        else:
            merged.append((number, step))
    return merged


def _of_one_lock(one: Step, other: Step) -> bool:
    return one.who == other.who and lock_of(one) == lock_of(other)


def _said_once(shown: Sequence[Step]) -> list[Step]:
    """Each check's first words, and its first in the last group: what it says of further pages says no more."""
    last = next((number for number in range(len(shown), 0, -1) if not shown[number - 1].spoken), 0)
    said: set[tuple[bool, str]] = set()
    kept = []
    for number, step in enumerate(shown):
        key = (number >= last, step.kind)
        if not step.spoken or key not in said:
            kept.append(step)
        said.add(key)
    return kept


def _gathered(shown: Sequence[Step]) -> Iterator[Step]:
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


def _parted(shown: Sequence[Step]) -> Iterator[Part]:
    """The stretch; if it is too long without most of its middle: where a thread is held, and what is spoken, stay."""
    tail = len(shown) - ARROWS_MAX + HEAD_ARROWS if len(shown) > ARROWS_MAX + 2 else 0
    for drawn, group in groupby(enumerate(shown), lambda one: not HEAD_ARROWS <= one[0] < tail or _stays(one[1])):
        yield Part([step for _, step in group], drawn)


def _stays(step: Step) -> bool:
    return step.spoken or step.kind == "held"
