"""The failing interleaving as a sequence diagram, in Mermaid's notation: threads on one side, the homes of what they change on the other.

A lock is an arrow to its home, whose bar lasts as long as the lock is held; what changes is an arrow with its words; a thread that is held
or does something of its own, and a check that speaks, is a note. Which steps are drawn is decided in :mod:`cluster.experiments.stretches`:
a picture that does not fit a page is not looked at.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cluster.experiments.sections import lock_of, upgrades
from cluster.experiments.stretches import NOTHING, Part, Sought, stretch
from cluster.experiments.telling import Step

LABEL_WIDTH, NOTE_WIDTH = 34, 84
_TITLES = {"pq": "page queues", "fq": "free lists", "smp": "rendezvous"}
_MODES = {"(shared": "acquire shared", "(upgrade": "upgrade", "(try-shared": "try shared, got", "(try": "try, got"}
_VERBS = {"lock.release": "release", "lock.wait": "acquire, must wait", "lock.fail": "try, not got"}


def diagram(found: Sequence[Step], sought: Sought = NOTHING) -> list[str]:
    """The lines of a ``sequenceDiagram`` of an arm."""
    parts = stretch(found, sought)
    people = _participants(step for part in parts if part.drawn for step in part.steps)
    lines = ["sequenceDiagram", *(f"    participant {_id(name)} as {_title(name)}" for name in people)]
    return lines + list(_drawn(parts, people))


def _participants(shown: Iterable[Step]) -> list[str]:
    """Threads in order of appearance, then homes."""
    acting = [step for step in shown if not step.spoken]
    homes = [lock_of(step) if step.kind.startswith("lock.") else step.where for step in acting]
    threads = dict.fromkeys(step.who for step in acting)
    return list(threads) + [home for home in dict.fromkeys(homes) if home not in threads and not home.startswith("cpu.")]


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
            if step.kind in ("lock.acquire", "lock.release") and step.who in self._people and not upgrades(step):
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
        return f"    {who}->>{_id(lock_of(step))}: {_verb(step)}{_depth(step)}{mark}"
    text = _wrapped(step.text, LABEL_WIDTH) + mark
    if step.where.startswith("cpu.") or step.where == step.who:
        return f"    Note over {who}: {text}"
    return f"    {who}->>{_id(step.where)}: {text}"


def _verb(step: Step) -> str:
    """What is done to a lock, with the mode of what is not simply acquired."""
    mode = next((word for sign, word in _MODES.items() if sign in step.text), "acquire")
    return {"lock.acquire": mode, "lock.both": f"{mode}, release"}.get(step.kind) or _VERBS[step.kind]


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
