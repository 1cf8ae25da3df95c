"""The failing interleaving as a sequence diagram, in Mermaid's notation: threads on one side, the homes of what they change on the other.

Locks are arrows to their home; what changes is an arrow with its words; a thread that is held, or a check that speaks, is a note. Only the
last steps before the first word are drawn: a picture that does not fit a page is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.experiments.telling import Step

ARROWS_MAX = 26
_HIDDEN = ("task.", "fault.done", "free.fail", "page.flags", "wake", "enter", "leave", "access.")


def diagram(found: Iterable[Step]) -> list[str]:
    """The lines of a ``sequenceDiagram``."""
    kept = [step for step in found if step.spoken or not step.kind.startswith(_HIDDEN)]
    last = _told_last(kept)
    shown = kept[max(0, last - ARROWS_MAX) : last]
    people = _participants(shown)
    lines = ["sequenceDiagram", *(f"    participant {_id(name)} as {name}" for name in people)]
    across = f"{_id(people[0])},{_id(people[-1])}" if people else ""
    return lines + [_note(across, step) if step.spoken else _arrow(step) for step in shown]


def _told_last(kept: Sequence[Step]) -> int:
    """Up to where: the last of the words that are spoken together, the first ones; everything if nothing is spoken."""
    first = next((number for number, step in enumerate(kept) if step.spoken), len(kept) - 1)
    while first + 1 < len(kept) and kept[first + 1].spoken:
        first += 1
    return first + 1


def _participants(shown: Sequence[Step]) -> list[str]:
    """Threads in order of appearance, then homes."""
    acting = [step for step in shown if not step.spoken]
    homes = [_lock(step) if step.kind.startswith("lock.") else step.where for step in acting]
    threads = dict.fromkeys(step.who for step in acting)
    return list(threads) + [home for home in dict.fromkeys(homes) if home not in threads and not home.startswith("cpu.")]


def _lock(step: Step) -> str:
    """The home of the lock in a lock's step: ``+vm object object.1 (grant 3)``."""
    return step.text.partition(" (")[0].split()[-1]


def _note(across: str, step: Step) -> str:
    return f"    Note over {across}: {step.kind}: {_plain(step.text)}"


def _arrow(step: Step) -> str:
    who = _id(step.who)
    if step.kind.startswith("lock."):
        return f"    {who}->>{_id(_lock(step))}: {_VERBS[step.kind]}"
    if step.where.startswith("cpu.") or step.where == step.who:
        return f"    Note over {who}: {_plain(step.text)}"
    return f"    {who}->>{_id(step.where)}: {_plain(step.text)}"


def _id(name: str) -> str:
    """A name that Mermaid takes for one word."""
    return "p_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _plain(text: str) -> str:
    """Text without what ends a line in Mermaid."""
    return text.replace(";", ",").replace("#", "no. ").replace("->", "to")


_VERBS = {"lock.acquire": "acquire", "lock.release": "release", "lock.wait": "acquire (waits)", "lock.fail": "try (not got)"}
