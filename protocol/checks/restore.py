"""I-LOCKRESTORE, I-PROGRESS and I-BOUNDS: what a routine promises of itself. Judged in the thread's own program order."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, thread_name
from protocol.checks.state import ThreadView
from protocol.checks.views.threads import Threads
from protocol.contracts import AS_FOUND, Contract, entered_text, left_text
from protocol.identity import kind_of
from protocol.records import Head


class LockRestore(Check):
    """Statement: each routine is entered with the locks it wants, and leaves the locks held as its contract says: as it found them, if it
    says nothing; the very locks, not others of their kind.

    Evaluated: at every ``enter`` of a routine that has declared what it wants, at every ``leave``, and at every ``contract``. Detects: a
    routine that comes back with another object's lock than it was called with (C12), or that unlocks one it never held (C13). Routines
    that do not record when they begin and end look at their locks themselves, and make a ``contract`` only where a promise was not kept;
    of a lock of which one has said so, those around it say nothing.
    """

    name = "I-LOCKRESTORE"
    domains = ("threads",)
    before = {"threads": {r.ENTER: "enters", r.LEAVE: "leaves", r.CONTRACT: "broken"}}

    def attach(self, domain: Any) -> None:
        """The contracts are given to the view."""
        threads: Threads = domain
        self.contracts = threads.contracts

    def enters(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The locks it wants."""
        contract = self.contracts.get(record[2])
        if contract is not None:
            self.evaluated += 1
            missing = contract.missing(record[3], view.held)
            over = contract.unwanted(view.held)
            if missing or over:
                self.violate(head, index, f"{thread_name(record[1])}: {record[2]} {entered_text(missing, over)}")

    def leaves(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The locks it found, less those it has given back."""
        if not view.stack or view.stack[-1][0] != record[2]:
            return
        self.evaluated += 1
        found = view.stack[-1][1]
        contract = self.contracts.get(record[2], AS_FOUND)
        if contract.drops or found != tuple(view.held.items()):
            self._judge(record, contract, dict(found), view, head, index)

    def _judge(self, record: Any, contract: Contract, found: dict[str, int], view: ThreadView, head: Head, index: int) -> None:
        gone = contract.given_back(record[3])
        wanted = {lock: depth for lock, depth in found.items() if kind_of(lock) not in gone}
        if any(view.held.get(lock) != wanted.get(lock) for lock in {**wanted, **view.held} if lock not in view.wrong):
            text = f"{record[2]} ({record[3]}) {left_text(view.held, wanted)}"
            self.violate(head, index, f"{thread_name(record[1])}: {text}")

    def broken(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The routine has found it itself."""
        self.evaluated += 1
        self.violate(head, index, f"{thread_name(record[1])}: {record[2]} {record[3]}")


class Progress(Check):
    """Statement: every loop that takes memory back has a measure that falls with each iteration: the length of the cache queue, the place
    of the run, the pages still to be scanned.

    Evaluated: at every ``loop`` but the first of a call. Detects: a loop that finds the same page again for ever (C17), a scan that starts
    again without getting on (C25).
    """

    name = "I-PROGRESS"
    domains = ("threads",)
    before = {"threads": {r.LOOP: "iterates"}}

    def iterates(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """The measure has fallen since the iteration before."""
        _, thread, routine, first, measure = record
        if not first:
            self.evaluated += 1
            before = view.loops.get(routine)
            if before is not None and measure >= before:
                self.violate(head, index, f"{thread_name(thread)}: {routine} makes no progress: its measure is {measure} after {before}")


class Bounds(Check):
    """Statement: a page record looked up by physical address lies within vm_page_array.

    Evaluated: at every ``page.array``. Detects: a physical address below the first page, or cut short, by which the kernel writes to what
    lies before the array (C27).
    """

    name = "I-BOUNDS"
    domains = ("facts",)
    before = {"facts": {r.ARRAY: "looked_up"}}

    def looked_up(self, record: Any, view: None, head: Head, index: int) -> None:
        """PHYS_TO_VM_PAGE."""
        self.evaluated += 1
        _, thread, place, size = record
        if not 0 <= place < size:
            self.violate(head, index, f"{thread_name(thread)}: vm_page_array[{place}] is looked up; the array has {size} page records")
