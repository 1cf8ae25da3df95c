"""The failing interleaving as a sequence diagram, in Mermaid's notation: threads on one side, the homes of what they change on the other.

A lock is an arrow to its home, whose bar lasts as long as the lock is held; what changes is an arrow with its words; a thread that is held
or does something of its own, and a check that speaks, is a note. Drawn is the stretch from the first step that differs to the violation,
with its middle left out if it is long: a picture that does not fit a page is not looked at. Pages that the violation does not name are
left out, and so is what only prepares. What a thread posts to a lock's home under that lock is drawn before the release, as the thread did
it: by the clock it arrives a little later, and would look as if it had been done without the lock.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cluster.experiments.stories import begins, common
from cluster.experiments.telling import Step

ARROWS_MAX, HEAD_ARROWS, LEAD_ARROWS = 27, 14, 9
LABEL_WIDTH, NOTE_WIDTH = 34, 84
_HIDDEN = ("task.", "fault.done", "free.fail", "wakeup", "enter", "leave", "access.", "injected", "tlb.evict", "peek")
_IDLE = ("sleeps on vm_pages_needed", "TLB drops everything not global (load)")
_KERNEL_THREAD = re.compile(r"k[0-9]+\.[0-9]+")
_TITLES = {"pq": "page queues", "fq": "free lists", "smp": "rendezvous"}
_VERBS = {"lock.acquire": "acquire", "lock.release": "release", "lock.wait": "acquire, must wait", "lock.fail": "try, not got"}
_FRAME = re.compile(r"\b(?:pages?|frames?) (0x[0-9a-f]+)")


def diagram(found: Sequence[Step], other: Sequence[Step] = (), shows: Sequence[str] = ()) -> list[str]:
    """The lines of a ``sequenceDiagram`` of an arm: ``other`` is the arm it is compared with, ``shows`` what it must show."""
    end = _end(found, shows)
    frames = _frames(found, end, shows)
    kept = [(number, step) for number, step in _in_hand(found[:end]) if _matters(step, frames)]
    start = _start([number for number, _ in kept], found, other)
    before, stretch = [step for _, step in kept[:start]], _merged([step for _, step in kept[start:]])
    parts = _parted(_without_idle(_said_once(stretch)))
    people = _participants(step for part in parts if part.drawn for step in part.steps)
    lines = ["sequenceDiagram", *(f"    participant {_id(name)} as {_title(name)}" for name in people)]
    return lines + list(_drawn([Part(before, False, silent=True), *parts], people))


def _start(kept: Sequence[int], found: Sequence[Step], other: Sequence[Step]) -> int:
    """Where the stretch begins: at the first step that differs, or, if that is near the end, as early as there is room for."""
    differs, begin = common(found, other), begins(found)
    roomy = max(sum(number < begin for number in kept) - LEAD_ARROWS, len(kept) - ARROWS_MAX)
    differing = sum(number < differs for number in kept) - LEAD_ARROWS if other else len(kept)
    return max(0, min(differing, roomy))


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


def _frames(found: Sequence[Step], end: int, shows: Sequence[str]) -> set[str]:
    """The frames that the words told up to name; none if they name none."""
    spoken = [step for step in found[:end] if step.spoken and (not shows or step.kind == shows[0])]
    return set(_FRAME.findall(spoken[0].text)) if spoken else set()


def _matters(step: Step, frames: set[str]) -> bool:
    if step.spoken or step.counted:
        return True
    mine = set(_FRAME.findall(step.text))
    if step.kind == "page.flags" and not mine & frames:
        return False
    return not step.kind.startswith(_HIDDEN) and not step.text.startswith(_IDLE) and (not frames or not mine or bool(mine & frames))


def _in_hand(found: Sequence[Step]) -> list[tuple[int, Step]]:
    """The steps, numbered, each that was posted to a lock's home under the lock put before the lock's release."""
    made = {step.event: number for number, step in reversed(list(enumerate(found)))}
    order: list[tuple[int, Step]] = []
    released: dict[tuple[str, str], tuple[int, Step]] = {}
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


def _place(order: Sequence[tuple[int, Step]], lock: tuple[int, Step]) -> int:
    """Where the release stands, which is near the end."""
    return next(place for place in range(len(order) - 1, -1, -1) if order[place] is lock)


def _merged(kept: Sequence[Step]) -> list[Step]:
    """Locks taken and given back with nothing between left out, or one step if they are counted; many steps alike as the first of them."""
    merged: list[Step] = []
    for step in kept:
        last = merged[-1] if merged else None
        if step.kind == "lock.release" and last is not None and last.kind == "lock.acquire" and _of_one_lock(last, step):
            merged.pop()
            if last.counted:
                merged.append(last._replace(kind="lock.both"))
        else:
            merged.append(step)
    return list(_gathered(merged))


def _of_one_lock(one: Step, other: Step) -> bool:
    return one.who == other.who and lock_of(one) == lock_of(other)


def _gathered(kept: Sequence[Step]) -> Iterator[Step]:
    number = 0
    while number < len(kept):
        run = _run(kept, number)
        more = f" (and {run - 1} more such)" if run > 2 else ""
        yield kept[number]._replace(text=kept[number].text + more)
        number += run if run > 2 else 1


def _run(kept: Sequence[Step], first: int) -> int:
    """How many steps from this one on are alike."""
    number = first
    while number < len(kept) and _alike(kept[first], kept[number]):
        number += 1
    return number - first


def _alike(step: Step, other: Step) -> bool:
    return (
        not step.spoken
        and not other.spoken
        and not step.counted
        and not step.kind.startswith(("lock.", "held"))
        and step[1:4] == other[1:4]
    )


def _said_once(stretch: Sequence[Step]) -> list[Step]:
    """Each check's first words, and its first in the last group: what it says of further pages says no more."""
    last = next((number for number in range(len(stretch), 0, -1) if not stretch[number - 1].spoken), 0)
    said: set[tuple[bool, str]] = set()
    kept = []
    for number, step in enumerate(stretch):
        key = (number >= last, step.kind)
        if not step.spoken or key not in said:
            kept.append(step)
        said.add(key)
    return kept


def _without_idle(stretch: Sequence[Step]) -> list[Step]:
    """Kernel threads that only take locks and give them back are no part of the story."""
    busy = {step.who for step in stretch if not step.kind.startswith(("lock.", "sleep", "wake"))}
    return [step for step in stretch if step.who in busy or not _KERNEL_THREAD.fullmatch(step.who)]


class Part(NamedTuple):
    """Steps in a row that are drawn, or left out; ``silent``: without saying so."""

    steps: Sequence[Step]
    drawn: bool
    silent: bool = False


def _parted(stretch: Sequence[Step]) -> list[Part]:
    """The stretch; if it is too long without most of its middle: where a thread is held, and what is spoken, stay."""
    tail = len(stretch) - ARROWS_MAX + HEAD_ARROWS if len(stretch) > ARROWS_MAX + 2 else 0
    parts = []
    for drawn, group in groupby(enumerate(stretch), lambda one: not HEAD_ARROWS <= one[0] < tail or _stays(one[1])):
        parts.append(Part([step for _, step in group], drawn))
    return parts


def _stays(step: Step) -> bool:
    return step.spoken or step.kind == "held"


def _participants(shown: Iterable[Step]) -> list[str]:
    """Threads in order of appearance, then homes."""
    acting = [step for step in shown if not step.spoken]
    homes = [lock_of(step) if step.kind.startswith("lock.") else step.where for step in acting]
    threads = dict.fromkeys(step.who for step in acting)
    return list(threads) + [home for home in dict.fromkeys(homes) if home not in threads and not home.startswith("cpu.")]


def lock_of(step: Step) -> str:
    """The home of the lock in a lock's step: ``+vm object object.1 (held 20 ns)``."""
    return step.text.partition(" (")[0].split()[-1]


def _drawn(parts: Sequence[Part], people: Sequence[str]) -> Iterator[str]:
    """The parts as lines; what is not drawn shows only in the locks that are held after it."""
    across = f"{_id(people[0])},{_id(people[-1])}" if len(people) > 1 else _id(people[0]) if people else ""
    bars = Bars(people)
    for part in parts:
        if part.drawn:
            yield from _steps(part.steps, across, bars)
            continue
        if not part.silent:
            yield f"    Note over {across}: ... {len(part.steps)} steps left out ..."
        yield from bars.changed(part.steps)
    yield from bars.ended()


def _steps(shown: Sequence[Step], across: str, bars: Bars) -> Iterator[str]:
    for step in shown:
        if step.spoken:
            yield from _word(across, step)
        else:
            yield _arrow(step)
            yield from bars.changed([step])


class Bars:
    """The bars of locks' homes: begun when a lock is taken, ended when it is given back."""

    def __init__(self, people: Sequence[str]) -> None:
        self._people = people
        self._held: Counter[str] = Counter()

    def changed(self, steps: Iterable[Step]) -> Iterator[str]:
        """The lines for what these steps, together, take and give back."""
        now = self._held.copy()
        for step in steps:
            if step.kind in ("lock.acquire", "lock.release") and step.who in self._people:
                now[lock_of(step)] += 1 if step.kind == "lock.acquire" else -1
        for lock in self._people:
            now[lock] = max(now[lock], 0)
            change = now[lock] - self._held[lock]
            yield from [f"    {'activate' if change > 0 else 'deactivate'} {_id(lock)}"] * abs(change)
        self._held = now

    def ended(self) -> Iterator[str]:
        """The lines that end every bar: one that does not end is not drawn."""
        for lock in self._people:
            yield from [f"    deactivate {_id(lock)}"] * self._held[lock]


def _word(across: str, step: Step) -> Iterator[str]:
    who = f" ({step.who})" if step.who != step.kind else ""
    yield "    rect rgba(255, 0, 0, 0.15)"
    yield f"    Note over {across}: {_wrapped(f'{step.kind}{who}: {step.text}', NOTE_WIDTH)}"
    yield "    end"


def _arrow(step: Step) -> str:
    who = _id(step.who)
    mark = " ●" if step.counted else ""
    if step.kind.startswith("lock."):
        return f"    {who}->>{_id(lock_of(step))}: {_VERBS.get(step.kind, 'acquire, release')}{_depth(step)}{mark}"
    text = _wrapped(step.text, LABEL_WIDTH) + mark
    if step.where.startswith("cpu.") or step.where == step.who:
        return f"    Note over {who}: {text}"
    return f"    {who}->>{_id(step.where)}: {text}"


def _depth(step: Step) -> str:
    return " again" if step.kind == "lock.acquire" and "recursion" in step.text else ""


def _title(name: str) -> str:
    return f"{_TITLES[name]}<br/>{name}" if name in _TITLES else name


def _id(name: str) -> str:
    """A name that Mermaid takes for one word."""
    return "p_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _wrapped(text: str, width: int) -> str:
    """Text without what ends a line in Mermaid, broken where it would make the picture too wide."""
    plain = text.replace(";", ",").replace("#", "no. ").replace("->", "to").replace("<", "less than ")
    return "<br/>".join(textwrap.wrap(plain, width, break_long_words=False)) or plain
