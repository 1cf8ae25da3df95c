"""I-PV-PTE: the two halves of a managed mapping go together.

The PTE's home is the page table, the pv entry's the paging queues; between the two writes one half is missing. Both are made under the
page-queues lock, the PTE by a call and the pv entry at the lock's own home, so when the lock is next granted both have happened. That is
when they are compared.
"""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name
from protocol.checks.references import QUIET_NS
from protocol.checks.state import HAS_PTE, PageView
from protocol.checks.views.pages import Pages, has_pv_entries
from protocol.identity import PAGE_QUEUES
from protocol.pages import PTE_V
from protocol.records import Head


class PvPte(Check):
    """Statement: a managed page has a pv entry (pmap, va) if and only if that page-table entry is valid and holds the page's frame.

    Evaluated: each mapping when its second half appears or disappears, and those with one half at the next ``lock.acquire`` of the
    page-queues lock, and at the end of a run whose work is done. Detects: page tables edited without their locks (C09, C11), a mapping
    that pmap_remove_all cannot find.
    """

    name = "I-PV-PTE"
    domains = ("pages", "threads")
    before = {"pages": {r.LOCK_ACQUIRE: "queues_locked"}}
    after = {"pages": {r.PV_ADD: "pv", r.PV_DEL: "pv", r.PTE_SET: "pte", r.PTE_CLEAR: "pte"}}

    def attach(self, domain: Any) -> None:
        """Mappings with one half are kept by the view."""
        if isinstance(domain, Pages):
            self.pages = domain

    def pv(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A pv entry came or went: count it if that closed the mapping."""
        if (record[1], record[2], record[3]) not in self.pages.open_links:
            self.evaluated += 1

    def pte(self, record: Any, view: PageView, head: Head, index: int) -> None:
        """A PTE came or went."""
        _, vpn, frame, bits, *_ = record
        if bits & PTE_V and has_pv_entries(frame, bits, view) and (frame, head[3], vpn) not in self.pages.open_links:
            self.evaluated += 1

    def queues_locked(self, record: Any, view: None, head: Head, index: int) -> None:
        """Whoever held the page-queues lock before has finished."""
        links = self.pages.open_links
        if links and record[2] == PAGE_QUEUES and record[6] == 1:
            for link, (half, _) in sorted(links.items()):
                self._half(link, half, "although the page-queues lock has changed hands", head, index)
            links.clear()

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Nobody comes for the other half any more."""
        if isinstance(domain, Pages) and ended == "finished":
            quiet_ns = min(active_since_ns, head[0] - QUIET_NS - self.findings.late_ns)
            for link, (half, since_ns) in sorted(self.pages.open_links.items()):
                if since_ns < quiet_ns:
                    self._half(link, half, f"since {since_ns} ns, and nobody works on it", head, 0)

    def _half(self, link: tuple[int, str, int], half: int, since: str, head: Head, index: int) -> None:
        self.evaluated += 1
        frame, pmap, vpn = link
        found = "a PTE but no pv entry" if half == HAS_PTE else "a pv entry but no PTE"
        self.violate(head, index, f"{page_name(frame)}: {pmap} va {vpn << 12:#x} has {found} {since}")
