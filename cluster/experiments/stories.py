"""What is told of an arm's steps, as lines: what differs from the arms told before it, with the words that were spoken.

Two arms run alike up to the step that a change changed, so the second is told from there on. What only sets the scene is counted, not
told: a story begins shortly before the first thread that the script holds, the first routine that it calls, or the first difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.experiments.telling import Step

LEAD_STEPS, HEAD_STEPS, TAIL_STEPS, NEAR_STEPS = 8, 40, 40, 3
"""Steps told before the beginning, from there on, before the end, and before a word in between."""
COUNTED_MAX = 6
"""How many of the steps that are counted are told in any case."""
_QUIET_HOMES = ("pq", "fq", "smp")
"""Homes that need no naming: a phrase about pages or frames is about theirs."""


def story(arm: str, arms: Mapping[str, Sequence[Step]]) -> list[str]:
    """The lines of an arm, which may refer to the arms that come before it in ``arms``."""
    found = arms[arm]
    before = list(arms)[: list(arms).index(arm)]
    like = max(before, key=lambda name: (common(found, arms[name]), name == "after"), default="")
    alike = common(found, arms[like]) if like else 0
    if like and alike == len(found) == len(arms[like]):
        return [_gap(f"step for step as {like}")]
    if arm == "before":
        alike, like = common(found, arms["after"]) if "after" in arms else len(found), ""
    start = max(0, (alike if like else min(alike, begins(found))) - LEAD_STEPS)
    head = [_gap(f"{start} steps{f' as {like}' if like else ''}")] if start else []
    return head + _lines(found[start:])


def common(one: Sequence[Step], other: Sequence[Step]) -> int:
    """How many steps the two begin with alike (what is counted may be another thing)."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (left, right) in enumerate(pairs) if left[:5] != right[:5]), min(len(one), len(other)))


def begins(found: Sequence[Step]) -> int:
    """The first thread that is held, or else the first routine that a script calls."""
    held = (number for number, step in enumerate(found) if step.kind == "held")
    called = (number for number, step in enumerate(found) if step.kind == "task.step" and ": kernel " in f"{step.text} ")
    return next(held, next(called, 0))


def _lines(found: Sequence[Step]) -> list[str]:
    """The steps, those that nobody needs to read as counts."""
    told = _told(found)
    lines: list[str] = []
    last = -1
    for number in told:
        if number - last > 1:
            lines.append(_gap(f"{number - last - 1} steps"))
        lines.append(line(found[number]))
        last = number
    return lines


def _told(found: Sequence[Step]) -> list[int]:
    """The numbers of the steps told: the first, the last, what is spoken with what led to it, and some of what is counted."""
    told = {*range(min(HEAD_STEPS, len(found))), *range(max(0, len(found) - TAIL_STEPS), len(found))}
    counted = [number for number, step in enumerate(found) if step.counted]
    marked = [number for number, step in enumerate(found) if step.spoken] + counted[:COUNTED_MAX]
    for number in marked:
        told.update(range(max(0, number - NEAR_STEPS), number + 1))
    return sorted(told)


def _gap(text: str) -> str:
    return f"{'':>12}  ... {text} ..."


def line(step: Step) -> str:
    """A step as one line."""
    if step.spoken:
        who = f" ({step.who})" if step.who != step.kind else ""
        return f"{step.time_ns:>12,}  *** {step.kind}{who}: {step.text}"
    home = "" if _needs_no_home(step) else f"{step.where}: "
    counted = "  <- counted" if step.counted else ""
    return f"{step.time_ns:>12,}  {step.who:<12} {home}{step.text}{counted}"


def _needs_no_home(step: Step) -> bool:
    return step.where in (*_QUIET_HOMES, step.who) or step.where.startswith("cpu.") or step.kind.startswith("lock.")
