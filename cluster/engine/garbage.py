"""Python's cyclic garbage collector, kept out of a run's way.

Until a slice closes its entries are kept, hundreds of thousands of tuples that the collector would look through again and again: it cost
a third of a run. A run makes next to no cycles (9,000 objects in 400,000 events), so the collector is off and works at a slice's edge,
when the entries are gone, after every million events. Raising its thresholds was rejected: it then still looks at full journals.
"""

from __future__ import annotations

import gc
from types import TracebackType

EVENTS_BETWEEN = 1_000_000


class CollectorPaused:
    """A context in which garbage is collected only by :meth:`at_edge`. Restores what it found."""

    def __init__(self) -> None:
        self._was_enabled = False
        self._next = EVENTS_BETWEEN

    def __enter__(self) -> CollectorPaused:
        self._was_enabled = gc.isenabled()
        gc.disable()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._was_enabled:
            gc.enable()

    def at_edge(self, events: int) -> bool:
        """A slice has closed after so many events in all. Returns whether garbage was collected."""
        if events < self._next:
            return False
        self._next = events + EVENTS_BETWEEN
        gc.collect()
        return True
