"""A vm object's header: references, paging in progress, the shadow chain, type and flags, under the object's lock (vm-facts 2.4).

An object knows the one it shadows and the list of those that shadow it. The links of that list are in the shadows, in the kernel; here the
list is a list of names, for its links can be seen from nowhere else.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home, OpTable, locked, reading
from protocol.messages import Value
from protocol.messages.objects import (
    CHAN_PIP,
    OBJ_ONEMAPPING,
    OBJ_PIPWNT,
    Backing,
    Enter,
    Generation,
    SetFlag,
    SetType,
    ShadowCount,
    Shadows,
    WantPip,
)
from protocol.pages import OBJT_DEFAULT, OBJT_VNODE
from protocol.records import OBJECT_BACKING, OBJECT_FLAGS, OBJECT_PIP, OBJECT_REFS, OBJECT_SHADOWS, OBJECT_TYPE


class ObjectHeader(Home, kw_only=True):
    """The header of an object of ``size`` pages. ``backing`` is the name of the object it shadows, "" for none."""

    ops: ClassVar[OpTable] = {
        Enter: locked("enter", "refs_pip"),
        WantPip: locked("want_pip", "pip"),
        Backing: locked("set_backing", "backing"),
        ShadowCount: locked("count_shadows", "shadow_count"),
        Shadows: reading("list_shadows", "shadow_head"),
        SetType: locked("set_type", "type"),
        SetFlag: locked("set_flag", "flags"),
        Generation: locked("object_generation", "header"),
    }

    size: int
    type: int = OBJT_DEFAULT
    refs: int = 1
    shadow_count: int = 0
    shadow_head: list[str] = []
    """The objects that shadow this one, the latest first."""
    pip: int = 0
    """Paging in progress: faults and I/O that use the object without its lock."""
    backing: str = ""
    backing_offset: int = 0
    """In pages."""
    flags: int = 0
    colour: int = 0
    """pg_color."""
    generation: int = 0
    """Bumped whenever a page is inserted or removed, and when the list of shadows changes."""

    def enter(self, op: Enter) -> Value:
        """vm_object_reference, vm_object_pip_add and their opposites."""
        if op.refs:
            self.record((OBJECT_REFS, self.refs, self.refs + op.refs))
            self.refs += op.refs
            if op.dropped and self.refs == 1 and not self.shadow_count and self.type != OBJT_VNODE:
                self._flags(self.flags | OBJ_ONEMAPPING)
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
        if op.delta > 0:
            self.shadow_head.insert(0, op.shadow)
        elif op.delta < 0 and op.shadow in self.shadow_head:
            self.shadow_head.remove(op.shadow)
        elif op.instead in self.shadow_head:
            self.shadow_head[self.shadow_head.index(op.instead)] = op.shadow
        self.generation += 1
        return self.shadow_count

    def list_shadows(self, op: Shadows) -> Value:
        """LIST_FIRST, and what follows it."""
        return tuple(self.shadow_head[: op.limit])

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

    def object_generation(self, op: Generation) -> Value:
        """What tells a sleeper that the object has changed (C26)."""
        return self.generation
