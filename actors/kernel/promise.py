"""What a routine has declared of its locks, held against the locks that its thread has at a call and at its return.

All of it is a function of the names of these locks and of how deep each is held: a routine that is run again after a restore, on its
answers, finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from actors.kernel.lock_words import ANY, Call, Word, is_held
from actors.kernel.requests import Again
from protocol.contracts import entered_text, left_text
from protocol.identity import kind_of

Outcomes = tuple[tuple[bool | int | str, tuple[str, ...]], ...]
"""(outcome, words). True and False stand for whatever is true or false, "always" for every outcome; of a tuple the first part counts, and
of a step of a daemon which is next."""
ALWAYS = "always"

Found = dict[str, int]
"""Lock to how often it is held, as a routine found them."""


class Breach(NamedTuple):
    """A promise that was not kept: in words, and which locks are in question."""

    text: str
    locks: tuple[str, ...]


class Promise:
    """The declaration of one routine.

    ``kinds`` and ``places`` are the wanted locks that are found without thought: those of which there is one, and those that are the
    routine's arguments. ``thought``: there is more to be said of its beginning; ``as_found``: nothing of its end.
    """

    __slots__ = ("as_found", "drops", "either", "entry", "kinds", "places", "takes", "thought", "unjudged", "without")

    def __init__(
        self,
        routine: Callable[..., Any],
        entry: tuple[str, ...],
        either: tuple[str, ...],
        without: tuple[str, ...],
        drops: Outcomes,
        takes: Outcomes,
        unjudged: tuple[str, ...],
    ) -> None:
        self.entry, self.either, self.without = (_words(texts, routine) for texts in (entry, either, without))
        self.drops = tuple((outcome, _words(texts, routine)) for outcome, texts in drops)
        self.takes = tuple((outcome, _words(texts, routine)) for outcome, texts in takes)
        self.unjudged = unjudged
        plain = [word for word in self.entry if word.plain]
        self.kinds = tuple(word.name for word in plain if word.place < 0)
        self.places = tuple(word.place - 1 for word in plain if word.place > 0)
        self.thought = bool(len(plain) < len(self.entry) or without)
        self.as_found = not (drops or takes)

    def on_entry(self, call: Call, held: Collection[str]) -> Breach | None:
        """What the caller lacks, or has and should not have, other than what somebody has said already."""
        missing = [lock for lock in map(call.lock, self.entry) if lock and not is_held(lock, held)]
        if missing and self.either and all(is_held(call.lock(word), held) for word in self.either):
            missing = []
        over = [lock for word in self.without for lock in held if call.lock(word) in (lock, kind_of(lock), ANY)]
        if not missing and not over:
            return None
        missing, over = ([lock for lock in locks if not _excused(lock, call.k.excused)] for locks in (missing, over))
        return Breach(entered_text(missing, over), (*missing, *over)) if missing or over else None

    def given_back(self, call: Call) -> Outcomes:
        """By outcome, the locks that are to be given back: as they are called when the routine begins."""
        return tuple((outcome, tuple(map(call.lock, words))) for outcome, words in self.drops)

    def on_exit(self, call: Call, outcome: Any, found: Found, given_back: Outcomes, held: Found) -> Breach | None:
        """What the routine has kept or lost, other than what somebody has said already."""
        wanted = found
        if gone := _of(given_back, outcome):
            wanted = {lock: depth for lock, depth in found.items() if lock not in gone and kind_of(lock) not in gone}
        for word in _of(self.takes, outcome):
            lock = call.lock(word)
            wanted = {**wanted, lock: wanted.get(lock, 1)}
        if held == wanted:
            return None
        wrong = [lock for lock in {**found, **wanted, **held} if held.get(lock) != wanted.get(lock)]
        wrong = [lock for lock in wrong if kind_of(lock) not in self.unjudged and not _excused(lock, call.k.excused)]
        return Breach(left_text(held, wanted), tuple(wrong)) if wrong else None


def _words(texts: tuple[str, ...], routine: Callable[..., Any]) -> tuple[Word, ...]:
    return tuple(Word(text, routine) for text in texts)


def _of(table: tuple[tuple[Any, Any], ...], outcome: Any) -> Any:
    """The row for an outcome; nothing if there is none."""
    told = outcome[0] if isinstance(outcome, tuple) else outcome.routine if isinstance(outcome, Again) else outcome
    for word, row in table:
        if word == ALWAYS or (bool(told) is word if isinstance(word, bool) else told == word):
            return row
    return ()


def _excused(lock: str, excused: tuple[str, ...]) -> bool:
    """Has it been said already of this lock, or of its kind?"""
    return bool(excused) and any(lock == other or lock == kind_of(other) or kind_of(lock) == other for other in excused)


def depths_of(held: tuple[tuple[str, int], ...], extra: Mapping[str, int]) -> Found:
    """How often each lock is held, from a thread's locks and their extra depths."""
    return {lock: extra.get(lock, 0) + 1 for lock, _ in held}
