"""I-UNIQUE: one page per object and offset. The object is the home of its own residence, so its records are judged in their own order."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check
from protocol.checks.state import ObjectView
from protocol.records import Head


class Unique(Check):
    """Statement: for every object and offset at most one page is resident there.

    Evaluated: at every ``object.insert``. Detects: two allocations for one offset, an insertion that was not looked up again after the lock
    was dropped (C23, C24).
    """

    name = "I-UNIQUE"
    domains = ("objects",)
    before = {"objects": {r.OBJECT_INSERT: "insert"}}

    def insert(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """Nothing else is at that offset."""
        self.evaluated += 1
        _, pindex, frame = record
        if pindex in view.resident:
            other = view.resident[pindex][0]
            self.violate(head, index, f"{head[3]}: vm page {frame:#x} inserted at offset {pindex}, where vm page {other:#x} already is")
