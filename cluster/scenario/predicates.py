"""Can a predicate match anything? Words of messages, names of actors, and which actors get which messages.

Who gets what is asked of the actors' own tables of handlers, so that this cannot fall behind them.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from cluster.faults.predicate import DOMAIN
from cluster.scenario.refusal import Place
from protocol.faults import KINDS, MESSAGE, Fault
from protocol.machine import Machine
from protocol.messages import LOCAL, MESSAGE_BY_WORD

_CPU = re.compile(r"(?:.*\.)?cpu\.([0-9]+)")
_WILD = re.compile(r"[*?\[]")


def possible_predicate(fault: Fault, key: str, machine: Machine, place: Place) -> None:
    """Raises InputError if no message on this machine can match."""
    if KINDS[fault.kind].scope != MESSAGE:
        return
    when = fault.when
    words = [word for word in words_of(fault.kind) if fnmatchcase(word, when.kind)]
    if not words:
        why = f"no message that {fault.kind} can concern is called so"
        raise place.refuse(f"{key}.when.kind", when.kind, words_of(fault.kind), why=why)
    for name, pattern in (("to", when.to), ("sender", when.sender)):
        possible_actor(pattern, f"{key}.when.{name}", machine, place)
    getting = sorted({kind for word in words for kind in receivers()[word]})
    if not any(can_be(when.to, kind) for kind in getting):
        raise place.refuse(f"{key}.when.to", when.to, [f"{kind}*" for kind in getting], why=f"{when.kind} goes to no such actor")


def possible_side(patterns: tuple[str, ...], key: str, machine: Machine, place: Place) -> None:
    """Raises InputError for a pattern that stands for no actor of this machine, nor for one of its domains."""
    for index, pattern in enumerate(patterns):
        if pattern.startswith(DOMAIN):
            number = pattern.removeprefix(DOMAIN)
            if not number.isdecimal() or _at_least(number, machine.domains):
                allowed = f"{DOMAIN}0 to {DOMAIN}{machine.domains - 1}: the machine has {machine.domains} domains"
                raise place.refuse(f"{key}[{index}]", pattern, allowed)
        else:
            possible_actor(pattern, f"{key}[{index}]", machine, place)


def possible_actor(pattern: str, key: str, machine: Machine, place: Place) -> None:
    """Raises InputError for a pattern that no actor of this machine can match."""
    match = _CPU.fullmatch(pattern)
    if match and _at_least(match[1], machine.cpus):
        raise place.refuse(key, pattern, f"cpu.0 to cpu.{machine.cpus - 1}: the machine has {machine.cpus} CPUs")
    kinds = actor_kinds()
    if not any(can_be(pattern, kind) for kind in kinds):
        raise place.refuse(key, pattern, [f"{kind}*" for kind in kinds], why="no actor is called so")


def _at_least(digits: str, least: int) -> bool:
    """Python converts a few thousand digits at most, and a name can have more."""
    digits = digits.lstrip("0")
    return len(digits) > len(str(least)) or int(digits or "0") >= least


def can_be(pattern: str, kind: str) -> bool:
    """Can a pattern match an actor of this kind, which is called ``kind`` or ``kind.`` and something?"""
    wild = _WILD.search(pattern)
    if wild is None:
        return pattern == kind or pattern.startswith(kind + ".")
    fixed = pattern[: wild.start()]
    return f"{kind}.".startswith(fixed) or fixed.startswith(kind + ".")


def words_of(word: str) -> list[str]:
    """The words of the messages that a kind of fault can concern."""
    kind = KINDS[word]
    return sorted(
        message
        for message, found in MESSAGE_BY_WORD.items()
        if found.link != LOCAL
        and any(fnmatchcase(message, pattern) for pattern in kind.words)
        and (not kind.carries or kind.carries in found.__struct_fields__)
    )


def actor_kinds() -> list[str]:
    """The first words of actors' names."""
    from actors.machine import handled

    return sorted(handled())


@lru_cache(maxsize=1)
def receivers() -> dict[str, frozenset[str]]:
    """Word of a message to the kinds of actor that handle it."""
    from actors.machine import handled

    kinds = handled().items()
    return {word: frozenset(kind for kind, messages in kinds if message in messages) for word, message in MESSAGE_BY_WORD.items()}
