"""The geometry of page tables as data: how many levels, how many bits of a virtual page number each resolves (vm-facts 3.14).

Level 1 is the leaf tables; a level-k table covers ``1 << bits * k`` pages, and its slot is ``vpn >> bits * k``, counted through the whole
address space. The root is made with the pmap and never goes, so it is no page-table page here. A class per architecture was rejected: they
differ in two numbers.
"""

from __future__ import annotations

from typing import NamedTuple


class Paging(NamedTuple):
    """One way of paging."""

    bits: int
    """Bits of the page number that one table resolves."""
    levels: int
    """Levels of tables, root included."""
    user_pages: int
    """Pages of user address space."""
    kept_level: int = 0
    """The level whose tables stay until the pmap goes, even empty ones; 0: none."""


PAGING: dict[str, Paging] = {
    "i386": Paging(bits=10, levels=2, user_pages=0xBFC00),
    "amd64": Paging(bits=9, levels=4, user_pages=1 << 35),
    "alpha": Paging(bits=10, levels=4, user_pages=1 << 29, kept_level=3),
}
"""By the word of ``machine.pmap``. i386 without PAE; its kernel and recursive map begin at 0xbfc00000.

Alpha has three levels of tables with 1,024 entries; its level-1 table is a page as the others are, so here it is level 3 below a root that
is only a register. Left out: pages of 8 KiB (frames are of 4 KiB on every machine here) and address-space numbers (the TLB has no tags)."""
