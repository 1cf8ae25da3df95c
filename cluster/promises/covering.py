"""Covering sets: the fewest rows that a greedy choice needs so that every pair of values of two factors occurs in some row.

What a run must not depend on (workers, backend, hash seed, trace) breaks one at a time or in pairs; every combination of all would take
four times as long and has never found more. For two factors the set is their full product, so the worker counts and the backends are
always met in full. A random choice of rows was rejected: which pairs it leaves out is another matter each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

Row = tuple[object, ...]
Pair = tuple[tuple[int, object], tuple[int, object]]
"""Two (number of the factor, value)."""


def covering(factors: Sequence[Sequence[object]]) -> list[Row]:
    """Rows, one value of each factor, in the order of their full product; ties of the greedy choice go to the first."""
    every = list(product(*factors))
    wanted = {pair: None for row in every for pair in pairs(row)}
    chosen: list[Row] = []
    while wanted:
        best = max(every, key=lambda row: sum(pair in wanted for pair in pairs(row)))
        chosen.append(best)
        for pair in pairs(best):
            wanted.pop(pair, None)
    return sorted(chosen, key=every.index)


def pairs(row: Row) -> Iterator[Pair]:
    """The pairs of values that a row covers."""
    return combinations(enumerate(row), 2)


def uncovered(rows: Sequence[Row], factors: Sequence[Sequence[object]]) -> list[Pair]:
    """The pairs of values of two factors that no row has."""
    found = {pair: None for row in rows for pair in pairs(row)}
    return [pair for pair in {pair: None for row in product(*factors) for pair in pairs(row)} if pair not in found]
