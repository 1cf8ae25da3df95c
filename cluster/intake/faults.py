"""A recorded page fault becomes an access to the page; what it hits decides the rest.

A fault outside every known mapping belongs to an unknown earlier one. The compiler maps it in front of the access: the free gap inside the
page's aligned 2 MB block, anonymous if the first touch stores into a page that is not there, else a private file of its own. Leaving that
to the model was rejected: the order edges must know it as a map change, and the model then needs no special case.
"""

from __future__ import annotations

from cluster.intake.births import LOADER_SYMBOLS
from cluster.intake.happenings import Faulted
from cluster.intake.ledger import Ledger
from cluster.intake.mappings import Mapping
from cluster.intake.perf_lines import PAGE_SHIFT, USER_PAGES
from cluster.intake.population import Population, Thread
from protocol.workload import Access

ALL_RIGHTS = 7


class Faults:
    """Compiles faults. ``unknown``: mappings that had to be made up; ``cold``: accesses that waited for a disk."""

    def __init__(self, population: Population, ledger: Ledger) -> None:
        self.population = population
        self.ledger = ledger
        self.unknown = 0
        self.cold = 0

    def compile(self, thread: Thread, fault: Faulted) -> None:
        """Append the access, and in front of it the mapping it hits if that is unknown. The fault is in user space."""
        vpn = fault.address >> PAGE_SHIFT
        mapping = thread.space.table.find(vpn) or self._unknown(thread, fault, vpn)
        # A page that is present was in memory: what its task waited for was something else.
        cold = fault.cold and mapping.file >= 0 and not fault.present
        access = Access(
            vpn=vpn,
            write=fault.write,
            fetch=fault.fetch,
            recorded=True,
            present=fault.present,
            cold=cold,
            anonymous=mapping.file < 0,
        )
        index = self.population.emit(thread, access, fault.time_ns, fault.cpu, fault.line)
        self.population.order.access(thread.space.order, thread.number, index)
        self.cold += cold
        self.ledger.account.faults += 1
        self.ledger.replay()

    def _unknown(self, thread: Thread, fault: Faulted, vpn: int) -> Mapping:
        """Make up the mapping that ``vpn`` lies in."""
        table = thread.space.table
        start, end = table.gap(vpn)
        end = min(end, USER_PAGES)
        stack = table.stack_above(vpn)
        if stack is not None:
            mapping = Mapping(start, max(end, vpn + 1), stack.prot, stack=True)
        elif fault.write and not fault.present and fault.symbol not in LOADER_SYMBOLS:
            mapping = Mapping(start, end, ALL_RIGHTS)
        else:
            file = self.population.files.unknown(thread.space.number, start, end)
            mapping = Mapping(start, end, ALL_RIGHTS, file)
        self.unknown += 1
        self.population.emit_unknown(thread, mapping, fault.time_ns, fault.cpu)
        return mapping


def in_user_space(address: int) -> bool:
    """Is this an address a user mapping can have?"""
    return address >> PAGE_SHIFT < USER_PAGES
