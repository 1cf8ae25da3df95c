"""Page flags, queues, PTE bits and the legal moves between queues (vm-facts 2.2, 2.3, 3.14)."""

from __future__ import annotations

PAGE_SHIFT = 12
PAGE_BYTES = 1 << PAGE_SHIFT
FIRST_FRAME = 1
"""Physical page number of the first page: frames are counted from here, and so is vm_page_array."""
GUARD_RECORDS = 64
"""Page records that would fit into the unmapped page below vm_page_array (C27)."""
VALID_ALL = 0xFF
"""All eight 512-byte pieces of a page are valid (or dirty)."""

FAKE = 1 << 40
"""Page records without RAM behind them are numbered from here: FAKE + the physical page number of the device's memory. A page-table entry
holds the physical page number; what is in it beside that tells the two apart here, as the kernel's record does there."""

# Page flags (values as in the 2006 kernel).
BUSY, WANTED, WINATCFLS, FICTITIOUS, WRITEABLE = 0x1, 0x2, 0x4, 0x8, 0x10
ZERO, REFERENCED, CLEANCHK, SWAPINPROG, NOSYNC = 0x40, 0x80, 0x100, 0x200, 0x400
UNMANAGED, MARKER, SLAB = 0x800, 0x1000, 0x2000
FLAG_NAMES = {
    BUSY: "BUSY", WANTED: "WANTED", WINATCFLS: "WINATCFLS", FICTITIOUS: "FICTITIOUS", WRITEABLE: "WRITEABLE", ZERO: "ZERO",
    REFERENCED: "REFERENCED", CLEANCHK: "CLEANCHK", SWAPINPROG: "SWAPINPROG", NOSYNC: "NOSYNC", UNMANAGED: "UNMANAGED",
    MARKER: "MARKER", SLAB: "SLAB",
}  # fmt: skip

# Queues. FREE belongs to the free queues' home, the others to the paging queues' home.
NONE, FREE, INACTIVE, ACTIVE, CACHE, HOLD = range(6)
QUEUE_NAMES = ("NONE", "FREE", "INACTIVE", "ACTIVE", "CACHE", "HOLD")

LEGAL_MOVES = frozenset(
    {
        (FREE, NONE), (NONE, FREE), (NONE, HOLD), (INACTIVE, HOLD), (ACTIVE, HOLD), (CACHE, HOLD), (HOLD, FREE), (HOLD, NONE),
        (NONE, ACTIVE), (NONE, INACTIVE), (INACTIVE, ACTIVE), (ACTIVE, INACTIVE), (INACTIVE, CACHE), (ACTIVE, CACHE),
        (NONE, CACHE), (CACHE, FREE), (CACHE, INACTIVE), (CACHE, ACTIVE), (INACTIVE, NONE), (ACTIVE, NONE), (CACHE, NONE),
        (INACTIVE, INACTIVE), (ACTIVE, ACTIVE),
    }
)  # fmt: skip
"""(from, to) pairs of vm-facts 2.3; equal pairs are requeues."""

ACT_INIT = 5
"""What activation raises act_count to."""

# PTE bits.
PTE_V, PTE_RW, PTE_U, PTE_A, PTE_M, PTE_WIRED, PTE_MANAGED, PTE_G = 0x1, 0x2, 0x4, 0x20, 0x40, 0x200, 0x400, 0x100
PTE_COPIED, PTE_PREFAULTED = 0x800, 0x1000
"""How the entry came here before anybody asked for it: by pmap_copy, by pmap_enter_quick. No kernel has these bits, and nothing is decided
by them: a recorded fault that the model has no need of is accounted to them."""
PTE_NAMES = {
    PTE_V: "V", PTE_RW: "RW", PTE_U: "U", PTE_A: "A", PTE_M: "M", PTE_WIRED: "W", PTE_MANAGED: "MANAGED", PTE_G: "G",
    PTE_COPIED: "COPIED", PTE_PREFAULTED: "PREFAULTED",
}  # fmt: skip

# Protections of a map entry, as bits.
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4

# Classes of vm_page_alloc and its flags (vm-facts 3.1).
CLASS_NORMAL, CLASS_INTERRUPT, CLASS_SYSTEM, CLASS_IDLE, CLASS_CONTIG = range(5)
"""The last two are no requests of an allocation: the idle loop borrows frames to zero them, and who takes a run of frames does not look at
the thresholds."""
CLASS_NAMES = ("NORMAL", "INTERRUPT", "SYSTEM", "IDLE", "CONTIG")
ALLOC_WIRED, ALLOC_ZERO, ALLOC_RETRY, ALLOC_NOOBJ, ALLOC_NOBUSY = 0x20, 0x40, 0x80, 0x100, 0x200

# Types of vm object.
OBJT_DEFAULT, OBJT_SWAP, OBJT_VNODE, OBJT_DEVICE, OBJT_PHYS, OBJT_DEAD = range(6)
OBJECT_TYPE_NAMES = ("DEFAULT", "SWAP", "VNODE", "DEVICE", "PHYS", "DEAD")


def names_of(bits: int, table: dict[int, str]) -> str:
    """The names of the bits set in ``bits``, joined by ``|`` (``0`` when none is)."""
    return "|".join(name for bit, name in table.items() if bits & bit) or "0"
