"""The predicate of a fault: does this delivery match, and is it its turn?

Matches are counted at each receiver, in the receiver's own order of keys, so that ``nth`` means the same for any number of workers.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

from cluster.faults.watch import Turn
from protocol.faults import When
from protocol.identity import BOOT


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def matches(glob: str, text: str) -> bool:
    """Does ``text`` match ``glob`` as in a shell, case and all?"""
    return _pattern(glob).match(text) is not None


def speaks_of(when: When, receiver: str, sender: str, kind: str) -> bool:
    """Does ``when`` speak of such messages (all but when they come, and the counting)? The receiver is one that it names.

    What an actor sends itself is a timer and crosses no link, and what comes from ``boot`` is not a message either: no fault concerns them.
    """
    return sender not in (receiver, BOOT) and matches(when.kind, kind) and matches(when.sender, sender)


def in_time(when: When, at_ns: int) -> bool:
    """Is a delivery at this time within the fault's own?"""
    return when.from_ns <= at_ns and not (when.until_ns and at_ns >= when.until_ns)


def fires(when: When, turn: Turn) -> bool:
    """Count a match; true if the fault takes effect on it."""
    if when.count and turn.fired >= when.count:
        return False
    turn.matched += 1
    if when.nth and turn.matched != when.nth:
        return False
    if when.every and turn.matched % when.every:
        return False
    turn.fired += 1
    return True
