"""The checks by name."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc

from protocol.checks.base import Check
from protocol.checks.busy import BusyXor
from protocol.checks.busy_rules import BusyLocked, BusyOnly, BusyVisible
from protocol.checks.cache import Cache
from protocol.checks.conserve import Conserve
from protocol.checks.content import Cow, Dirty
from protocol.checks.counts import Colour, Count, Reserve
from protocol.checks.deadlock import Deadlock
from protocol.checks.free import FreeClean, FreeUnmapped
from protocol.checks.lockset import LockSet, RemoveObject
from protocol.checks.maps import MapEntries
from protocol.checks.oneq import OneQueue
from protocol.checks.order import Order
from protocol.checks.owner import NoAba, SingleOwner, Tree
from protocol.checks.page_state import Activity, Fictitious, Unmanaged, Wired
from protocol.checks.pv_pte import PvPte
from protocol.checks.recurse import Recurse
from protocol.checks.references import Pip, RefCount, RefLife, Shadow
from protocol.checks.restore import Bounds, LockRestore, Progress
from protocol.checks.sleeping import NoSleep, Spin
from protocol.checks.tables import OneShoot, PtRef
from protocol.checks.tlb import Tlb, TlbDone
from protocol.checks.unique import Unique
from protocol.checks.want import NoLost, Want
from protocol.checks.zero import Zero, ZeroImmutable

CHECKS: dict[str, type[Check]] = {
    check.name: check
    for check in (
        # where frames are
        OneQueue, Count, Conserve, FreeClean, FreeUnmapped, Unique, Tree, SingleOwner, Cache, Colour, Reserve,
        # what a page is
        BusyXor, BusyLocked, BusyOnly, BusyVisible, Wired, Unmanaged, Fictitious, Activity, Zero, ZeroImmutable, Bounds,
        # locks and threads
        LockSet, RemoveObject, Order, NoSleep, Spin, Recurse, LockRestore, Deadlock, Progress,
        # waiting for pages, and trusting them afterwards
        Want, NoLost, NoAba,
        # objects and maps
        Pip, RefLife, RefCount, Shadow, MapEntries,
        # mappings and content
        PvPte, PtRef, Tlb, TlbDone, OneShoot, Cow, Dirty,
    )
}  # fmt: skip
"""All 46, in the order of vm-facts 4 as far as it is one: what is where, what it is, who may touch it, who waits, what refers to what, what
the hardware sees."""


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The checks asked for, in the registry's order; all if none is named. Raises KeyError with a sentence for a name that is no check."""
    for name in names:
        if name not in CHECKS:
            raise KeyError(f"no check is called {name!r}; there are {', '.join(CHECKS)}")
    return tuple(name for name in CHECKS if not names or name in names)


def statement(name: str) -> str:
    """What a check says, when it is evaluated and what it detects: its documentation."""
    return cleandoc(CHECKS[name].__doc__ or "")
