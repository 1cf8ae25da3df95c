"""What each routine promises of locks, declared beside the routine with :func:`locks` (vm-facts 3; I-LOCKRESTORE).

The registry is filled when the routines' modules are imported, and only then; no routine reads it. One table in one file was rejected: the
``[L: ...]`` of a routine's docstring and its contract are to be seen, and changed, together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from protocol.contracts import Contract

Routine = TypeVar("Routine", bound=Callable[..., Any])

CONTRACTS: dict[str, Contract] = {}
"""Name of a routine, as its ``enter`` record has it, to its contract."""


class Declared(msgspec.Struct, frozen=True):
    """A contract on its way to its routine: used as a decorator."""

    contract: Contract
    names: tuple[str, ...] = ()

    def __call__(self, routine: Routine) -> Routine:
        """Enter the contract under the routine's name, or under the names that it goes by in records."""
        CONTRACTS.update(dict.fromkeys(self.names or (routine.__name__,), self.contract))
        return routine


def locks(*entry: str, drops: tuple[tuple[str, tuple[str, ...]], ...] = (), name: str = "") -> Declared:
    """The routine wants locks of the kinds ``entry`` held on entry, and leaves with the locks it found.

    ``drops``: (outcome, kinds) for outcomes with which it has given some back. ``name``: what records call it, if not by its own name.
    """
    return Declared(Contract(entry, False, drops), (name,) if name else ())


def nothing_held(*names: str) -> Declared:
    """The routine, a system call or a thread's first, begins and ends without a lock."""
    return Declared(Contract((), True), names)
