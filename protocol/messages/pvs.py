"""Operations on the pv lists: which page tables map a page, and what hardware has set in their entries (vm-facts 2.1, 3.14).

The lists are the page records', so their home is ``pq``, and its lock guards them.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class PvAdd(Op, tag=54, gc=False):
    """Link a pv entry (pmap, vpn) to the page. No value."""

    word: ClassVar[str] = "page.pv-add"
    frame: int
    pmap: str
    vpn: int


class PvDel(Op, tag=55, gc=False):
    """Unlink a pv entry; harvested A sets REFERENCED, harvested M sets all dirty bits. Value: pv entries left."""

    word: ClassVar[str] = "page.pv-del"
    frame: int
    pmap: str
    vpn: int
    accessed: bool = False
    modified: bool = False


class Pvs(Op, tag=56, gc=False):
    """The page's pv list. Value: ((pmap, vpn), ...)."""

    word: ClassVar[str] = "page.pvs"
    frame: int


class PvRequeue(Op, tag=72, gc=False):
    """The first ``entries`` entries of the page's pv list go to its tail, in their order (ts_referenced). No value."""

    word: ClassVar[str] = "page.pv-requeue"
    frame: int
    entries: int


class Harvest(Op, tag=73, gc=False):
    """What hardware had set in a PTE of the page: A sets REFERENCED, M sets all dirty bits. No value."""

    word: ClassVar[str] = "page.harvest"
    frame: int
    accessed: bool = False
    modified: bool = False


class PvCount(Op, tag=233, gc=False):
    """pv_entry_count: how many pv entries there are. Value: int."""

    word: ClassVar[str] = "page.pv-count"
