"""Which class an actor's name denotes, and the homes that exist when a machine starts.

Objects, pmaps and maps are made by CPUs as the workload runs; these here exist once.
"""

from __future__ import annotations

from actors.home import Home
from actors.homes.free_queues import FreeQueues
from actors.homes.isa import IsaDma
from actors.homes.maps import VmMap
from actors.homes.nics import NetworkCard
from actors.homes.objects import VmObject
from actors.homes.page_queues import PageQueues
from actors.homes.pagers import Pager
from actors.homes.pmaps import Pmap
from actors.homes.rendezvous import Rendezvous
from actors.homes.sequencer import Sequencer
from actors.homes.vnodes import Vnode
from actors.homes.windows import Window
from actors.homes.zones import Zone
from protocol.identity import (
    DISK_PAGER,
    FREE_QUEUES,
    GIANT,
    ISA_DMA,
    KERNEL_BASE,
    KERNEL_MAP,
    KERNEL_OBJECT,
    KERNEL_PAGES,
    LOCAL_WINDOW,
    NETWORK_CARD,
    PAGE_QUEUES,
    PV_OBJECT,
    PV_ZONE,
    RENDEZVOUS,
    SEQUENCER,
    SHARED_WINDOW,
    SWAP_PAGER,
)
from protocol.machine import Machine

HOME_CLASSES: dict[str, type[Home]] = {
    "pq": PageQueues,
    "fq": FreeQueues,
    "object": VmObject,
    "pmap": Pmap,
    "map": VmMap,
    "pager": Pager,
    "nic": NetworkCard,
    "smp": Rendezvous,
    "order": Sequencer,
    "zone": Zone,
    "isa": IsaDma,
    "vnode": Vnode,
    "vnlock": Home,
    "giant": Home,
    "window": Window,
    "lock": Home,
}
"""By the first word of an actor's name; "lock" is a plain lock, with no state under it, and so is a vnode's sleepable lock."""


def boot_homes(machine: Machine) -> list[Home]:
    """The paging queues, the free lists (every frame free), the kernel's own object and map, the rendezvous, the sequencer, the disk and
    the swap space of this machine; on i386 its windows, and where pv entries are limited, their zone and its object."""
    service_ns, depth = machine.costs.service_ns, machine.pager_queue
    homes: list[Home] = [
        PageQueues(name=PAGE_QUEUES, service_ns=service_ns, colours=machine.colours),
        FreeQueues(name=FREE_QUEUES, service_ns=service_ns, frames=machine.frames, colours=machine.colours, thresholds=machine.thresholds),
        VmObject(name=KERNEL_OBJECT, service_ns=service_ns, size=KERNEL_PAGES),
        VmMap(name=KERNEL_MAP, service_ns=service_ns, low=KERNEL_BASE, high=KERNEL_BASE + KERNEL_PAGES, users=0),
        Rendezvous(name=RENDEZVOUS, service_ns=service_ns),
        Sequencer(name=SEQUENCER, service_ns=service_ns),
        IsaDma(name=ISA_DMA, service_ns=service_ns),
        NetworkCard(name=NETWORK_CARD, service_ns=service_ns),
        Home(name=GIANT, service_ns=service_ns),
        Pager(name=DISK_PAGER, service_ns=service_ns, read_ns=machine.disk_read_ns, write_ns=machine.disk_write_ns, depth=depth),
        Pager(name=SWAP_PAGER, service_ns=service_ns, read_ns=machine.swap_read_ns, write_ns=machine.swap_write_ns, depth=depth, swap=True),
    ]
    if machine.pmap == "i386":
        homes += [Window(name=name, service_ns=service_ns) for name in (LOCAL_WINDOW, SHARED_WINDOW)]
    if machine.pv_entries_max:
        homes.append(Zone(name=PV_ZONE, service_ns=service_ns, limit=machine.pv_entries_max, slab_items=machine.pv_slab_items))
        homes.append(VmObject(name=PV_OBJECT, service_ns=service_ns, size=machine.pv_entries_max * machine.pv_slab_pages))
    return homes
