"""The kernel's windows to page tables, and the zone of pv entries: what each is asked under which lock."""

from __future__ import annotations

import pytest

from actors.homes.windows import Window
from actors.homes.zones import Zone
from protocol.identity import LOCAL_WINDOW, SHARED_WINDOW
from protocol.messages.windows import WINDOW_CHANGED, WINDOW_MOVED, WINDOW_SAME, PointWindow, WindowWalk
from protocol.messages.zones import ZONE_EMPTY, ZONE_FULL, ZONE_TAKEN, ZoneGive, ZoneGrow, ZoneTake
from protocol.records import UNGUARDED, WINDOW_SET, ZONE_ITEMS
from tests.actors.fake_port import Bench


def window(name: str) -> Bench:
    b = Bench(Window(name=name, service_ns=5), also=("pq",))
    b.lock()
    return b


@pytest.mark.parametrize("name", [LOCAL_WINDOW, SHARED_WINDOW])
def test_a_window_tells_whether_it_was_changed_or_only_used_by_another_cpu(name):
    b = window(name)
    answers = [b.ask(PointWindow(table, cpu)) for table, cpu in [(7, 0), (7, 0), (7, 1), (9, 1), (9, 0)]]
    assert answers == [WINDOW_CHANGED, WINDOW_SAME, WINDOW_MOVED, WINDOW_CHANGED, WINDOW_MOVED]
    assert b.ask(WindowWalk()) == 9
    assert [record[1:] for record in b.port.records if record[0] == WINDOW_SET] == [(7, 0, 0), (9, 7, 1)]


@pytest.mark.parametrize(("name", "needed"), [(LOCAL_WINDOW, "pq"), (SHARED_WINDOW, SHARED_WINDOW)])
def test_paddr1_is_under_the_page_queues_and_paddr2_under_its_own_mutex(name, needed):
    b = Bench(Window(name=name, service_ns=5))
    b.ask(PointWindow(7, 0))
    assert [record[1:] for record in b.port.records if record[0] == UNGUARDED] == [("pte", name, 1, needed)]
    assert b.home.table == 7, "it is done all the same"


def test_a_zone_grows_by_slabs_up_to_its_limit():
    b = Bench(Zone(name="zone.0", service_ns=5, limit=5, slab_items=3))
    b.lock()
    assert b.ask(ZoneTake()) == ZONE_EMPTY
    b.ask(ZoneGrow())
    assert [b.ask(ZoneTake()) for _ in range(4)] == [ZONE_TAKEN, ZONE_TAKEN, ZONE_TAKEN, ZONE_EMPTY]
    b.ask(ZoneGrow())
    assert (b.home.free, b.home.slabs) == (2, 2), "the last slab has no more items than the limit leaves"
    assert [b.ask(ZoneTake()) for _ in range(3)] == [ZONE_TAKEN, ZONE_TAKEN, ZONE_FULL]
    b.ask(ZoneGive())
    assert b.ask(ZoneTake()) == ZONE_TAKEN
    assert [record[1:] for record in b.port.records if record[0] == ZONE_ITEMS][:2] == [(0, 3, 1), (3, 2, 1)]
