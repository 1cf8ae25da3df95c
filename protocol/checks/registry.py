"""The checks by name."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc

from protocol.checks.base import Check
from protocol.checks.busy import BusyXor
from protocol.checks.cache import Cache
from protocol.checks.conserve import Conserve
from protocol.checks.deadlock import Deadlock
from protocol.checks.free import FreeClean, FreeUnmapped
from protocol.checks.oneq import OneQueue
from protocol.checks.order import Order
from protocol.checks.pv_pte import PvPte
from protocol.checks.recurse import Recurse
from protocol.checks.sleeping import NoSleep, Spin
from protocol.checks.tlb import Tlb, TlbDone
from protocol.checks.unique import Unique
from protocol.checks.want import Want

CHECKS: dict[str, type[Check]] = {
    check.name: check
    for check in (
        Conserve, OneQueue, FreeClean, FreeUnmapped, Unique, BusyXor, Tlb, TlbDone, Order, NoSleep, Spin, Recurse, Deadlock, Want, PvPte,
        Cache,
    )
}  # fmt: skip


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The checks asked for, in the registry's order; all if none is named. Raises KeyError with a sentence for a name that is no check."""
    for name in names:
        if name not in CHECKS:
            raise KeyError(f"no check is called {name!r}; there are {', '.join(CHECKS)}")
    return tuple(name for name in CHECKS if not names or name in names)


def statement(name: str) -> str:
    """What a check says, when it is evaluated and what it detects: its documentation."""
    return cleandoc(CHECKS[name].__doc__ or "")
