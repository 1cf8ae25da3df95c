"""Seeds: whole numbers of 64 bits."""

from __future__ import annotations

from cluster.errors import InputError

SEED_MAX = (1 << 64) - 1


def seeds_from(first: int, count: int) -> range:
    """``count`` seeds from ``first`` on. Raises InputError if there are not so many."""
    if not 0 <= first <= SEED_MAX - count + 1:
        allowed = f"0 to {SEED_MAX - count + 1} with {count} seeds, since the last seed there is is {SEED_MAX}"
        raise InputError(f"--first: found {first}, allowed: {allowed}", key="--first", found=first, allowed=allowed)
    return range(first, first + count)


def seeds_around(first: int, count: int) -> list[int]:
    """``count`` different seeds from ``first`` on; behind the last seed there is comes 0."""
    return [(first + number) % (SEED_MAX + 1) for number in range(count)]
