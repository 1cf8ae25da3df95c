"""What each routine promises of locks, declared beside the routine and checked (vm-facts 3; I-LOCKRESTORE).

A routine that records when it begins and ends is judged at these records: :func:`recorded`, :func:`nothing_held`. Every other looks at the
locks of its thread when it is called and when it returns: :func:`locks`. One that keeps its promises leaves no trace of that; one that does
not makes one record, which the check reads. That each of them should record when it begins and ends was rejected: a page fault would
make four times as many records, to say that nothing is wrong.

A breach is said once. Where a routine is called without a lock, those that it calls do not miss the same; and a lock that somebody kept or
lost is no business of those around him. What others say is not declared: where the kernel asserts a lock (vm_page_remove) it panics, and
with what a thread may sleep is I-NOSLEEP's.

The registry is filled when the routines' modules are imported, and only then; no routine reads it, and none but the contracts reads
``k.locks``. One table in one file was rejected: the ``[L: ...]`` of a routine's docstring and its contract are to be seen, and changed,
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar, cast

import msgspec

from actors.kernel.context import Context
from actors.kernel.lock_words import Call
from actors.kernel.promise import Breach, Found, Outcomes, Promise, depths_of
from protocol.contracts import Contract
from protocol.records import CONTRACT

Routine = TypeVar("Routine", bound=Callable[..., Any])

CONTRACTS: dict[str, Contract] = {}
"""Name of a routine, as its ``enter`` record has it, to its contract."""
NO_DEPTHS: Mapping[str, int] = MappingProxyType({})
"""Of a thread that holds no lock twice."""


class Recorded(msgspec.Struct, frozen=True):
    """A contract on its way to its routine: used as a decorator."""

    contract: Contract
    names: tuple[str, ...] = ()

    def __call__(self, routine: Routine) -> Routine:
        """Enter the contract under the routine's name, or under the names that it goes by in records."""
        CONTRACTS.update(dict.fromkeys(self.names or (routine.__name__,), self.contract))
        return routine


def recorded(
    *entry: str,
    drops: tuple[tuple[str, tuple[str, ...]], ...] = (),
    subject: int = -1,
    either: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    name: str = "",
) -> Recorded:
    """The routine, which records when it begins and ends, wants locks of the kinds ``entry`` held, and leaves with the locks it found.

    ``drops``, ``subject``, ``either`` and ``without`` are those of a Contract. ``name``: what records call it, if not by its own name.
    """
    return Recorded(Contract(entry, False, drops, subject, either, without), (name,) if name else ())


def nothing_held(*names: str) -> Recorded:
    """The routine, a system call or a thread's first, begins and ends without a lock."""
    return Recorded(Contract((), True), names)


class Locks(msgspec.Struct, frozen=True):
    """A declaration on its way to its routine, which it makes look at its locks: used as a decorator."""

    entry: tuple[str, ...]
    either: tuple[str, ...]
    without: tuple[str, ...]
    drops: Outcomes
    takes: Outcomes
    unjudged: tuple[str, ...]

    def __call__(self, routine: Routine) -> Routine:
        """The routine, called as before."""
        return cast(Routine, _checked(routine, Promise(routine, *msgspec.structs.astuple(self))))


def locks(
    *entry: str,
    either: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    drops: Outcomes = (),
    takes: Outcomes = (),
    unjudged: tuple[str, ...] = (),
) -> Locks:
    """The routine wants these locks held on entry, in the words of ``actors.kernel.lock_words``, and returns with the locks it found.

    ``either``: with these held the others need not be. ``without``: these must not be; "any": none may. ``drops``, ``takes``: (outcome,
    locks) of what it has given back, or taken, when it returns. ``unjudged``: kinds of which nothing is said at the end.
    """
    return Locks(entry, either, without, drops, takes, unjudged)


def _checked(routine: Callable[..., Any], promise: Promise) -> Callable[..., Any]:
    kinds, places, thought = promise.kinds, promise.places, promise.thought
    drops, as_found = promise.drops, promise.as_found

    @wraps(routine)
    async def checked(k: Context, *arguments: Any, **named: Any) -> Any:
        mine = k.locks
        held, since = mine.held, mine.since
        deep = {**mine.depths} if mine.depths else NO_DEPTHS
        doubtful = thought
        for lock in kinds:
            if lock not in since:
                doubtful = True
        for place in places:
            if place >= len(arguments) or arguments[place] not in since:
                doubtful = True
        missed = await _begun(promise, Call(routine, k, arguments, named)) if doubtful else ()
        given_back = promise.given_back(Call(routine, k, arguments, named)) if drops else ()
        outcome = await routine(k, *arguments, **named)
        if missed:
            _no_more_missed(k, missed)
        mine = k.locks
        if not as_found or mine.held != held or mine.depths != deep:
            await _ended(promise, Call(routine, k, arguments, named), outcome, depths_of(held, deep), given_back)
        return outcome

    return checked


async def _begun(promise: Promise, call: Call) -> tuple[str, ...]:
    """Judge a routine's beginning. Returns the locks of which something had to be said: nobody says it of them again until it has ended."""
    breach = promise.on_entry(call, call.k.locks.since)
    if breach is None:
        return ()
    await _say(call, breach, ())
    return breach.locks


def _no_more_missed(k: Context, missed: tuple[str, ...]) -> None:
    for lock in missed:
        at = k.excused.index(lock)
        k.excused = k.excused[:at] + k.excused[at + 1 :]


async def _ended(promise: Promise, call: Call, outcome: Any, found: Found, given_back: Outcomes) -> None:
    """Judge its end. Of a lock that somebody has kept or lost nothing is said again."""
    now = call.k.locks
    breach = promise.on_exit(call, outcome, found, given_back, depths_of(now.held, now.depths))
    if breach is not None:
        await _say(call, breach, breach.locks)


async def _say(call: Call, breach: Breach, changed: tuple[str, ...]) -> None:
    k = call.k
    k.excused += breach.locks
    await k.note(CONTRACT, k.tid, call.routine.__name__, breach.text, changed)
