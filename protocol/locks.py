"""Lock classes and their order (vm-facts 2.5).

A lock's name is its home's name; its *class* is the home's kind; witness works on *types*, which are the kernel's own names.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.identity import kind_of


class LockClass(NamedTuple):
    """What the kernel knows of a kind of lock."""

    type: str
    """The name witness prints."""
    metric: str
    """The word in ``lock.<class>.*`` metrics."""
    spin: bool
    sleepable: bool
    recursive: bool
    duplicates: bool
    """DUPOK: several locks of the type may be held at once."""
    rank: int
    """Place in the static order: a lock may be acquired while only lower ranks (or equal ones with DUPOK) are held."""


CLASSES: dict[str, LockClass] = {
    "map": LockClass("user map", "vm_map", spin=False, sleepable=True, recursive=False, duplicates=True, rank=10),
    "object": LockClass("vm object", "vm_object", spin=False, sleepable=False, recursive=False, duplicates=True, rank=30),
    "pq": LockClass("vm page queue mutex", "vm_page_queue", spin=False, sleepable=False, recursive=True, duplicates=False, rank=40),
    "pmap": LockClass("pmap", "pmap", spin=False, sleepable=False, recursive=False, duplicates=True, rank=50),
    "lock": LockClass("plain", "plain", spin=False, sleepable=False, recursive=False, duplicates=True, rank=60),
    "fq": LockClass(
        "vm page queue free mutex", "vm_page_queue_free", spin=True, sleepable=False, recursive=False, duplicates=False, rank=90
    ),
    "smp": LockClass("smp rendezvous", "smp_ipi", spin=True, sleepable=False, recursive=False, duplicates=False, rank=95),
}


def class_of(lock: str) -> LockClass:
    """The class of the lock whose home is called ``lock``."""
    return CLASSES[kind_of(lock)]
