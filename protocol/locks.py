"""Lock classes and their order (vm-facts 2.5).

A lock's name is its home's name; its *class* is the home's kind; witness works on *types*, which are the kernel's own names. A few homes
have a class of their own, as the kernel's static objects and maps do: they are like others of their kind, but taken in another order, and a
class by kind alone would let witness see reversals where there are none. A zone's private object is locked with the page queues held, the
reverse of the order of vm objects, and is never locked otherwise (C07).

Of the maps the sheet lets only the system map be held beside another of its type. Here user maps are let too: a fork locks the parent's map
and then the child's, which nobody else can reach yet, and takes no other map with one held; so there is no order between two user maps that
a thread could reverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from protocol.identity import KERNEL_MAP, KERNEL_OBJECT, PV_OBJECT, kind_of


class LockClass(NamedTuple):
    """What the kernel knows of a kind of lock."""

    type: str
    """The name witness prints."""
    metric: str
    """The word in ``lock.<class>.*`` metrics."""
    spin: bool
    sleepable: bool
    recursive: bool
    """A holder may acquire it again, in the newest kernel (see :func:`may_recurse`)."""
    duplicates: bool
    """DUPOK: several locks of the type may be held at once."""
    rank: int
    """Place in the order the kernel means, outer locks first. Witness takes it as given between spin locks; between others it takes
    :data:`STATIC_ORDER` as given and learns the rest from what threads do."""


PAGE_QUEUES_TYPE = "vm page queue mutex"
GIANT_TYPE = "Giant"
"""The kernel gives it up for a thread that sleeps, and takes it again afterwards."""

CLASSES: dict[str, LockClass] = {
    "giant": LockClass(GIANT_TYPE, "giant", spin=False, sleepable=False, recursive=True, duplicates=False, rank=5),
    "map": LockClass("user map", "vm_map", spin=False, sleepable=True, recursive=False, duplicates=True, rank=10),
    "isa": LockClass("isa driver", "isa_driver", spin=False, sleepable=False, recursive=False, duplicates=False, rank=12),
    "kernel-map": LockClass("system map", "system_map", spin=False, sleepable=False, recursive=False, duplicates=True, rank=15),
    "vnlock": LockClass("vnode", "vnode", spin=False, sleepable=True, recursive=False, duplicates=False, rank=20),
    "kernel-object": LockClass("kernel object", "kernel_object", spin=False, sleepable=False, recursive=False, duplicates=False, rank=30),
    "object": LockClass("vm object", "vm_object", spin=False, sleepable=False, recursive=False, duplicates=True, rank=30),
    "pq": LockClass(PAGE_QUEUES_TYPE, "vm_page_queue", spin=False, sleepable=False, recursive=True, duplicates=False, rank=40),
    "pmap": LockClass("pmap", "pmap", spin=False, sleepable=False, recursive=False, duplicates=True, rank=50),
    "window": LockClass("PMAP2mutex", "pmap_window", spin=False, sleepable=False, recursive=False, duplicates=False, rank=52),
    "zone": LockClass("UMA zone", "uma_zone", spin=False, sleepable=False, recursive=False, duplicates=True, rank=55),
    "uma-object": LockClass("uma object", "uma_object", spin=False, sleepable=False, recursive=False, duplicates=False, rank=56),
    "vnode": LockClass("vnode interlock", "vnode_interlock", spin=False, sleepable=False, recursive=False, duplicates=False, rank=60),
    "lock": LockClass("plain", "plain", spin=False, sleepable=False, recursive=False, duplicates=True, rank=60),
    "fq": LockClass(
        "vm page queue free mutex", "vm_page_queue_free", spin=True, sleepable=False, recursive=False, duplicates=False, rank=90
    ),
    "smp": LockClass("smp rendezvous", "smp_ipi", spin=True, sleepable=False, recursive=False, duplicates=False, rank=95),
}

STATIC_ORDER: tuple[tuple[str, str], ...] = ((PAGE_QUEUES_TYPE, CLASSES["vnode"].type),)
"""Pairs of types, outer first, that witness knows from the start: those of its list of 2006 in which both locks are of this machine and
no spin locks."""

OWN_CLASS: dict[str, str] = {KERNEL_OBJECT: "kernel-object", KERNEL_MAP: "kernel-map", PV_OBJECT: "uma-object"}
"""Homes whose lock has a class that is not their kind's."""


def may_recurse(lock: str, kernel: Mapping[str, str]) -> bool:
    """May the holder of this lock acquire it again? The page-queues lock in kernels since C07."""
    known = CLASSES[kind_of(lock)]
    return known.recursive and (known.type != PAGE_QUEUES_TYPE or kernel.get("C07") != "no")


def class_of(lock: str) -> LockClass:
    """The class of the lock whose home is called ``lock``."""
    return CLASSES[OWN_CLASS.get(lock) or kind_of(lock)]


def known_class(lock: str) -> LockClass | None:
    """As :func:`class_of`, for a name that may be no lock's: None."""
    return CLASSES.get(OWN_CLASS.get(lock) or kind_of(lock))
