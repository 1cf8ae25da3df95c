"""The ordered set against a set."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.indexes import Indexes

INDEX = st.one_of(st.integers(0, 200), st.integers(0, 1 << 52))


@given(st.lists(st.tuples(st.booleans(), INDEX), max_size=80), INDEX, st.integers(0, 300), st.integers(1, 20))
def test_indexes_behave_as_a_sorted_set(steps, start, length, limit):
    indexes, model = Indexes(), set()
    for adds, index in steps:
        (indexes.add if adds else indexes.discard)(index)
        (model.add if adds else model.discard)(index)
        assert (index in indexes) == adds
    assert indexes.between(0, 1 << 53, 1 << 53) == sorted(model)
    wanted = [i for i in sorted(model) if start <= i < start + length]
    assert indexes.between(start, start + length, limit) == wanted[:limit]
    assert indexes.chunks == sorted({i >> 6 for i in model}), "an empty chunk is given up"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(indexes), type=Indexes) == indexes
