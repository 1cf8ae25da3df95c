"""Seeds: as many as are asked for, or a sentence on how many there are."""

from __future__ import annotations

import pytest

from cluster.errors import InputError
from cluster.seeds import SEED_MAX, seeds_around, seeds_from


def test_seeds_from_one_on():
    assert seeds_from(7, 3) == range(7, 10)
    assert seeds_from(SEED_MAX, 1)[0] == SEED_MAX


@pytest.mark.parametrize("first", [-1, SEED_MAX])
def test_there_are_not_so_many(first):
    with pytest.raises(InputError, match=rf"--first: found {first}, allowed: 0 to {SEED_MAX - 1} with 2 seeds"):
        seeds_from(first, 2)


def test_around_there_are_always_so_many():
    assert seeds_around(7, 3) == [7, 8, 9]
    assert seeds_around(SEED_MAX, 3) == [SEED_MAX, 0, 1]
