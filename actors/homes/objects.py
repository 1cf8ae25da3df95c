"""A vm object: its resident pages, references and shadow chain, under its lock (vm-facts 2.4, 3.4).

The kernel's splay tree becomes a dictionary and an ordered index of it: what a page's lookup answers does not depend on the tree's shape.
The page records themselves live with the paging queues; here stays what the object lock protects: which frame is where, valid bitmap,
soft-busy count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from actors.home import Home, OpTable, locked, reading, unlocked
from actors.homes.indexes import Indexes
from actors.homes.splay import NONE as NO_NODE
from actors.homes.splay import Splay
from protocol.messages import Value
from protocol.messages.objects import (
    CHAN_PIP,
    OBJ_PIPWNT,
    Backing,
    Describe,
    DevicePage,
    Enter,
    Generation,
    Insert,
    IoCount,
    Lookup,
    Remove,
    Resident,
    SetFlag,
    SetType,
    SetValid,
    ShadowCount,
    SoftBusy,
    TreeJoin,
    TreeRise,
    TreeStore,
    WantPip,
)
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP, OBJT_VNODE
from protocol.records import (
    OBJECT_BACKING,
    OBJECT_FLAGS,
    OBJECT_INSERT,
    OBJECT_IO,
    OBJECT_PIP,
    OBJECT_REFS,
    OBJECT_REMOVE,
    OBJECT_SHADOWS,
    OBJECT_TREE,
    OBJECT_TYPE,
    OBJECT_VALID,
)

Slot = tuple[int, int, int]
"""(frame, valid bitmap, soft-busy count) of a resident page."""


class VmObject(Home, kw_only=True):
    """A vm object of ``size`` pages. ``backing`` is the name of the object it shadows, "" for none; ``colour`` is its pg_color."""

    ops: ClassVar[OpTable] = {
        Lookup: locked("lookup", "memq"),
        Insert: locked("insert", "memq"),
        Remove: locked("remove", "memq"),
        TreeRise: locked("tree_rise", "memq"),
        TreeJoin: locked("tree_join", "memq"),
        TreeStore: locked("tree_store", "memq"),
        SetValid: locked("set_valid", "valid"),
        IoCount: locked("io_count", "soft_busy"),
        SoftBusy: reading("soft_busy", "soft_busy"),
        Generation: locked("object_generation", "header"),
        Enter: locked("enter", "refs_pip"),
        WantPip: locked("want_pip", "pip"),
        Describe: locked("describe", "header"),
        Backing: locked("set_backing", "backing"),
        ShadowCount: locked("count_shadows", "shadow_count"),
        SetType: locked("set_type", "type"),
        SetFlag: locked("set_flag", "flags"),
        Resident: locked("resident", "memq"),
        DevicePage: unlocked("device_page"),
    }

    size: int
    type: int = OBJT_DEFAULT
    refs: int = 1
    shadow_count: int = 0
    pip: int = 0
    """Paging in progress: faults and I/O that use the object without its lock."""
    backing: str = ""
    backing_offset: int = 0
    """In pages."""
    flags: int = 0
    colour: int = 0
    generation: int = 0
    """Bumped whenever a page is inserted or removed."""
    warm: bool = False
    """A file whose pages the host had in its page cache: a page's first touch needs no I/O."""
    touched: Indexes = msgspec.field(default_factory=Indexes)
    """Of a warm file: pages that have been resident before."""
    pages: dict[int, Slot] = {}
    index: Indexes = msgspec.field(default_factory=Indexes)
    """The keys of ``pages``, in order."""
    device: tuple[int, ...] = ()
    """Of a device's memory (OBJT_DEVICE): the physical page at each offset."""
    hidden: list[tuple[int, int]] = []
    """(pindex, frame) of pages that the object has and no lookup finds: another one was put at their offset."""

    tree: Splay | None = None
    """The splay tree itself, where a page may be removed without the lock (C15 ``exempt``)."""

    def equip(self, forms: Mapping[str, str]) -> None:
        """Where nobody asserts the lock, the tree's shape can be seen."""
        super().equip(forms)
        if forms.get("C15") == "exempt" and self.tree is None:
            self.tree = Splay()

    # Pages ----------------------------------------------------------------------------------------------------------------

    def lookup(self, op: Lookup) -> Value:
        """vm_page_lookup."""
        slot = self.pages.get(op.pindex)
        if slot is not None and (self.tree is None or self.tree.find(op.pindex)):
            return slot
        warm = self.warm and op.pindex not in self.touched
        return (-1, self.type, self.size, self.backing, self.backing_offset, warm)

    def insert(self, op: Insert) -> Value:
        """vm_page_insert. What the tree does not show, it takes for absent."""
        pindex = op.pindex
        shown = self.tree is None or not self.tree.insert(pindex)
        if pindex in self.pages:
            if op.check and shown:
                return "vm_page_insert: offset already allocated"
            self.hidden.append((pindex, self.pages[pindex][0]))
        self.pages[pindex] = (op.frame, op.valid, 0)
        if self.warm:
            self.touched.add(pindex)
        self.index.add(pindex)
        self.generation += 1
        self.record((OBJECT_INSERT, pindex, op.frame))
        if op.valid:
            self.record((OBJECT_VALID, pindex, op.frame, 0, op.valid))
        return len(self.pages) + len(self.hidden) == 1 if op.tell_first else None

    def remove(self, op: Remove) -> Value:
        """vm_page_remove, in one step."""
        if self.tree is not None:
            self.tree.remove(op.pindex)
        return self._unlink(op.pindex)

    def tree_rise(self, op: TreeRise) -> Value:
        """vm_page_remove without the lock, first step."""
        if self.tree is not None:
            self.tree.rise(op.pindex)
        return None

    def tree_join(self, op: TreeJoin) -> Value:
        """Second step."""
        return self.tree.join(op.pindex) if self.tree is not None else NO_NODE

    def tree_store(self, op: TreeStore) -> Value:
        """Third step."""
        if self.tree is not None:
            self.tree.store(op.pindex, op.root)
        gone = self._unlink(op.pindex)
        self._tell_tree()
        return gone

    def _unlink(self, pindex: int) -> Value:
        slot = self.pages.pop(pindex, None)
        if slot is None:
            return None
        self.index.discard(pindex)
        self.generation += 1
        self.record((OBJECT_REMOVE, pindex, slot[0]))
        return (*slot[:2], len(self.pages) + len(self.hidden))

    def _tell_tree(self) -> None:
        """resident_page_count beside what a search from the root finds."""
        reachable = len(self.pages) if self.tree is None else self.tree.reachable()
        self.record((OBJECT_TREE, len(self.pages) + len(self.hidden), reachable))

    def set_valid(self, op: SetValid) -> Value:
        """vm_page_set_valid and its like."""
        slot = self.pages.get(op.pindex)
        if slot is not None and slot[1] != op.valid:
            frame, valid, soft = slot
            self.pages[op.pindex] = (frame, op.valid, soft)
            self.record((OBJECT_VALID, op.pindex, frame, valid, op.valid))
        return None

    def io_count(self, op: IoCount) -> Value:
        """vm_page_io_start and vm_page_io_finish. A page that is gone has no I/O: 0."""
        slot = self.pages.get(op.pindex)
        if slot is None:
            return 0
        frame, valid, soft = slot
        if op.delta:
            self.pages[op.pindex] = (frame, valid, soft + op.delta)
            self.record((OBJECT_IO, op.pindex, frame, soft, soft + op.delta))
        return soft + op.delta

    def soft_busy(self, op: SoftBusy) -> Value:
        """The test for soft busy."""
        slot = self.pages.get(op.pindex)
        return slot[2] if slot is not None else 0

    def object_generation(self, op: Generation) -> Value:
        """What tells a sleeper that the object's pages have changed (C26)."""
        return self.generation

    def resident(self, op: Resident) -> Value:
        """The resident pages of a range, in order."""
        pages = self.pages
        self._tell_tree()
        return tuple((pindex, *pages[pindex]) for pindex in self.index.between(op.start, op.end, op.limit))

    def device_page(self, op: DevicePage) -> Value:
        """The driver's d_mmap. -1: it has no page there."""
        return self.device[op.pindex] if 0 <= op.pindex < len(self.device) else -1

    # References -----------------------------------------------------------------------------------------------------------

    def enter(self, op: Enter) -> Value:
        """vm_object_reference, vm_object_pip_add and their opposites."""
        if op.refs:
            self.record((OBJECT_REFS, self.refs, self.refs + op.refs))
            self.refs += op.refs
        if op.pip:
            self.record((OBJECT_PIP, self.pip, self.pip + op.pip))
            self.pip += op.pip
            if self.pip == 0 and self.flags & OBJ_PIPWNT:
                self._flags(self.flags & ~OBJ_PIPWNT)
                self.wake_all(CHAN_PIP)
        return (self.refs, self.pip, self.shadow_count)

    def want_pip(self, op: WantPip) -> Value:
        """The test of vm_object_pip_wait."""
        if self.pip <= 0:
            return False
        self._flags(self.flags | OBJ_PIPWNT)
        return True

    def describe(self, op: Describe) -> Value:
        """The header. Pager blocks are an upper bound (a pager is asked for each): an anonymous object never paged out has none."""
        blocks = self.size if self.type in (OBJT_SWAP, OBJT_VNODE) else 0
        counts = (self.type, self.size, self.refs, self.shadow_count, self.pip)
        return (*counts, self.backing, self.backing_offset, self.flags, len(self.pages), blocks, self.colour)

    # Header ---------------------------------------------------------------------------------------------------------------

    def set_backing(self, op: Backing) -> Value:
        """What the object shadows."""
        if (self.backing, self.backing_offset) != (op.backing, op.offset):
            self.backing, self.backing_offset = op.backing, op.offset
            self.record((OBJECT_BACKING, op.backing, op.offset))
        return None

    def count_shadows(self, op: ShadowCount) -> Value:
        """An object begins or ceases to shadow this one."""
        if op.delta:
            self.record((OBJECT_SHADOWS, self.shadow_count, self.shadow_count + op.delta))
            self.shadow_count += op.delta
        return self.shadow_count

    def set_type(self, op: SetType) -> Value:
        """The object becomes another kind of object."""
        if self.type != op.type:
            self.record((OBJECT_TYPE, self.type, op.type))
            self.type = op.type
        return None

    def set_flag(self, op: SetFlag) -> Value:
        """vm_object_set_flag and vm_object_clear_flag."""
        self._flags((self.flags | op.set) & ~op.clear)
        return None

    def _flags(self, new: int) -> None:
        if new != self.flags:
            self.record((OBJECT_FLAGS, self.flags, new))
            self.flags = new
