"""The garbage collector while a run goes on: seldom.

A run makes millions of tuples, hardly any in a cycle, and keeps a slice's worth of them; looking for cycles among them every 700
allocations cost a tenth of a run with trace and checks. Turning the collector off was rejected: a model's actors may well make cycles.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (20_000, 20, 100)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect seldom within, and as before afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
