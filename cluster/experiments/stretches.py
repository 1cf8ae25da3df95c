"""Which steps of an arm a picture is made of: from the first that differs to the violation, without what only prepares or follows.

Pages that the violation does not name are left out, so are threads that have nothing to do with one it names, and critical sections in
which nothing is seen to happen (:mod:`cluster.experiments.sections`). What is still too long is cut by :mod:`cluster.experiments.cutting`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cluster.experiments.cutting import ARROWS_MAX, LEAD_ARROWS, Subject, drawn, gathered
from cluster.experiments.form import PictureTable
from cluster.experiments.sections import Entry, in_hand, merged
from cluster.experiments.stories import begins, common
from cluster.experiments.telling import Step

COUNTED_FRAMES, COUNTED_DRAWN = 6, 3
"""Of how many counted steps the pages are the picture's; how many a picture without a violation is drawn to."""
_HIDDEN = ("task.", "fault.done", "wakeup", "enter", "leave", "access.", "injected", "tlb.evict", "pmap.active")
_IDLE = (
    "sleeps on vm_pages_needed", "TLB drops everything not global (load)", "runs again (timeout)", "reads v_free_count",
    "injected fault jitter",
)  # fmt: skip
_GIVEN_UP = ("page.release", "free.put")
_KERNEL_THREAD = re.compile(r"k[0-9]+\.[0-9]+")
_FRAME = re.compile(r"\b(?:pages?|frames?) (0x[0-9a-f]+)")


class Part(NamedTuple):
    """Steps in a row that are drawn, or left out; ``silent``: without saying so."""

    steps: Sequence[Step]
    drawn: bool
    silent: bool = False


class Sought(NamedTuple):
    """What a picture is of: the arm it is ``compared`` with, the checks it must show, whether it is the cost that is drawn, and the file's
    own wishes."""

    compared: Sequence[Step] = ()
    shows: Sequence[str] = ()
    costs: bool = False
    picture: PictureTable = PictureTable()


NOTHING = Sought()
"""A picture of an arm by itself, without a check to show."""


def stretch(found: Sequence[Step], sought: Sought) -> list[Part]:
    """The parts of a picture; the first is what comes before it."""
    end = _end(found, sought)
    frames = frozenset(_frames(found[:end], sought))
    subject = Subject(frames, frames or _touched_last(found[:end], sought), sought.picture)
    matter = [entry for entry in in_hand(found[:end]) if _matters(entry[1], subject) and _to_the_point(entry[1], subject, sought)]
    kept = merged(_concerned(_without_idle(matter), subject))
    start = _start(kept, found, sought)
    told = kept[start:] if sought.picture.begins else _still_acting(kept[start:], max(common(found, sought.compared), begins(found)))
    before, shown = ([step for _, step in part] for part in (kept[:start], told))
    return [Part(before, False, silent=True), *_parted(list(gathered(_said_once(shown))), subject)]


def names_pages(found: Sequence[Step], sought: Sought) -> bool:
    """Are there pages that the picture is about, so that it is not about others?"""
    return bool(_frames(found[: _end(found, sought)], sought))


def _end(found: Sequence[Step], sought: Sought) -> int:
    """Up to where: the first words of the check that names the bug, with those spoken together with it; or the steps that cost."""
    spoken = [number for number, step in enumerate(found) if _names_the_bug(step, sought)]
    if spoken and not sought.costs:
        end = spoken[0] + 1
        while end < len(found) and found[end].spoken:
            end += 1
        return next((number + 1 for number in range(end, len(found)) if _ends(found[number], sought)), end)
    differs = common(found, sought.compared)
    counted = [number for number, step in enumerate(found) if step.counted]
    counted = [number for number in counted if sought.compared and number >= differs] or counted
    return min(counted[min(len(counted), COUNTED_DRAWN) - 1] + LEAD_ARROWS, len(found)) if counted else len(found)


def _ends(step: Step, sought: Sought) -> bool:
    """Does the picture end here, which goes on after the violation?"""
    return sought.picture.ends_at(step.who, step.text)


def _names_the_bug(step: Step, sought: Sought) -> bool:
    check = sought.picture.check or next(iter(sought.shows), "")
    return step.spoken and check in ("", step.kind)


def _start(kept: Sequence[Entry], found: Sequence[Step], sought: Sought) -> int:
    """Where the stretch begins: where the file says, or at the first step that differs, or, if that is near the end, as early as there is
    room for."""
    if sought.picture.begins:
        return next((place for place, (_, step) in enumerate(kept) if sought.picture.begins_at(step.who, step.text)), 0)
    differs, begin = common(found, sought.compared), begins(found)
    roomy = max(sum(number < begin for number, _ in kept) - LEAD_ARROWS, len(kept) - ARROWS_MAX)
    differing = sum(number < differs for number, _ in kept) - LEAD_ARROWS if sought.compared else len(kept)
    return max(0, min(differing, roomy))


def _still_acting(stretch: Sequence[Entry], begin: int) -> list[Entry]:
    """Without the lead of kernel threads that have done what they do when it begins: they set the scene."""
    acting = {step.who for number, step in stretch if number >= begin}
    return [(number, step) for number, step in stretch if number >= begin or step.who in acting or not _KERNEL_THREAD.fullmatch(step.who)]


def _frames(found: Sequence[Step], sought: Sought) -> set[str]:
    """The frames that the picture is about: those of the first words of each check it must show, and of what is counted beside them; none
    if the words name none, or if it is not of a violation."""
    if sought.costs:
        return set()
    firsts: dict[str, str] = {}
    for step in found:
        if step.spoken and (not sought.shows or step.kind in sought.shows):
            firsts.setdefault(step.kind, step.text)
    frames = {frame for text in firsts.values() for frame in _FRAME.findall(text)}
    counted = [step for step in found if step.counted][:COUNTED_FRAMES]
    return frames | {frame for step in counted for frame in _FRAME.findall(step.text)} if frames else frames


def _touched_last(found: Sequence[Step], sought: Sought) -> frozenset[str]:
    """The page that was last in the hands of the thread that panics: the kernel's own words seldom name one."""
    word = next((step for step in reversed(found) if _names_the_bug(step, sought)), None)
    touched = (step.text for step in reversed(found) if word and step.who == word.who and not step.kind.startswith(_GIVEN_UP))
    return frozenset(next(filter(None, map(_FRAME.findall, touched)), ())[:1])


def _to_the_point(step: Step, subject: Subject, sought: Sought) -> bool:
    """Is this no word of a check on another page, which the experiment does not ask for?"""
    if not step.spoken or not sought.shows or step.kind in sought.shows:
        return True
    frames = set(_FRAME.findall(step.text))
    return not frames or bool(frames & subject.near)


def _matters(step: Step, subject: Subject) -> bool:
    if step.spoken or step.counted or subject.wants(step):
        return True
    mine = set(_FRAME.findall(step.text))
    if step.kind == "page.flags" and not mine & subject.frames:
        return False
    of_it = not subject.frames or not mine or bool(mine & subject.frames)
    return of_it and not step.kind.startswith(_HIDDEN) and not step.text.startswith(_IDLE)


def _concerned(kept: Sequence[Entry], subject: Subject) -> list[Entry]:
    """Without the threads that do nothing to a page of the violation and are not held, and what is spoken of them."""
    if not subject.frames:
        return list(kept)
    steps = [step for _, step in kept if not step.spoken]
    acting = {step.who for step in steps if step.kind == "held" or subject.wants(step) or subject.frames & set(_FRAME.findall(step.text))}
    idle = {step.who for step in steps if not step.who.startswith("cpu.")} - acting
    return [(number, step) for number, step in kept if not idle & ({*step.text.split(), step.who} if step.spoken else {step.who})]


def _without_idle(kept: Sequence[Entry]) -> list[Entry]:
    """Kernel threads that only take locks and give them back are no part of the story."""
    busy = {step.who for _, step in kept if not step.kind.startswith(("lock.", "sleep", "wake"))}
    return [(number, step) for number, step in kept if step.who in busy or not _KERNEL_THREAD.fullmatch(step.who)]


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


def _parted(shown: Sequence[Step], subject: Subject) -> Iterator[Part]:
    """The stretch, cut if it is too long."""
    stay = drawn(shown, subject)
    for is_drawn, group in groupby(enumerate(shown), lambda one: one[0] in stay):
        yield Part([step for _, step in group], is_drawn)
