"""The predicate of a fault: does this delivery match, and is it its turn?

Matches are counted at each receiver, in the receiver's own order of keys, so that ``nth`` means the same for any number of workers.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

from cluster.engine.engine import Place
from cluster.faults.watch import Turn
from protocol.faults import KINDS, Fault, When
from protocol.identity import BOOT, root_of
from protocol.messages import MESSAGE_BY_WORD

DOMAIN = "domain."
"""``domain.1`` stands for every actor whose home is in NUMA domain 1; no actor is called so."""


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def matches(glob: str, text: str) -> bool:
    """Does ``text`` match ``glob`` as in a shell, case and all?"""
    return _pattern(glob).match(text) is not None


def concerns(fault: Fault, receiver: str, where: Place) -> bool:
    """Can ``receiver`` get a message that the fault is about?"""
    if not matches(fault.when.to, receiver):
        return False
    return not fault.side or _is_other(fault, receiver, where) or (not fault.one_way and _is_on(fault.side, receiver, where))


def speaks_of(fault: Fault, receiver: str, sender: str, kind: str, where: Place) -> bool:
    """Is the fault about such messages (all but when they come, and the counting)? The receiver is one that it concerns.

    What an actor sends itself is a timer and crosses no link, and what comes from ``boot`` is not a message either: no fault concerns them.
    """
    if sender in (receiver, BOOT) or not matches(fault.when.kind, kind) or not matches(fault.when.sender, sender):
        return False
    if not can_concern(fault.kind, kind):
        return False
    return not fault.side or crosses(fault, sender, receiver, where) or (not fault.one_way and crosses(fault, receiver, sender, where))


def can_concern(word: str, message: str) -> bool:
    """Is this message one that a kind of fault can do something to? A pattern of words may match more than those."""
    kind, known = KINDS[word], MESSAGE_BY_WORD.get(message)
    carries = not kind.carries or known is None or kind.carries in known.__struct_fields__
    return carries and any(matches(pattern, message) for pattern in kind.words)


def crosses(fault: Fault, sender: str, receiver: str, where: Place) -> bool:
    """Does it go from the one side of a partition to the other?"""
    return _is_on(fault.side, sender, where) and _is_other(fault, receiver, where)


def _is_other(fault: Fault, name: str, where: Place) -> bool:
    return _is_on(fault.other, name, where) if fault.other else not _is_on(fault.side, name, where)


def _is_on(side: tuple[str, ...], name: str, where: Place) -> bool:
    domain = f"{DOMAIN}{where.domain_of[root_of(name)]}"
    return any(pattern == domain or matches(pattern, name) for pattern in side)


def in_time(fault: Fault, at_ns: int) -> bool:
    """Is a delivery at this time within the fault's own, and before all faults' end?"""
    when = fault.when
    if at_ns < when.from_ns or (when.until_ns and at_ns >= when.until_ns) or (fault.heal_ns and at_ns >= fault.heal_ns):
        return False
    return not fault.duration_ns or fault.at_ns <= at_ns < fault.at_ns + fault.duration_ns


def fires(when: When, turn: Turn, total: Turn) -> bool:
    """Count a match, at this receiver and in ``total``; true if the fault takes effect on it."""
    if when.count and turn.fired >= when.count:
        return False
    turn.matched += 1
    total.matched += 1
    if when.nth and turn.matched != when.nth:
        return False
    if when.every and turn.matched % when.every:
        return False
    turn.fired += 1
    return True
