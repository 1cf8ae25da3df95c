"""The whole machine: the actors that exist when it starts, and what every worker must give them.

Files are boot objects, one per file of the workload; tasks that exist at the start are dealt to the CPUs of their first steps, each
address space with its own map and pmap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from actors.actor import Actor
from actors.home import Home
from actors.homes.boot import HOME_CLASSES, boot_homes
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.pmaps import Pmap
from actors.homes.vnodes import Vnode
from actors.kernel.context import Tables
from actors.kernel.contracts import CONTRACTS
from actors.kernel.mman import vnode_name
from actors.kernel.pmap_pte_object import PTE_OBJECT_PAGES
from actors.kernel.step import ROUTINES
from actors.processor.cpu import Cpu
from actors.processor.state import home_cpu
from actors.processor.tlb import Tlb
from protocol.contracts import Contract
from protocol.identity import boot_pte_object, cpu_name, vnode_lock, vnode_of
from protocol.machine import Machine
from protocol.messages import Message
from protocol.messages.locks import Wakeup
from protocol.pages import OBJT_VNODE
from protocol.workload import Workload


def boot_actors(machine: Machine, workload: Workload, kernel: Mapping[str, str] | None = None) -> list[Actor]:
    """CPUs, homes, the workload's files with their vnodes, and the address spaces of the tasks that exist at the start.

    Under C14 ``pte-object`` each of these spaces has an object for its page-table pages.
    """
    service_ns = machine.costs.service_ns
    actors: list[Actor] = [
        Cpu(name=cpu_name(index), index=index, machine=machine, tlb=Tlb(machine.tlb_entries)) for index in range(machine.cpus)
    ]
    actors += boot_homes(machine)
    for number, file in enumerate(workload.files):
        obj = vnode_name(number)
        actors.append(VmObject(name=obj, service_ns=service_ns, type=OBJT_VNODE, size=file.pages, warm=file.warm))
        vnode = vnode_of(obj)
        actors += [Vnode(name=vnode, service_ns=service_ns), Home(name=vnode_lock(vnode), service_ns=service_ns)]
    for space, users in _spaces(workload).items():
        actors.append(VmMap(name=f"map.{space}", service_ns=service_ns, users=users))
        pte_object = boot_pte_object(space) if (kernel or {}).get("C14") == "pte-object" else ""
        if pte_object:
            actors.append(VmObject(name=pte_object, service_ns=service_ns, size=PTE_OBJECT_PAGES))
        actors.append(Pmap(name=f"pmap.{space}", service_ns=service_ns, paging=machine.pmap, pte_object=pte_object))
    return actors


def _spaces(workload: Workload) -> dict[int, int]:
    """Address spaces that exist at the start, with how many tasks begin in each."""
    spaces: dict[int, int] = {}
    for task in workload.tasks:
        if task.parent < 0:
            spaces[task.space] = spaces.get(task.space, 0) + 1
    return spaces


def tables(kernel: Mapping[str, str], machine: Machine, workload: Workload, options: Mapping[str, int | str]) -> Tables:
    """What every CPU knows: the kernel's forms, the routines, the workload, and which tasks begin where."""
    initial: dict[int, list[tuple[int, str, str]]] = {}
    for number, task in enumerate(workload.tasks):
        if task.parent < 0:
            first = task.steps[0].cpu if task.steps and task.steps[0].cpu >= 0 else task.cpu
            index = int(home_cpu(first, machine.cpus).split(".")[1])
            initial.setdefault(index, []).append((number, f"map.{task.space}", f"pmap.{task.space}"))
    return Tables(kernel, ROUTINES, workload, initial, options)


def equip(actors: list[Actor], shared: Tables) -> None:
    """Give the CPUs among ``actors`` their tables, and the homes the kernel's forms; after a restore too."""
    for actor in actors:
        if isinstance(actor, Cpu):
            actor.equip(shared)
        elif isinstance(actor, Home):
            actor.equip(shared.kernel)


def contracts() -> Mapping[str, Contract]:
    """What each routine of the kernel promises of locks: for the checks, which import no kernel."""
    return CONTRACTS


def handled() -> dict[str, set[type[Message]]]:
    """By kind of actor, the messages it handles: for scenarios, which refuse what no actor can get."""
    kinds: dict[str, set[type[Message]]] = {kind: {*home.handlers, *home.ops, Wakeup} for kind, home in HOME_CLASSES.items()}
    return {"cpu": set(Cpu.handlers)} | kinds


def tasks_total(workload: Workload) -> int:
    """How many tasks will report that they are done."""
    return len(workload.tasks)


class Parts(NamedTuple):
    """A machine ready to start: its actors, how many tasks must be done, the actor class of each kind, and how to equip restored actors."""

    actors: list[Actor]
    tasks_total: int
    kinds: dict[str, type[Actor]]
    least_service_ns: dict[str, int]
    equip: Callable[[list[Actor]], None]


def boot(machine: Machine, kernel: Mapping[str, str], workload: Workload, options: Mapping[str, int | str]) -> Parts:
    """Build the whole machine for a workload."""
    shared = tables(kernel, machine, workload, options)
    actors = boot_actors(machine, workload, kernel)
    equip(actors, shared)
    return Parts(
        actors=actors,
        tasks_total=tasks_total(workload),
        kinds={"cpu": Cpu, **HOME_CLASSES},
        least_service_ns=dict.fromkeys(
            ("fq", "object", "pmap", "map", "smp", "order", "zone", "vnode", "vnlock", "isa", "window"), machine.costs.service_ns
        ),
        equip=lambda restored: equip(restored, shared),
    )
