"""An object's splay tree: a dictionary as long as nobody comes between the steps of a removal, and pages nobody finds if somebody does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.homes.splay import NONE, Splay

KEYS = st.integers(0, 24)
STEPS = st.lists(st.tuples(st.sampled_from(["insert", "find", "remove"]), KEYS), max_size=80)


@given(STEPS)
def test_it_answers_as_a_set_does_and_every_node_can_be_reached(steps):
    tree, have = Splay(), set()
    for what, key in steps:
        if what == "insert":
            assert tree.insert(key) == (key not in have)
            have.add(key)
        elif what == "find":
            assert tree.find(key) == (key in have)
        elif key in have:
            tree.remove(key)
            have.discard(key)
        assert (tree.reachable(), set(tree.links)) == (len(have), have)
        assert (tree.root == NONE) == (not have)


@given(st.permutations(range(8)), st.integers(0, 7))
def test_a_found_node_becomes_the_root(order, key):
    tree = Splay()
    for one in order:
        tree.insert(one)
    assert tree.find(key)
    assert tree.root == key


def grown(*keys: int) -> Splay:
    tree = Splay()
    for key in keys:
        tree.insert(key)
    return tree


@pytest.mark.parametrize("looked_up", [0, 1, 4, 5])
def test_a_lookup_between_the_steps_of_a_removal_loses_what_it_has_moved_up(looked_up):
    tree = grown(*range(6))
    tree.find(3)
    tree.rise(3)
    assert tree.find(looked_up)
    tree.store(3, tree.join(3))
    assert not tree.find(looked_up), "it is above the page that was removed, and the root that was stored leads past it"
    assert tree.reachable() < len(tree.links) == 5


def test_a_removal_that_nobody_disturbs_loses_nothing():
    tree = grown(*range(6))
    tree.rise(3)
    tree.store(3, tree.join(3))
    assert tree.reachable() == len(tree.links) == 5


@given(st.permutations(range(12)), st.lists(st.tuples(st.integers(0, 11), st.lists(st.integers(0, 13), max_size=3)), max_size=5))
def test_a_damaged_tree_still_ends_every_search(order, removals):
    tree = grown(*order)
    for key, looked_up in removals:
        if key in tree.links:
            tree.rise(key)
            for other in looked_up[:2]:
                tree.find(other)
            root = tree.join(key)
            for other in looked_up[2:]:
                tree.find(other)
            tree.store(key, root)
    assert all(tree.find(key) in (True, False) for key in range(14))
    assert tree.reachable() <= len(tree.links)
