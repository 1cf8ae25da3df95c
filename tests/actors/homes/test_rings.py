"""The linked queue against a list."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.rings import END, Ring

MOVES = st.lists(st.tuples(st.sampled_from(["tail", "head", "after", "remove"]), st.integers(-3, 12), st.integers(0, 11)), max_size=60)


def walk(ring: Ring, links: dict[int, int]) -> list[int]:
    found, item = [], links[END]
    while item != END:
        found.append(item)
        item = links[item]
        assert len(found) <= len(links), "the links run in a circle that misses the end"
    return found


@given(MOVES)
def test_ring_behaves_as_a_list(moves):
    ring, model = Ring(), []
    for move, item, place in moves:
        if item == END:
            continue
        if move == "remove":
            if item in model:
                ring.remove(item)
                model.remove(item)
        elif item in model:
            continue
        elif move == "tail":
            ring.insert(item, ring.before[END])
            model.append(item)
        elif move == "head":
            ring.insert(item, END)
            model.insert(0, item)
        elif model:
            other = model[place % len(model)]
            ring.insert(item, other)
            model.insert(model.index(other) + 1, item)
        assert walk(ring, ring.after) == model
        assert walk(ring, ring.before) == model[::-1]
    assert ring.frames() == [i for i in model if i > 0]
    assert ring.count == len(ring.frames())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ring), type=Ring) == ring
