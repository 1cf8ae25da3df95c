from __future__ import annotations

from actors.home import Home
from cluster.engine.ending import status_of
from protocol.faults import Fault
from tests.cluster.faults.nodes import Talker, talk


class Waiting(Talker, kw_only=True):
    def waits(self):
        return [(1, 0, "pq", 90, (), ""), (2, -1, "order order.await", 10, (), ""), (3, -1, "fq", 110, (), "")]


def test_who_waited_at_the_heal_is_reported_with_the_owners_of_all_locks():
    pq, fq, free = Home(name="pq", owner=4), Home(name="fq", readers={8: 2, 6: 1}), Home(name="smp")
    heard = talk(Fault("x", "lose", heal_ns=100), actors=[Waiting(name="b.0"), pq, fq, free])
    status = status_of(heard.engine.reporters, 0)
    assert status.blocked == [(1, 0, "pq", 90)], "not who began later, and not who waits for the workload's own order"
    assert sorted(status.owners) == [("fq", 6), ("fq", 8), ("pq", 4)]


def test_nobody_is_asked_in_a_run_that_need_not_heal():
    assert talk(Fault("x", "lose"), actors=[Waiting(name="b.0")]).engine.reporters == []
