"""Counts as data: how workers' shares are merged, split for another number of workers, and named.

The names are the contract of ``run --json`` (design 9) and what ``list metrics`` prints; each stands here once, with its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from cluster.inspect.lost_writes import lost_writes
from protocol import records as kinds
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.locks import CLASSES

ACQUIRES, CONTENDED, WAIT_NS, HOLD_NS_MAX, RECURSION_MAX, RELEASES, UPGRADES = range(7)
LOCK_COLUMNS = 7
"""Columns of a lock class in a Tally."""
LOCK_METRICS = {
    "acquires": "times a thread got the lock, recursion included, upgrades of a shared lock not",
    "contended": "of these, how many had to wait first",
    "wait_ns": "time spent descheduled (or queued) for a lock that sleeps",
    "spin_ns": "time spent spinning for a spin lock",
    "hold_ns_max": "the longest time between an acquire and its release (a sleep that releases the lock ends the hold)",
    "recursion_max": "the deepest recursion (1: never recursed, 0: never acquired)",
}


class Tally(msgspec.Struct):
    """What was counted, as data: a worker's share, a snapshot's part, or several of them merged."""

    kinds: dict[int, int] = {}
    """Records by number of their kind, those of locks excepted."""
    sums: dict[str, int] = {}
    absorbed: dict[str, int] = {}
    """Recorded faults that the model did not need, by reason."""
    locks: dict[str, list[int]] = {}
    """Lock class (its word in metrics) to its columns."""
    events: int = 0
    free_min: int = -1
    """Fewest free frames seen (-1: the free lists recorded nothing)."""
    unused_min: int = -1
    """Fewest frames that held nothing: free or withheld."""
    withheld: int = 0
    stores: list[int] = []
    """frame, time, frame, time ... of completed user stores."""
    cleaned: list[int] = []
    """frame, from, until, ... : spans in which the page queues' home took the page for clean and then cached or freed it."""
    clean_since: dict[int, int] = {}
    """Frame to since when its page counts as clean; so far as known, of pages that exist."""
    cached: dict[int, int] = {}
    """Frame to since when its page is on CACHE."""
    on_hold: dict[int, int] = {}
    """Frame to since when it is on HOLD: freed while held."""
    unowned: dict[int, int] = {}
    """Frame to since when it is a page without object, wiring or BUSY, as contigmalloc's are until they are mapped."""


METRICS = {
    "faults.hard": "page faults that waited for a pager, copied or not",
    "faults.cow": "page faults that copied a page, without a pager",
    "faults.soft": "the other page faults, zero-fill included",
    "faults.zero_fill": "page faults on memory never touched before",
    "faults.recorded": "recorded faults replayed: those that fault in the model and those that do not need to",
    "faults.modelled": "recorded faults that are faults in the model too",
    "accesses.hit": "recorded faults that the model did not need (workload.absorbed says why)",
    "ipi.sent": "inter-processor interrupts sent by shootdowns",
    "ipi.delivered": "inter-processor interrupts whose handler ran",
    "ipi.spin_ns": "time initiators of shootdowns spun for acknowledgements",
    "tlb.shootdowns": "invalidations begun that had remote targets or could have had",
    "tlb.shootdowns_remote": "of these, how many had at least one remote target",
    "tlb.invalidations.local": "invalidations of the own TLB by an initiator",
    "tlb.invalidations.remote": "invalidations in an interrupt handler",
    "tlb.fills": "translations that entered a TLB",
    "pages.allocated": "frames taken from the free lists",
    "pages.freed": "frames put on the free lists",
    "pages.leaked": "frames in use at the end that are nobody's page and on no free list (in a run cut short: also those on their way)",
    "pages.lost_writes": "completed user stores to a page later cached or freed as clean without having been written out since",
    "pages.misread": "pages read in that were not the page asked for, or not the whole of what was last written there",
    "pages.resident_max": "most frames in use at once",
    "pageouts": "pages written out",
    "collapses": "objects that became one with the object that shadowed them, which alone still referred to them",
    "bypasses": "times an object got past one behind it that had nothing more to give",
    "vm_waits": "times a thread slept for free memory",
    "context_switches": "context switches",
    "busy.writes": "times a page's BUSY flag was set or cleared",
    "free.min": "fewest frames free at once",
}
"""Every metric that is not a lock's, with its meaning."""

_BY_KIND = {
    "accesses.hit": kinds.TLB_HIT,
    "ipi.sent": kinds.IPI_SEND,
    "ipi.delivered": kinds.IPI_DELIVER,
    "tlb.shootdowns": kinds.SHOOT_BEGIN,
    "tlb.fills": kinds.TLB_FILL,
    "pages.allocated": kinds.FREE_TAKE,
    "pages.freed": kinds.FREE_PUT,
    "pages.misread": kinds.FRAME_OTHER,
    "context_switches": kinds.SWITCH,
}
_BY_SUM = {
    "faults.hard": "hard",
    "faults.cow": "cow",
    "faults.soft": "soft",
    "faults.zero_fill": "zero_fill",
    "ipi.spin_ns": "shootdown_spin_ns",
    "tlb.shootdowns_remote": "shootdowns_remote",
    "tlb.invalidations.local": "flush.local",
    "tlb.invalidations.remote": "flush.ipi",
    "pageouts": "pageouts",
    "collapses": "collapses",
    "bypasses": "bypasses",
    "vm_waits": "vm_waits",
}


def metric_names() -> dict[str, str]:
    """Every metric of a run and its meaning, locks' included."""
    locks = {f"lock.{known.metric}.{name}": meaning for known in CLASSES.values() for name, meaning in LOCK_METRICS.items()}
    return {**METRICS, **locks}


def merged(tallies: Iterable[Tally]) -> Tally:
    """The counts of several workers as one."""
    total = Tally()
    for tally in tallies:
        for mine, theirs in ((total.kinds, tally.kinds), (total.sums, tally.sums), (total.absorbed, tally.absorbed)):
            _add(mine, theirs)  # type: ignore[arg-type]
        for name, stats in tally.locks.items():
            _add_lock(total.locks.setdefault(name, [0] * LOCK_COLUMNS), stats)
        total.events += tally.events
        total.free_min = _least(total.free_min, tally.free_min)
        total.unused_min = _least(total.unused_min, tally.unused_min)
        total.withheld += tally.withheld
        total.stores += tally.stores
        total.cleaned += tally.cleaned
        total.clean_since.update(tally.clean_since)
        total.cached.update(tally.cached)
        total.on_hold.update(tally.on_hold)
        total.unowned.update(tally.unowned)
    return total


def shares(tallies: Iterable[Tally], place: Callable[[str], int], workers: int) -> list[Tally]:
    """A snapshot's counts, dealt out for another number of workers; ``place`` is the worker of an actor.

    Sums may go to any worker. What goes on living must go with the home it is about.
    """
    total = merged(tallies)
    parts = [Tally() for _ in range(workers)]
    pages, free = parts[place(PAGE_QUEUES)], parts[place(FREE_QUEUES)]
    pages.clean_since, pages.cached = total.clean_since, total.cached
    pages.on_hold, pages.unowned = total.on_hold, total.unowned
    total.clean_since, total.cached, total.on_hold, total.unowned = {}, {}, {}, {}
    free.withheld, total.withheld = total.withheld, 0
    free.free_min, free.unused_min, total.free_min, total.unused_min = total.free_min, total.unused_min, -1, -1
    parts[0] = merged((parts[0], total))
    return parts


def metrics_of(tally: Tally, frames: int, recorded: int | None = None) -> dict[str, int]:
    """The metrics by name, of all workers' counts merged.

    ``frames`` is the machine's memory; ``recorded`` how many recorded faults were replayed, as the workload's account says (None: only
    those the model did not need are known, and ``faults.modelled`` is 0).
    """
    metrics = {name: tally.kinds.get(number, 0) for name, number in _BY_KIND.items()}
    metrics |= {name: tally.sums.get(word, 0) for name, word in _BY_SUM.items()}
    hits = metrics["accesses.hit"]
    metrics["faults.recorded"] = hits if recorded is None else recorded
    metrics["faults.modelled"] = metrics["faults.recorded"] - hits
    metrics["busy.writes"] = tally.kinds.get(kinds.PAGE_BUSY, 0) + tally.kinds.get(kinds.PAGE_UNBUSY, 0) + tally.sums.get("busy", 0)
    metrics["pages.leaked"] = _leaked(tally)
    metrics["pages.lost_writes"] = lost_writes(tally.stores, tally.cleaned)
    metrics["pages.resident_max"] = frames - tally.unused_min if tally.unused_min >= 0 else 0
    metrics["free.min"] = tally.free_min if tally.free_min >= 0 else frames
    metrics = {name: metrics[name] for name in METRICS}
    for known in CLASSES.values():
        metrics |= _lock_metrics(known.metric, known.spin, tally.locks.get(known.metric, [0] * LOCK_COLUMNS))
    return metrics


def _lock_metrics(word: str, spin: bool, stats: list[int]) -> dict[str, int]:
    waited, acquires = stats[WAIT_NS], stats[ACQUIRES] - stats[UPGRADES]
    return {
        f"lock.{word}.acquires": acquires,
        f"lock.{word}.contended": stats[CONTENDED],
        f"lock.{word}.wait_ns": 0 if spin else waited,
        f"lock.{word}.spin_ns": waited if spin else 0,
        f"lock.{word}.hold_ns_max": stats[HOLD_NS_MAX],
        f"lock.{word}.recursion_max": max(stats[RECURSION_MAX], min(acquires, 1)),
    }


def _leaked(tally: Tally) -> int:
    """Frames that left the free lists, less those that came back, less those that are somebody's pages (or held)."""
    outstanding = tally.kinds.get(kinds.FREE_TAKE, 0) - tally.kinds.get(kinds.FREE_PUT, 0)
    pages = tally.kinds.get(kinds.PAGE_BIND, 0) - tally.sums.get("released", 0)
    return max(0, outstanding - pages + len(tally.unowned))


def _add(mine: dict[object, int], theirs: dict[object, int]) -> None:
    for name, amount in theirs.items():
        mine[name] = mine.get(name, 0) + amount


def _add_lock(mine: list[int], theirs: list[int]) -> None:
    for column in range(LOCK_COLUMNS):
        if column in (HOLD_NS_MAX, RECURSION_MAX):
            mine[column] = max(mine[column], theirs[column])
        else:
            mine[column] += theirs[column]


def _least(mine: int, theirs: int) -> int:
    return theirs if mine < 0 else mine if theirs < 0 else min(mine, theirs)
