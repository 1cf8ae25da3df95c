"""A CPU's TLB: bounded, first in first out, without address-space tags.

i386 and amd64 of the period have no tags: loading another address space drops every non-global entry, so the entries are those of the
loaded space only. Alpha's tags (ASNs), with which entries outlive a switch, are left out: there, too, loading drops them. ``generation``
counts invalidations; a walk's answer that was asked before one may not enter.
"""

from __future__ import annotations

import msgspec


class Tlb(msgspec.Struct):
    """Translations of the loaded address space: vpn to (frame, PTE bits)."""

    capacity: int
    entries: dict[int, tuple[int, int]] = {}
    windows: dict[str, int] = {}
    """Kernel windows (i386) to the frame each shows as far as this CPU knows. They are not global either."""
    generation: int = 0

    def drop_all(self) -> None:
        """Load of another address space, or INVLTLB."""
        self.entries.clear()
        self.windows.clear()
        self.generation += 1

    def drop_range(self, start: int, end: int) -> None:
        """INVLPG and INVLRNG: drop [start, end)."""
        self.generation += 1
        entries = self.entries
        if end - start <= len(entries):
            for vpn in range(start, end):
                entries.pop(vpn, None)
        else:
            for vpn in [v for v in entries if start <= v < end]:
                del entries[vpn]

    def fill(self, vpn: int, frame: int, bits: int) -> int:
        """Enter a translation; returns the vpn that had to leave for it, or -1."""
        entries = self.entries
        evicted = -1
        if vpn in entries:
            del entries[vpn]
        elif len(entries) >= self.capacity:
            evicted = next(iter(entries))
            del entries[evicted]
        entries[vpn] = (frame, bits)
        return evicted
