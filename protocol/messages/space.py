"""Operations on page tables (home ``pmap.*``) and address-space maps (home ``map.*``); vm-facts 3.14, 3.15, model notes 4.

``vpn`` is a virtual page number (address >> 12). PTE bits are those of :mod:`protocol.pages`.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class Walk(Op, tag=110, gc=False):
    """The MMU walks the table for an access: sets A, and M if it writes through a writable PTE. Value: (frame, bits) or (-1, bits).

    -1 means the access faults: bits is 0 for no PTE, else the PTE that forbids it. No lock: this is hardware.
    """

    word: ClassVar[str] = "pmap.walk"
    vpn: int
    write: bool = False


class PtNeed(Op, tag=111, gc=False):
    """Which page-table pages are missing on the way to ``vpn``. Value: ((level, slot), ...) from the top down, empty if none."""

    word: ClassVar[str] = "pmap.need"
    vpn: int


class PtInstall(Op, tag=112, gc=False):
    """Install ``frame`` as the page-table page of (level, slot). Value: true; false if somebody else was first."""

    word: ClassVar[str] = "pmap.install"
    level: int
    slot: int
    frame: int


class PteSwap(Op, tag=113, gc=False):
    """Store a PTE. Value: (old frame, old bits), (-1, 0) if there was none.

    ``table``: the page-table page that the caller found earlier and stores into (0: whichever is there). If it is that no longer, the store
    goes into a page of somebody else's. ``counted``: the caller has counted the entry already (:class:`PtHold`).
    """

    word: ClassVar[str] = "pmap.swap"
    vpn: int
    frame: int
    bits: int
    table: int = 0
    counted: bool = False


class PteClear(Op, tag=114, gc=False):
    """Swap the PTE to 0. Value: (frame, bits, ((level, slot, pt frame), ...)): what it was and the page-table pages this emptied.

    ``believed``: the page-table page's count goes down even where no entry is found, for the caller has seen one. ``table``: as for
    :class:`PteSwap`.
    """

    word: ClassVar[str] = "pmap.clear"
    vpn: int
    believed: bool = False
    table: int = 0


class PteProtect(Op, tag=115, gc=False):
    """Clear the bits ``clear`` of a PTE. Value: (frame, old bits), (-1, 0) if there is none. ``table``: as for :class:`PteSwap`."""

    word: ClassVar[str] = "pmap.protect"
    vpn: int
    clear: int
    table: int = 0


class PteTest(Op, tag=116, gc=False):
    """Read a PTE and clear the bits ``clear`` (ts_referenced: A) in one step. Value: (frame, old bits).

    ``table``: as for :class:`PteSwap`; in a page that is no page-table page any more no entry is found.
    """

    word: ClassVar[str] = "pmap.test"
    vpn: int
    clear: int = 0
    table: int = 0


class PtFind(Op, tag=234, gc=False):
    """Read the directory: the leaf page-table page for ``vpn``. Value: its frame, 0 if there is none."""

    word: ClassVar[str] = "pmap.find"
    vpn: int


class PtHold(Op, tag=235, gc=False):
    """Count an entry of the leaf page-table page for ``vpn`` before it is stored (+1), or one that is not stored after all (-1).

    ``table``: the page as the caller found it (0: whichever is there). Value: (true, page-table pages this emptied); false where it is
    that page no longer, and nothing is counted.
    """

    word: ClassVar[str] = "pmap.hold"
    vpn: int
    delta: int
    table: int = 0


class Range(Op, tag=117, gc=False):
    """The valid PTEs in [start, end), ascending, at most ``limit``. Value: ((vpn, frame, bits), ...).

    ``copied``: pmap_copy asks, which asserts that every page-table page of the range has entries. Value: its panic, if one has none.
    """

    word: ClassVar[str] = "pmap.range"
    start: int
    end: int
    limit: int = 64
    copied: bool = False


class ResidentCount(Op, tag=118, gc=False):
    """pm_stats.resident_count. Value: int."""

    word: ClassVar[str] = "pmap.resident-count"


class SetActive(Op, tag=119, gc=False):
    """A CPU's dispatcher sets or clears its bit of pm_active (an atomic operation, no lock). No value."""

    word: ClassVar[str] = "pmap.active"
    cpu: int
    active: bool


class ActiveMask(Op, tag=120, gc=False):
    """Read pm_active. Value: the bit mask of CPUs on which the address space is loaded.

    A mask of more than 64 CPUs is no MessagePack integer: on larger machines :class:`ActiveCpus` is the one to use.
    """

    word: ClassVar[str] = "pmap.active-mask"


class ActiveCpus(Op, tag=121, gc=False):
    """Read pm_active. Value: the numbers of the CPUs on which the address space is loaded, ascending."""

    word: ClassVar[str] = "pmap.active-cpus"


class PteObject(Op, tag=238, gc=False):
    """pm_pteobj: the object of the page-table pages (alpha before C14). Constant. Value: its name, "" if there is none."""

    word: ClassVar[str] = "pmap.pte-object"


class PtDrop(Op, tag=239, gc=False):
    """Unlink the page-table page of (level, slot), whatever is in it. Value: its frame, 0 if there is none."""

    word: ClassVar[str] = "pmap.drop"
    level: int
    slot: int


CutRow = tuple[int, int, str, int, int, int, int]
"""An EntryRow, and how many entries more than before the operation refer to its object because of it (-1: an entry is gone)."""

EntryRow = tuple[int, int, str, int, int, int]
"""A map entry as a value: (start, end, object or "", offset in pages, protection, flags); start and end are vpns, end exclusive."""

ENTRY_COW, ENTRY_NEEDS_COPY, ENTRY_SHARED, ENTRY_STACK, ENTRY_WIRED = 1, 2, 4, 8, 16


class Find(Op, tag=140, gc=False):
    """vm_map_lookup_entry. Value: (timestamp, start, end, object, offset, prot, flags), or (timestamp,) if nothing is mapped there."""

    word: ClassVar[str] = "map.find"
    vpn: int


class AddEntry(Op, tag=141, gc=False):
    """Insert an entry; it may not overlap another (panic text as value). Value: None. ``object`` "" is allocated at the first fault."""

    word: ClassVar[str] = "map.add"
    start: int
    end: int
    object: str
    offset: int
    prot: int
    flags: int


class Cut(Op, tag=142, gc=False):
    """Remove [start, end), clipping entries at its edges. Value: the removed pieces as CutRow tuples, ascending."""

    word: ClassVar[str] = "map.cut"
    start: int
    end: int


class ProtectEntries(Op, tag=143, gc=False):
    """Set the protection of [start, end), clipping. Value: the pieces inside, with their old protection, as CutRow tuples."""

    word: ClassVar[str] = "map.protect"
    start: int
    end: int
    prot: int


class WireEntries(Op, tag=219, gc=False):
    """Mark [start, end) wired, or not wired any more, clipping. Value: the pieces inside, as they were, as CutRow tuples."""

    word: ClassVar[str] = "map.wire"
    start: int
    end: int
    wired: bool


class Entries(Op, tag=144, gc=False):
    """The entries that touch [start, end), at most ``limit``. Value: EntryRow tuples, ascending."""

    word: ClassVar[str] = "map.entries"
    start: int
    end: int
    limit: int = 64


class SetEntryObject(Op, tag=145, gc=False):
    """Give the entry that starts at ``start`` an object and flags (first fault, shadowing, fork). No value."""

    word: ClassVar[str] = "map.object"
    start: int
    object: str
    offset: int
    flags: int


class SpaceUsers(Op, tag=148, gc=False):
    """Add to the number of tasks that use the address space (vmspace reference count; atomic, no lock). Value: the new number."""

    word: ClassVar[str] = "map.users"
    delta: int


class FindSpace(Op, tag=146, gc=False):
    """vm_map_findspace: the lowest gap of ``pages`` at or above ``hint``. Value: its start vpn."""

    word: ClassVar[str] = "map.space"
    hint: int
    pages: int


class Gap(Op, tag=147, gc=False):
    """The free gap around ``vpn`` within the aligned 512-page block that holds it. Value: (start, end), or None if mapped."""

    word: ClassVar[str] = "map.gap"
    vpn: int
