"""What a row of the table of faults says: a kind, and the keys that its scenario gives."""

from __future__ import annotations

from typing import NamedTuple

MESSAGE, INSTANT, PART = "message", "instant", "part"
"""A fault happens to messages that match its predicate; to an actor at a time; or in a part of the machine, at occasions that it counts
itself."""
NS_MAX = 10**15
"""As long as a quantity of virtual time may be."""


class Field(NamedTuple):
    """What a key of ``[[faults]]`` means, and which integers it may hold (``unit`` "" for a number, "name" or "truth" for no number)."""

    meaning: str
    unit: str = "ns"
    least: int = 1
    greatest: int = NS_MAX


class Kind(NamedTuple):
    """One kind of fault. ``needs`` and ``takes``: the keys that must and that may be given besides ``name`` and ``kind``.

    ``words``: patterns of the messages it can concern, one of which must match; ``carries``: a field that those messages must have;
    ``usual``: the pattern of ``when.kind`` if none is given.
    """

    meaning: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    scope: str = MESSAGE
    words: tuple[str, ...] = ("*",)
    carries: str = ""
    usual: str = "*"

    @property
    def linked(self) -> bool:
        """Does a retransmitting link layer make up for it?"""
        return "retransmit_ns" in self.takes
