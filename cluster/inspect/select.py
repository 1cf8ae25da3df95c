"""Which records a reader asked for: by actor, kind, page, lock, thread and time.

A kind's fields say by name what they are, so the places to look at are worked out once per kind of record and not per record. Patterns
are a shell's (``ipi.*``, ``object.?.cpu.3``) and match case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from re import compile as compile_pattern
from typing import Any

from cluster.errors import InputError
from cluster.inspect.words import UNKNOWN, kind_name
from protocol.locks import known_class
from protocol.records import KINDS, Record

FRAME_FIELDS = frozenset({"frame", "old_frame"})
LOCK_FIELDS = frozenset({"lock", "interlock", "held"})
THREAD_FIELDS = frozenset({"thread", "threads", "owner", "old", "new"})


def matcher(pattern: str) -> Callable[[str], bool]:
    """A predicate on names from a shell pattern; remembers what it has seen."""
    match = compile_pattern(translate(pattern)).match
    return lru_cache(maxsize=1 << 16)(lambda name: match(name) is not None)


class Selection:
    """A filter on records. What is not given lets everything through.

    ``actor``, ``kind``: shell patterns. ``frame``: a page by its frame's number. ``lock``: a pattern on the lock's name (``pq``,
    ``object.*``), on its type ("vm object") or its class in metrics ("vm_page_queue"). ``thread``: a thread's number. Times are ns,
    [from, until). Raises InputError for a kind that matches no declared one.
    """

    def __init__(
        self,
        actor: str | None = None,
        kind: str | None = None,
        frame: int | None = None,
        lock: str | None = None,
        thread: int | None = None,
        from_ns: int = 0,
        until_ns: int | None = None,
    ) -> None:
        self.actor = matcher(actor) if actor is not None else None
        self.frame, self.thread = frame, thread
        self.from_ns, self.until_ns = from_ns, until_ns
        self.lock = _lock_matcher(lock) if lock is not None else None
        self.asked = {"actor": actor, "kind": kind, "page": frame, "lock": lock, "thread": thread}
        self.narrow = any(asked is not None for asked in (frame, lock, thread))
        self.kinds = _kinds_like(kind) if kind is not None else None

    def takes(self, actor: str, record: Record, thread: int | None = None) -> bool:
        """Does the record belong to what was asked for? ``thread``: on whose behalf the actor made it, as far as known."""
        number: int = record[0]  # type: ignore[assignment]
        if self.kinds is not None and number not in self.kinds:
            return False
        if self.actor is not None and not self.actor(actor):
            return False
        if self.narrow and kind_name(record) == UNKNOWN:
            return False
        if self.frame is not None and not any(record[at] == self.frame for at in _FRAMES.get(number, ())):
            return False
        if self.thread is not None and thread != self.thread and not _names_thread(record, number, self.thread):
            return False
        return self.lock is None or any(_holds(record[at], self.lock) for at in _LOCKS.get(number, ()))


class Named:
    """The actors of a trace, and the pages, locks and threads that its records name: what can be asked for."""

    def __init__(self) -> None:
        self.actors: set[str] = set()
        self.frames: set[int] = set()
        self.locks: set[str] = set()
        self.threads: set[int] = set()

    def add(self, actor: str, records: Iterable[Record]) -> None:
        """Take in an entry."""
        self.actors.add(actor)
        for record in records:
            number: int = record[0]  # type: ignore[assignment]
            if kind_name(record) != UNKNOWN:
                self.frames.update(record[at] for at in _FRAMES.get(number, ()))  # type: ignore[misc]
                for at in _LOCKS.get(number, ()):
                    self.locks.update(_each(record[at]))
                for at in _THREADS.get(number, ()):
                    self.threads.update(_each(record[at]))

    def lacks(self, selection: Selection) -> list[str]:
        """Which of the things asked for there are not: ``actor``, ``page``, ``lock``, ``thread``."""
        there = {
            "actor": selection.actor is None or any(map(selection.actor, self.actors)),
            "page": selection.frame is None or selection.frame in self.frames,
            "lock": selection.lock is None or any(map(selection.lock, self.locks)),
            "thread": selection.thread is None or selection.thread in self.threads,
        }
        return [name for name, found in there.items() if not found]


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _places(fields: frozenset[str]) -> dict[int, tuple[int, ...]]:
    places = {n: tuple(at for at, field in enumerate(kind.fields, 1) if field in fields) for n, kind in KINDS.items()}
    return {number: at for number, at in places.items() if at}


_FRAMES = _places(FRAME_FIELDS)
_LOCKS = _places(LOCK_FIELDS)
_SWITCHES = frozenset(number for number, kind in KINDS.items() if kind.name == "switch")
_THREADS = {
    number: tuple(at for at in places if number in _SWITCHES or KINDS[number].fields[at - 1] not in ("old", "new"))
    for number, places in _places(THREAD_FIELDS).items()
}


def _names_thread(record: Record, number: int, thread: int) -> bool:
    for at in _THREADS.get(number, ()):
        value = record[at]
        if value == thread or (isinstance(value, tuple) and thread in value):
            return True
    return False


def _holds(value: object, wanted: Callable[[str], bool]) -> bool:
    return any(wanted(str(name)) for name in value) if isinstance(value, tuple) else wanted(str(value))


def _kinds_like(pattern: str) -> frozenset[int]:
    wanted = matcher(pattern)
    found = frozenset(number for number, kind in KINDS.items() if wanted(kind.name))
    if not found:
        names = sorted(kind.name for kind in KINDS.values())
        raise InputError(f"no kind of record is called {pattern!r}; kinds are {', '.join(names)}", key="kind", found=pattern, allowed=names)
    return found


def _lock_matcher(pattern: str) -> Callable[[str], bool]:
    wanted = matcher(pattern)

    def match(lock: str) -> bool:
        known = known_class(lock)
        return wanted(lock) or (known is not None and (wanted(known.type) or wanted(known.metric)))

    return lru_cache(maxsize=1 << 16)(match)
