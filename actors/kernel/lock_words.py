"""The words with which a routine declares its locks, read once, where the routine is defined (vm-facts 3).

A word is a parameter of the routine whose value is the name of the lock's home (``obj``, ``pmap``), a field of one (``f.object``,
``k.map``), or else a kind of lock (``pq``, ``giant``; ``object``: any object's). It may be bound to a flag of the caller's, or to the form
of a change: ``fq if locked``, ``obj unless C05=pq``. A parameter that is "" names no lock, and wants none.

Python's own expressions, as functions beside the routine, were rejected: a declaration is to be read by people, and listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from actors.kernel.context import Context
from protocol.identity import kind_of
from protocol.locks import CLASSES

SOLE = ("fq", "giant", "pq", "smp")
"""Kinds of which there is one lock, called like its kind."""
ANY = "any"
"""Any lock whatever."""


class Call:
    """One call of a routine: what its parameters are."""

    __slots__ = ("arguments", "k", "named", "routine")

    def __init__(self, routine: Callable[..., Any], k: Context, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.routine, self.k, self.arguments, self.named = routine, k, arguments, named

    def value(self, parameter: str) -> Any:
        """What the caller has given for this parameter, or what it is without."""
        names = parameters(self.routine)
        at = names.index(parameter)
        if at <= len(self.arguments):
            return self.arguments[at - 1] if at else self.k
        usual = self.routine.__defaults__ or ()
        return self.named[parameter] if parameter in self.named else usual[at - len(names)]

    def lock(self, word: Word) -> str:
        """The lock, or the kind, that a word means in this call; "" if none."""
        if word.condition and self._holds(word.condition) != word.wants:
            return ""
        if word.place < 0:
            return word.name
        value = self.value(word.name)
        return str(getattr(value, word.field) if word.field else value)

    def _holds(self, condition: str) -> bool:
        name, form, wanted = condition.partition("=")
        return self.k.form(name) == wanted if form else bool(self.value(name))


def parameters(routine: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a routine's parameters, in order."""
    code = routine.__code__
    return tuple(code.co_varnames[: code.co_argcount])


class Word:
    """One word of a declaration. Raises ValueError for one that says nothing of the routine."""

    __slots__ = ("condition", "field", "name", "place", "wants")

    def __init__(self, text: str, routine: Callable[..., Any]) -> None:
        named, joint, self.condition = text.partition(" unless " if " unless " in text else " if ")
        self.wants = "unless" not in joint
        self.name, dot, self.field = named.partition(".")
        among = parameters(routine)
        flag, form, _ = self.condition.partition("=")
        known = self.name in among if dot else self.name in (*among, *CLASSES, ANY)
        if not known or (dot and not self.field) or (joint and not form and flag not in among):
            raise ValueError(f"{routine.__name__}: no lock is meant by {text!r}")
        self.place = among.index(self.name) if self.name in among else -1

    @property
    def plain(self) -> bool:
        """Is it an argument as it stands, or the one lock of a kind?"""
        return not self.condition and not self.field and (self.place > 0 or self.name in SOLE)


def is_held(lock: str, held: Collection[str]) -> bool:
    """Is this lock, or one of this kind, among those?"""
    return lock in held or any(kind_of(name) == lock for name in held)
