"""A window: one page of kernel address space through which a CPU reaches a page-table page of an address space that is not loaded (i386).

PADDR1 is for whoever holds the page queues and stays on its CPU; it remembers which CPU used it last, so that each CPU invalidates its own
translation and nobody else's. PADDR2 has a mutex of its own, and when it shows another page every CPU must hear of it. A full page table
for the kernel was rejected: nothing else of the kernel's address space changes in this model.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home, OpTable, Serving, locked, unlocked
from protocol.guards import PQ, LockSets
from protocol.identity import LOCAL_WINDOW
from protocol.messages import Value
from protocol.messages.windows import WINDOW_CHANGED, WINDOW_MOVED, WINDOW_SAME, PointWindow, WindowWalk
from protocol.records import WINDOW_SET


class Window(Home, kw_only=True):
    """A window, which shows ``table`` (0: nothing yet)."""

    ops: ClassVar[OpTable] = {
        PointWindow: locked("point", "pte"),
        WindowWalk: unlocked("walk"),
    }

    table: int = 0
    cpu: int = -1
    """The CPU that used it last."""

    def _needed(self, serving: Serving) -> LockSets:
        """PADDR1 has no lock of its own."""
        needed = super()._needed(serving)
        return PQ if serving.field and self.name == LOCAL_WINDOW else needed

    def point(self, op: PointWindow) -> Value:
        """The store of the kernel's page-table entry, if it has to change."""
        last, self.cpu = self.cpu, op.cpu
        if self.table != op.table:
            self.record((WINDOW_SET, op.table, self.table, op.cpu))
            self.table = op.table
            return WINDOW_CHANGED
        return WINDOW_SAME if last == op.cpu else WINDOW_MOVED

    def walk(self, op: WindowWalk) -> Value:
        """A page walk."""
        return self.table
