"""The metrics of a run, counted from its records as slices close, whether or not a trace is kept.

Every worker counts what its own actors recorded, and the parts are merged: sums, minima and maxima of single actors only, so the result
does not depend on how actors are placed. What needs several actors (a store by a CPU against a clean page at the queues' home) is kept as
two plain lists and joined at the end. Deriving metrics from the merged trace was rejected: a run without trace has metrics too.

A loop over record numbers with the two lock records inlined: half of all records are theirs, and they are counted per class only. Names of
metrics are made once, in :func:`cluster.inspect.tally.metrics_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cluster.inspect.lost_writes import CleanPages
from cluster.inspect.tally import ACQUIRES, CONTENDED, HOLD_NS_MAX, LOCK_COLUMNS, RECURSION_MAX, RELEASES, UPGRADES, WAIT_NS, Tally
from protocol import records as kinds
from protocol.locks import class_of
from protocol.messages.locks import UPGRADE
from protocol.messages.queues import CHAN_FREE
from protocol.pages import BUSY, FREE
from protocol.records import LOCK_ACQUIRE, LOCK_RELEASE, Entry

_KINDS = max(kinds.KINDS) + 1
_LOCKS_REMEMBERED = 1 << 16


def _unusual(stats: list[int], record: Any) -> None:
    """An acquire that waited, recursed or upgraded: one in many."""
    if record[5]:
        stats[CONTENDED] += 1
        stats[WAIT_NS] += record[5]
    if record[6] > stats[RECURSION_MAX]:
        stats[RECURSION_MAX] = record[6]
    if record[3] == UPGRADE:
        stats[UPGRADES] += 1


class Metrics:
    """Counts records. ``feed`` takes entries in ascending key order; everything else is reading."""

    def __init__(self) -> None:
        self._kinds = [0] * _KINDS
        self._sums: dict[str, int] = {}
        self._absorbed: dict[str, int] = {}
        self._classes: dict[str, list[int]] = {}
        self._by_lock: dict[str, list[int]] = {}
        self._events = 0
        self._free_min = self._unused_min = -1
        self._withheld = 0
        self._stores: list[int] = []
        self._pages = CleanPages()
        self._on_hold: dict[int, int] = {}
        self._unowned: dict[int, int] = {}
        self._handlers: list[Callable[[Any, int], None] | None] = [None] * _KINDS
        for number, handler in self._table().items():
            self._handlers[number] = handler

    def _table(self) -> dict[int, Callable[[Any, int], None]]:
        return {
            kinds.SLEEP: self._sleep,
            kinds.PAGE_BIND: self._bind,
            kinds.PAGE_QUEUE: self._pages.queue,
            kinds.PAGE_DIRTY: self._pages.dirty,
            kinds.PAGE_RELEASE: self._release,
            kinds.PAGE_HOLD: self._hold,
            kinds.PAGE_REBIND: self._rebind,
            kinds.PAGE_WIRE: self._wire,
            kinds.FREE_TAKE: self._free,
            kinds.FREE_PUT: self._free,
            kinds.FREE_WITHHOLD: self._withhold,
            kinds.FREE_ASIDE: self._aside,
            kinds.TLB_FLUSH: self._flush,
            kinds.SHOOT_BEGIN: self._shootdown,
            kinds.SHOOT_DONE: self._shot_down,
            kinds.STORE: self._store,
            kinds.TLB_HIT: self._hit,
            kinds.FAULT_DONE: self._fault,
            kinds.PAGER_START: self._pager,
            kinds.OBJECT_COLLAPSE: self._collapse,
        }

    def feed(self, entries: Sequence[Entry]) -> None:
        """Count a batch of entries."""
        counts, handlers, by_lock, stats_of = self._kinds, self._handlers, self._by_lock, self._stats_of
        record: Any
        for entry in entries:
            for record in entry[2]:
                number = record[0]
                if number == LOCK_RELEASE:
                    stats = by_lock.get(record[2]) or stats_of(record[2])
                    stats[RELEASES] += 1
                    if record[4] > stats[HOLD_NS_MAX]:
                        stats[HOLD_NS_MAX] = record[4]
                elif number == LOCK_ACQUIRE:
                    stats = by_lock.get(record[2]) or stats_of(record[2])
                    stats[ACQUIRES] += 1
                    if record[5] or record[6] != 1 or record[3] == UPGRADE:
                        _unusual(stats, record)
                else:
                    counts[number] += 1
                    handler = handlers[number]
                    if handler is not None:
                        handler(record, entry[0][0])
        self._events += len(entries)

    def _stats_of(self, lock: str) -> list[int]:
        if len(self._by_lock) >= _LOCKS_REMEMBERED:
            self._by_lock.clear()
        stats = self._classes.setdefault(class_of(lock).metric, [0] * LOCK_COLUMNS)
        self._by_lock[lock] = stats
        return stats

    def _add(self, name: str, amount: int = 1) -> None:
        self._sums[name] = self._sums.get(name, 0) + amount

    def _sleep(self, record: Any, time: int) -> None:
        if record[2] == CHAN_FREE:
            self._add("vm_waits")

    def _bind(self, record: Any, time: int) -> None:
        if record[5] & BUSY:
            self._add("busy")
        elif not record[2] and not record[4]:
            self._unowned[record[1]] = time
        self._pages.bind(record, time)

    def _rebind(self, record: Any, time: int) -> None:
        if record[2]:
            self._unowned.pop(record[1], None)

    def _wire(self, record: Any, time: int) -> None:
        if record[3]:
            self._unowned.pop(record[1], None)

    def _release(self, record: Any, time: int) -> None:
        self._unowned.pop(record[1], None)
        if record[4] == FREE:
            self._add("released")
        else:
            self._on_hold[record[1]] = time
        self._pages.release(record, time)

    def _hold(self, record: Any, time: int) -> None:
        """The last unhold of a page that was freed while held lets its frame go; its release is on record since then."""
        if not record[3] and self._on_hold.pop(record[1], None) is not None:
            self._add("released")

    def _free(self, record: Any, time: int) -> None:
        free = record[-1]
        if free < self._free_min or self._free_min < 0:
            self._free_min = free
        unused = free + self._withheld
        if unused < self._unused_min or self._unused_min < 0:
            self._unused_min = unused

    def _withhold(self, record: Any, time: int) -> None:
        self._withheld += record[1]
        self._free(record, time)

    def _aside(self, record: Any, time: int) -> None:
        self._withheld += 1 if record[3] else -1
        self._free(record, time)

    def _flush(self, record: Any, time: int) -> None:
        if record[4] in ("ipi", "local"):
            self._add("flush." + record[4])

    def _shootdown(self, record: Any, time: int) -> None:
        if record[5]:
            self._add("shootdowns_remote")

    def _shot_down(self, record: Any, time: int) -> None:
        self._add("shootdown_spin_ns", record[6])

    def _store(self, record: Any, time: int) -> None:
        self._stores += (record[4], time)

    def _hit(self, record: Any, time: int) -> None:
        self._absorbed[record[3]] = self._absorbed.get(record[3], 0) + 1

    def _fault(self, record: Any, time: int) -> None:
        _, _, _, how, hard, cow = record
        self._add("hard" if hard else "cow" if cow else "soft")
        if how == "zero-fill":
            self._add("zero_fill")

    def _pager(self, record: Any, time: int) -> None:
        if record[1] == "write":
            self._add("pageouts", record[4])

    def _collapse(self, record: Any, time: int) -> None:
        if record[4] != "pages":
            self._add("collapses" if record[4] == "collapse" else "bypasses")

    def state(self) -> Tally:
        """All that was counted, as data."""
        return Tally(
            kinds={number: count for number, count in enumerate(self._kinds) if count},
            sums=dict(self._sums),
            absorbed=dict(self._absorbed),
            locks={name: list(stats) for name, stats in self._classes.items()},
            events=self._events,
            free_min=self._free_min,
            unused_min=self._unused_min,
            withheld=self._withheld,
            stores=list(self._stores),
            cleaned=list(self._pages.spans),
            clean_since=dict(self._pages.clean_since),
            cached=dict(self._pages.cached),
            on_hold=dict(self._on_hold),
            unowned=dict(self._unowned),
        )

    def restore(self, tally: Tally) -> None:
        """Go on from :meth:`state` (or from the share of it that :func:`cluster.inspect.tally.shares` gives this worker)."""
        self._kinds = [tally.kinds.get(number, 0) for number in range(_KINDS)]
        self._sums, self._absorbed = dict(tally.sums), dict(tally.absorbed)
        self._classes = {name: list(stats) for name, stats in tally.locks.items()}
        self._by_lock.clear()
        self._events, self._free_min, self._unused_min, self._withheld = tally.events, tally.free_min, tally.unused_min, tally.withheld
        self._stores = list(tally.stores)
        self._on_hold = dict(tally.on_hold)
        self._unowned = dict(tally.unowned)
        self._pages.restore(tally.cleaned, tally.clean_since, tally.cached)

    @property
    def events(self) -> int:
        """Entries fed so far."""
        return self._events

    @property
    def records(self) -> int:
        """Records fed so far."""
        return sum(self._kinds) + sum(stats[ACQUIRES] + stats[RELEASES] for stats in self._classes.values())
