"""I-PTREF and I-ONE-SHOOT: page-table pages, and the rendezvous."""

from __future__ import annotations

from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.state import BOUND, PageView, PmapView, ShootView
from protocol.checks.views.pages import Pages
from protocol.records import Head


class PtRef(Check):
    """Statement: a page-table page's reference count is the number of valid entries in it; one that falls to 0 is unlinked, and freed.

    Evaluated: at every ``pt.remove``, that neither a reference nor a valid entry is left; when a pmap lock is given back, for the tables
    whose count or entries changed under it; for frames that were page-table pages, at the end of the run. Detects: a table freed under an
    entry, or kept without one (C09, C11, C14). A table that has never had an entry is one that is being built: whoever waits for memory
    with part of a path in place comes back for the rest, and before C09 and C11 an entry is counted in it some steps before it is stored,
    with no lock held. A difference is said once, until it changes.
    """

    name = "I-PTREF"
    domains = ("pmaps", "pages", "threads")
    before = {"pmaps": {r.LOCK_RELEASE: "released", r.PT_REFS: "counted", r.PT_REMOVE: "unlinked"}}

    def attach(self, domain: Any) -> None:
        """The forms in force say whether an entry may be counted before it is there."""
        self.counts_first = domain.kernel.get("C11") == "partial" or domain.kernel.get("C09") == "unlocked"

    def counted(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """An entry came or went."""
        self.evaluated += 1
        if record[5] < 0:
            table = f"page-table page {record[3]:#x} of {_slot(record[1], record[2])}"
            self.violate(head, index, f"{head[3]}: {table} counts {record[5]} entries")

    def unlinked(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """Nothing is in the table that goes."""
        self.evaluated += 1
        _, level, slot, frame = record
        count = view.counts.get((level, slot), 0)
        entries = count - view.uncounted.get((level, slot), 0)
        if count > 0 or entries > 0:
            found = f"unlinked while it counts {max(0, count)} references and has {max(0, entries)} valid entries"
            self.violate(head, index, f"{head[3]}: page-table page {frame:#x} of {_slot(level, slot)} {found}")

    def released(self, record: Any, view: PmapView, head: Head, index: int) -> None:
        """The table is at rest."""
        if record[5] or not (view.uncounted or view.empty):
            return
        for table, more in sorted(view.uncounted.items()):
            if view.told.get(table) != more and not (self.counts_first and more > 0 and table in view.building):
                view.told[table] = more
                found = f"counts {more} references more than it has entries" if more > 0 else f"has {-more} entries that nobody counts"
                self.violate(head, index, f"{record[2]}: the page-table page of {_slot(*table)} {found}")
        for table, frame in sorted(view.empty.items()):
            self.violate(head, index, f"{record[2]}: page-table page {frame:#x} of {_slot(*table)} has no entry left and is still linked")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """What was unlinked has been freed."""
        if isinstance(domain, Pages) and ended == "finished":
            for frame, view in sorted(domain.pages.items()):
                if view.unlinked and view.touched_ns < active_since_ns:
                    self._freed(frame, view, head)

    def _freed(self, frame: int, view: PageView, head: Head) -> None:
        self.evaluated += 1
        if view.phase == BOUND:
            self.violate(head, 0, f"{page_name(frame)}: a page-table page unlinked at {view.touched_ns} ns and never freed")


def _slot(level: int, slot: int) -> str:
    return f"level {level}, slot {slot:#x}"


class OneShoot(Check):
    """Statement: at most one shootdown is in flight; no more acknowledgements come than it has targets, and as many have come when it is
    done.

    Evaluated: at every ``shootdown.begin``, ``shootdown.ack`` and ``shootdown.done``. Detects: an initiator that does not hold the
    rendezvous lock, an acknowledgement counted for another call, one sent twice (C10).
    """

    name = "I-ONE-SHOOT"
    domains = ("shoots",)
    before = {"shoots": {r.SHOOT_BEGIN: "begins", r.SHOOT_ACK: "acknowledged", r.SHOOT_DONE: "done"}}

    def begins(self, record: Any, view: ShootView, head: Head, index: int) -> None:
        """Nobody else's is under way."""
        self.evaluated += 1
        if view.targets:
            others = ", ".join(thread_name(thread) for thread in sorted(view.targets))
            self.violate(head, index, f"{thread_name(record[1])} begins a shootdown of {record[2]} while that of {others} is in flight")

    def acknowledged(self, record: Any, view: ShootView, head: Head, index: int) -> None:
        """One of its targets."""
        self.evaluated += 1
        targets = max(view.targets.values(), default=0)
        if view.acks > targets:
            self.violate(head, index, f"cpu.{record[1]}: acknowledgement {view.acks} of a shootdown with {targets} targets")

    def done(self, record: Any, view: ShootView, head: Head, index: int) -> None:
        """All of its targets."""
        self.evaluated += 1
        if view.acks < len(record[5]):
            text = f"is done with {view.acks} acknowledgements of {len(record[5])} targets"
            self.violate(head, index, f"{thread_name(record[1])}: the shootdown of {record[2]} {text}")
