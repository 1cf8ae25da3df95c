"""A vm object's resident pages, under its lock (vm-facts 2.4, 3.4); its header is in :mod:`actors.homes.object_header`.

The kernel's splay tree becomes a dictionary and an ordered index of it: what a page's lookup answers does not depend on the tree's shape.
The page records themselves live with the paging queues; here stays what the object lock protects: which frame is where, valid bitmap,
soft-busy count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from actors.home import OpTable, locked, reading, unlocked
from actors.homes.indexes import Indexes
from actors.homes.object_header import ObjectHeader
from actors.homes.splay import NONE as NO_NODE
from actors.homes.splay import Splay
from protocol.messages import Value
from protocol.messages.objects import (
    OBJ_DEAD,
    Describe,
    DevicePage,
    Insert,
    IoCount,
    Lookup,
    Remove,
    Resident,
    SetValid,
    SoftBusy,
    TreeJoin,
    TreeRise,
    TreeStore,
)
from protocol.pages import OBJT_DEAD, OBJT_SWAP, OBJT_VNODE
from protocol.records import (
    OBJECT_INSERT,
    OBJECT_IO,
    OBJECT_REMOVE,
    OBJECT_TREE,
    OBJECT_VALID,
)

Slot = tuple[int, int, int]
"""(frame, valid bitmap, soft-busy count) of a resident page."""


class VmObject(ObjectHeader, kw_only=True):
    """A vm object: its header and its pages."""

    ops: ClassVar[OpTable] = {
        **ObjectHeader.ops,
        Lookup: locked("lookup", "memq"),
        Insert: locked("insert", "memq"),
        Remove: locked("remove", "memq"),
        TreeRise: locked("tree_rise", "memq"),
        TreeJoin: locked("tree_join", "memq"),
        TreeStore: locked("tree_store", "memq"),
        SetValid: locked("set_valid", "valid"),
        IoCount: locked("io_count", "soft_busy"),
        SoftBusy: reading("soft_busy", "soft_busy"),
        Describe: locked("describe", "header"),
        Resident: locked("resident", "memq"),
        DevicePage: unlocked("device_page"),
    }

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

    adrift: dict[int, int] = {}
    """Soft-busy counts of pages that have left with I/O under way, by frame: a cowfault takes its page out and puts it in again (R01)."""

    tree: Splay | None = None
    """The splay tree itself, where a page may be removed without the lock (C15 ``exempt``)."""

    def equip(self, forms: Mapping[str, str]) -> None:
        """Where nobody asserts the lock, the tree's shape can be seen. An object that has pages by then, in a run forked off one in which
        the lock was asserted, has a whole tree of them: nothing could have damaged it so far."""
        super().equip(forms)
        if forms.get("C15") == "exempt" and self.tree is None:
            self.tree = Splay()
            for pindex in sorted(self.pages):
                self.tree.insert(pindex)

    # Pages ----------------------------------------------------------------------------------------------------------------

    def lookup(self, op: Lookup) -> Value:
        """vm_page_lookup."""
        if op.alive and self.flags & OBJ_DEAD:
            return (-1, OBJT_DEAD, 0, "", 0, False)
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
        # A page that is valid already is put back; in a fresh one nobody's I/O is under way, whatever was in its frame before.
        soft = self.adrift.pop(op.frame, 0) if op.valid else 0
        self.pages[pindex] = (op.frame, op.valid, soft)
        if self.warm:
            self.touched.add(pindex)
        self.index.add(pindex)
        self.generation += 1
        self.record((OBJECT_INSERT, pindex, op.frame))
        if soft:
            self.record((OBJECT_IO, pindex, op.frame, 0, soft))
        if op.valid:
            self.record((OBJECT_VALID, pindex, op.frame, 0, op.valid))
        return len(self.pages) + len(self.hidden) == 1 if op.tell_first else None

    def remove(self, op: Remove) -> Value:
        """vm_page_remove, in one step."""
        slot = self.pages.get(op.pindex)
        if op.freed and slot is not None and slot[2]:
            return "vm_page_free: freeing busy page"
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
        if slot[2]:
            self.adrift[slot[0]] = slot[2]
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
        """vm_page_io_start and vm_page_io_finish. The count goes with the page: one that has left takes it along, and what ends then ends
        there. A page that is gone and had none has no I/O: 0."""
        if op.frame in self.adrift:
            left = self.adrift.pop(op.frame) + op.delta
            if left:
                self.adrift[op.frame] = left
            return left
        slot = self.pages.get(op.pindex)
        if slot is None or slot[0] != (op.frame or slot[0]):
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

    def resident(self, op: Resident) -> Value:
        """The resident pages of a range, in order."""
        pages = self.pages
        self._tell_tree()
        return tuple((pindex, *pages[pindex]) for pindex in self.index.between(op.start, op.end, op.limit))

    def device_page(self, op: DevicePage) -> Value:
        """The driver's d_mmap. -1: it has no page there."""
        return self.device[op.pindex] if 0 <= op.pindex < len(self.device) else -1

    def describe(self, op: Describe) -> Value:
        """The header. Pager blocks are an upper bound (a pager is asked for each): an anonymous object never paged out has none."""
        blocks = self.size if self.type in (OBJT_SWAP, OBJT_VNODE) else 0
        counts = (self.type, self.size, self.refs, self.shadow_count, self.pip)
        return (*counts, self.backing, self.backing_offset, self.flags, len(self.pages), blocks, self.colour)
