"""Names of actors.

An actor *is* its name: ``cpu.3``, ``pq``, or ``object.7.cpu.3``: the seventh object that ``cpu.3`` created. A child lives on the
worker of its creator's root, so every partition finds it by its name alone and no directory of addresses exists. The
rejected alternative, a numeric handle given out by a registry, needs a message before a new object can be spoken to.
"""

from __future__ import annotations

from functools import lru_cache

BOOT = "boot"
"""The sender of the events a run starts with."""

PAGE_QUEUES = "pq"
FREE_QUEUES = "fq"
RENDEZVOUS = "smp"
SEQUENCER = "order"
DISK_PAGER = "pager.0"
SWAP_PAGER = "pager.1"
NETWORK_CARD = "nic.0"
GIANT = "giant"
LOCAL_WINDOW, SHARED_WINDOW = "window.1", "window.2"
"""PADDR1 and PADDR2 (i386): one page each, through which the kernel reaches page-table pages of an address space that is not loaded."""
PV_ZONE = "zone.0"
"""The UMA zone of pv entries."""
PV_OBJECT = "object.uma"
"""The private object from which its slabs come."""
ISA_DMA = "isa"
KERNEL_OBJECT = "object.kernel"
"""The object that memory of the kernel's own belongs to."""
KERNEL_MAP = "map.kernel"
"""The map of the kernel's own address space."""
PTE_LABEL = "pte"
"""How the names of objects of page-table pages begin."""
KERNEL_BASE, KERNEL_PAGES = 1 << 35, 1 << 20
"""Its first page number and its size; the kernel object's offsets count from the former."""


def cpu_name(index: int) -> str:
    """The name of CPU number ``index`` (counted from 0)."""
    return f"cpu.{index}"


@lru_cache(maxsize=1 << 16)
def root_of(name: str) -> str:
    """The root actor in whose place ``name`` lives: ``object.7.cpu.3`` lives where ``cpu.3`` does."""
    parts = name.split(".")
    return name if len(parts) <= 2 else ".".join(parts[-2:])


@lru_cache(maxsize=1 << 16)
def kind_of(name: str) -> str:
    """The kind of actor a name denotes: its first word."""
    return name.split(".", 1)[0]


def is_boot_object(name: str) -> bool:
    """Is this a vm object that exists from the start: a file?"""
    return name.startswith("object.") and name.count(".") == 1


def child_name(kind: str, number: int, creator: str, label: str = "") -> str:
    """The name of the ``number``-th actor of ``kind`` that ``creator``, a root, has made; ``label``: what kind of that kind it is."""
    return f"{kind}.{label}{number}.{creator}"


@lru_cache(maxsize=1 << 16)
def vnode_of(obj: str) -> str:
    """The vnode whose pages a vm object holds: ``vnode.3`` for ``object.3``; "" for an object that is no file's."""
    kind, _, rest = obj.partition(".")
    return f"vnode.{rest}" if kind == "object" and rest.isdecimal() else ""


def boot_pte_object(space: int) -> str:
    """The object of the page-table pages of an address space that exists from the start (alpha before C14)."""
    return f"object.{PTE_LABEL}{space}"


def is_pte_object(name: str) -> bool:
    """Is this the object of some address space's page-table pages? Its pmap has a reference on it."""
    return name.startswith(f"object.{PTE_LABEL}")


def vnode_lock(vnode: str) -> str:
    """The home of a vnode's sleepable lock."""
    return f"vnlock.{vnode.partition('.')[2]}"


@lru_cache(maxsize=1 << 16)
def address_of(name: str) -> tuple[int, int]:
    """A total order on actors of one kind that stands for their addresses (pmaps are locked in ascending order)."""
    parts = name.split(".")
    number = parts[1].removeprefix(PTE_LABEL) if len(parts) > 1 else ""
    own = int(number) if number.isdecimal() else 0
    creator = int(parts[3]) if len(parts) > 3 else -1
    return (own, creator)
