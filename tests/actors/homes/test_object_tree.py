"""An object with its tree: what lookups find when somebody removes a page without the lock (C15)."""

from __future__ import annotations

import pytest

from actors.homes.objects import VmObject
from protocol.messages.objects import Insert, Lookup, Remove, TreeJoin, TreeRise, TreeStore
from protocol.records import OBJECT_TREE
from tests.actors.fake_port import Bench


def holder(pages: int, exempt: bool = True) -> Bench:
    home = VmObject(name="object.1.cpu.0", size=64)
    home.equip({"C15": "exempt" if exempt else "always"})
    b = Bench(home)
    b.lock(1)
    for pindex in range(pages):
        b.ask(Insert(pindex, 100 + pindex))
    return b


def found(b: Bench, pages: int) -> list[int]:
    return [pindex for pindex in range(pages) if b.ask(Lookup(pindex))[0] > 0]


def remove(b: Bench, pindex: int, between: list[int], after: int) -> None:
    """A removal in its three steps, with lookups of others after the first or the second."""
    b.ask(TreeRise(pindex))
    for other in between if after == 1 else []:
        b.ask(Lookup(other))
    root = b.ask(TreeJoin(pindex))
    for other in between if after == 2 else []:
        b.ask(Lookup(other))
    b.ask(TreeStore(pindex, root))


def test_three_steps_by_one_alone_lose_nothing():
    b = holder(16)
    for pindex in (3, 15, 0, 8):
        remove(b, pindex, [], 0)
        assert b.port.records[-1:] == [(OBJECT_TREE, len(b.home.pages), len(b.home.pages))]
    assert found(b, 16) == [p for p in range(16) if p not in (0, 3, 8, 15)]


@pytest.mark.parametrize("other", [0, 4, 13])
def test_a_lookup_before_the_root_is_stored_loses_the_pages_it_passed(other):
    b = holder(16)
    remove(b, 15, [other], 2)
    assert b.port.records[-1] == (OBJECT_TREE, 15, 14 - other)
    assert len(found(b, 16)) == 14 - other


def test_a_lookup_before_the_trees_are_joined_loses_all():
    b = holder(16)
    remove(b, 15, [3], 1)
    assert found(b, 16) == []


def test_without_the_exemption_there_is_no_tree():
    b = holder(4, exempt=False)
    assert b.home.tree is None
    b.ask(Remove(2))
    assert found(b, 4) == [0, 1, 3]


def test_an_object_that_is_exempted_under_way_has_all_its_pages_in_the_tree():
    b = holder(16, exempt=False)
    b.home.equip({"C15": "exempt"})
    assert b.home.tree.reachable() == 16
    assert found(b, 16) == list(range(16))
    remove(b, 5, [], 0)
    assert b.port.records[-1] == (OBJECT_TREE, 15, 15)


def test_a_tree_that_is_there_is_kept_as_damaged_as_it_is():
    b = holder(16)
    remove(b, 15, [3], 1)
    b.home.equip({"C15": "exempt"})
    assert found(b, 16) == []
