"""Which actors a fault of the machine is about, and what it does to them: a row per kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from actors.actor import Actor
from actors.faults import cpus, locks, memory, pagers, sleeping, tlbs
from actors.faults.base import Fit, is_lock
from actors.home import Home
from actors.homes.free_queues import FreeQueues
from actors.homes.pagers import Pager
from actors.processor.cpu import Cpu
from protocol.faults import Fault
from protocol.identity import DISK_PAGER, SWAP_PAGER, cpu_name

DEVICES = {"disk": DISK_PAGER, "swap": SWAP_PAGER}
"""What a scenario calls the pagers."""


class Part(NamedTuple):
    """``concerns``: is this actor one that the fault can be about? (``when.to`` is looked at besides.)"""

    fit: Fit
    concerns: Callable[[Actor, Fault], bool]


def _the_cpu(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, Cpu) and actor.name == cpu_name(fault.cpu)


def _a_cpu(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, Cpu)


def _the_lock(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, Home) and is_lock(fault.lock, actor.name)


def _a_home(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, Home) and (not fault.lock or is_lock(fault.lock, actor.name))


def _the_free_lists(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, FreeQueues)


def _the_pager(actor: Actor, fault: Fault) -> bool:
    return isinstance(actor, Pager) and actor.name == DEVICES[fault.pager]


PARTS: dict[str, Part] = {
    "cpu-slow": Part(cpus.slow, _the_cpu),
    "cpu-offline": Part(cpus.offline, _the_cpu),
    "interrupt-storm": Part(cpus.interrupt_storm, _the_cpu),
    "vcpu-preempted": Part(cpus.preempted, _the_cpu),
    "clock-skew": Part(cpus.clock_skew, _the_cpu),
    "ipi-acked-early": Part(tlbs.acked_early, _a_cpu),
    "tlb-stale-entry": Part(tlbs.stale_entry, _a_cpu),
    "tlb-wrong-range": Part(tlbs.wrong_range, _a_cpu),
    "lock-released-early": Part(locks.released_early, _the_lock),
    "lock-granted-twice": Part(locks.granted_twice, _the_lock),
    "wakeup-lost": Part(sleeping.wakeup_lost, _a_home),
    "wakeup-spurious": Part(sleeping.wakeup_spurious, _a_home),
    "pager-slow": Part(pagers.slow, _the_pager),
    "allocation-failure": Part(memory.allocation_failure, _the_free_lists),
    "memory-fragmented": Part(memory.fragmented, _the_free_lists),
}
