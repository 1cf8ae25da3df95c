import pytest

from cluster.inspect.metrics import Metrics
from cluster.inspect.tally import merged, metrics_of, shares
from protocol import records as kinds
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.pages import BUSY, CACHE, FREE, HOLD, INACTIVE, NONE

FRAMES = 1000
HOMES = {FREE_QUEUES: 2, PAGE_QUEUES: 1}
"""The worker of each home before and after, unlike worker 0, which gets the sums."""

BEFORE = {
    FREE_QUEUES: [(kinds.FREE_TAKE, 1, 0, 0, False, 999), (kinds.FREE_TAKE, 2, 0, 0, False, 998), (kinds.FREE_WITHHOLD, 900, 98)],
    PAGE_QUEUES: [
        (kinds.PAGE_BIND, 1, "object.1", 0, 0, BUSY, 1, 0),
        (kinds.PAGE_BIND, 2, "object.1", 1, 0, BUSY, 1, 0),
        (kinds.PAGE_RELEASE, 2, "object.1", 1, HOLD),
        (kinds.PAGE_QUEUE, 1, INACTIVE, CACHE),
    ],
    "cpu.0": [(kinds.STORE, 1, "pmap.1", 5, 1)],
}
AFTER = {
    PAGE_QUEUES: [(kinds.PAGE_HOLD, 2, 1, 0), (kinds.PAGE_QUEUE, 1, CACHE, NONE), (kinds.PAGE_RELEASE, 1, "object.1", 0, FREE)],
    FREE_QUEUES: [(kinds.FREE_PUT, 1, False, 99), (kinds.FREE_WITHHOLD, -900, 999)],
}


def feed(workers, place, records_of, time):
    for actor, records in records_of.items():
        for record in records:
            time += 10
            workers[place(actor)].feed([((time, 1, 0, actor, "cpu.0", time, "boot", 0), "x", [record])])


def place_on(workers):
    return lambda actor: HOMES.get(actor, 0) % workers


def total(workers):
    return metrics_of(merged(worker.state() for worker in workers), FRAMES)


def through(before, after):
    first = [Metrics() for _ in range(before)]
    feed(first, place_on(before), BEFORE, 0)
    second = [Metrics() for _ in range(after)]
    for worker, share in zip(second, shares([one.state() for one in first], place_on(after), after), strict=True):
        worker.restore(share)
    feed(second, place_on(after), AFTER, 1000)
    return total(second)


def undisturbed():
    one = [Metrics()]
    feed(one, place_on(1), BEFORE, 0)
    feed(one, place_on(1), AFTER, 1000)
    return total(one)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (3, 2), (2, 3), (3, 3)])
def test_what_is_under_way_goes_with_its_home(before, after):
    assert through(before, after) == undisturbed()


def test_the_undisturbed_run_is_what_it_should_be():
    got = undisturbed()
    assert (got["pages.allocated"], got["pages.freed"], got["pages.leaked"], got["pages.resident_max"]) == (2, 1, 1, 2)
    assert (got["free.min"], got["pages.lost_writes"]) == (98, 1)


def test_counting_on_after_a_merge_does_not_change_the_parts():
    parts = [Metrics() for _ in range(2)]
    feed(parts, place_on(2), BEFORE, 0)
    states = [part.state() for part in parts]
    again = [part.state() for part in parts]
    merged(states).sums["busy"] = 10**6
    shares(states, place_on(3), 3)
    assert states == again
