"""Figures from what happened: records counted, summed and attributed, distances, decisions."""

from __future__ import annotations

import pytest

from cluster.errors import InputError
from cluster.experiments.form import FigureTable, MessagesTable, RecordsTable
from cluster.experiments.measures import Distance, Names, Said, decisions, distance, measured, panics_of, seen
from protocol.records import (
    ENTER,
    FAULT_FIRED,
    FREE_TAKE,
    INJECTED,
    LEAVE,
    LOCK_ACQUIRE,
    LOOP,
    PAGE_QUEUE,
    PANIC,
    SWITCH,
)
from tests.cluster.experiments.stored import stored

NAMES = Names({"writer": 0, "reader": 1}, {"reserve": 10})


def acquire(thread, lock, depth=1):
    return (LOCK_ACQUIRE, thread, lock, 0, 1, 0, depth)


RUN = stored(
    (10, "cpu.0", "cpu.0", [(SWITCH, -1, 0, "pmap.0"), (ENTER, 0, "vm_fault", (), ()), acquire(0, "pq")]),
    (20, "pq", "cpu.0", [(PAGE_QUEUE, 7, 1, 4)]),
    (30, "cpu.1", "cpu.1", [(SWITCH, -1, 1, "pmap.1"), acquire(1, "pq"), acquire(1, "object.1")]),
    (40, "fq", "cpu.0", [(FREE_TAKE, 7, 0, 0, 0, 9)]),
    (50, "fq", "cpu.1", [(FREE_TAKE, 8, 0, 0, 0, 12), (PAGE_QUEUE, 8, 1, 2)]),
    (60, "cpu.0", "cpu.0", [acquire(0, "object.2"), (LEAVE, 0, "vm_fault", "soft", ())]),
    (70, "cpu.0", "cpu.0", [acquire(0, "pq", 2), (LOOP, 0, "scan", True, 5), (LOOP, 0, "scan", False, 3)]),
)


def figure(kind="*", sum="", max="", **wanted):
    return FigureTable(name="n", unit="u", records=RecordsTable(kind=kind, **wanted), sum=sum, max=max)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({"kind": "lock.acquire"}, 5),
        ({"kind": "lock.*"}, 5),
        ({"kind": "lock.acquire", "where": {"lock": "pq"}}, 3),
        ({"kind": "lock.acquire", "where": {"lock": "object.*"}}, 2),
        ({"kind": "lock.acquire", "where": {"lock": "pq", "depth": 2}}, 1),
        ({"kind": "lock.acquire", "task": "writer"}, 3),
        ({"kind": "lock.acquire", "task": "*er"}, 5),
        ({"kind": "lock.acquire", "within": "vm_fault"}, 2),
        ({"kind": "lock.acquire", "within": "vm_fault", "task": "reader"}, 0),
        ({"kind": "page.queue", "task": "writer"}, 1),
        ({"kind": "free.take", "where": {"free": "< reserve"}}, 1),
        ({"kind": "free.take", "where": {"free": "> reserve - 2"}}, 2),
        ({"kind": "free.take", "actor": "cpu.*"}, 0),
        ({"kind": "free.take", "sum": "free"}, 21),
        ({"kind": "free.take", "max": "free"}, 12),
        ({"kind": "sleep", "max": "thread"}, 0),
        ({"kind": "loop", "where": {"first": True}}, 1),
    ],
)
def test_records_are_counted(wanted, value):
    assert measured(figure(**wanted), RUN, {}, NAMES) == value


def test_a_metric_is_taken_as_it_is():
    assert measured(FigureTable(name="n", unit="u", metric="faults.cow"), RUN, {"faults.cow": 8}, NAMES) == 8


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"kind": "sleep", "task": "nobody"}, "no task is called 'nobody'"),
        ({"kind": "lock.acquire", "sum": "lock"}, "field 'lock' is no number"),
        ({"kind": "lock.acquire", "where": {"depth": "< nope"}}, "no name 'nope' here"),
    ],
)
def test_what_cannot_be_measured_is_bad_input(wanted, words):
    with pytest.raises(InputError) as raised:
        measured(figure(**wanted), RUN, {}, NAMES)
    assert words in str(raised.value) and raised.value.key


def test_a_home_works_for_the_thread_that_asked_it():
    assert [(one.thread, one.routines) for one in seen(RUN) if one.record[0] == FREE_TAKE] == [(0, ("vm_fault",)), (1, ())]


def test_panics_are_words_too():
    run = stored((5, "cpu.0", "pq", [(PANIC, 0, "vm_page_free: freeing free page")]))
    assert panics_of(run) == [Said("panic", 5, "cpu.0", "pq:0", "vm_page_free: freeing free page")]
    assert panics_of(run)[0].as_json()["check"] == "panic"


INJECTIONS = stored(
    (10, "cpu.0", "a", [(INJECTED, "first")]),
    (20, "cpu.0", "a", []),
    (30, "cpu.0", "a", [(INJECTED, "last"), (FAULT_FIRED, "f", "x")]),
    (40, "cpu.0", "a", [(PAGE_QUEUE, 1, 1, 2)]),
    (55, "cpu.0", "a", [(PAGE_QUEUE, 2, 1, 2)]),
    (70, "cpu.0", "a", []),
)
EARLY, LATE = Said("I-ONEQ", 55, "cpu.0", "a:4", ""), Said("panic", 70, "cpu.0", "a:5", "")


def far(unit="events", until=(), since=None):
    return FigureTable(name="n", unit="u", distance=unit, until=list(until), since=since)


@pytest.mark.parametrize(
    ("wanted", "said", "value"),
    [
        (far(), [EARLY, LATE], 2),
        (far("ns"), [LATE, EARLY], 25),
        (far(until=["panic"]), [EARLY, LATE], 3),
        (far("ns", until=["panic"]), [EARLY, LATE], 40),
        (far(until=["I-TLB"]), [EARLY, LATE], None),
        (far(), [], None),
        (far(since=RecordsTable(kind="page.queue")), [LATE], 2),
        (far(since=RecordsTable(kind="sleep")), [LATE], None),
        (far(), [Said("I-CONSERVE", 99, "", "end:0", "")], 3),
    ],
)
def test_the_distance_from_the_last_injection_to_the_word(wanted, said, value):
    found = distance(wanted, INJECTIONS, said, NAMES)
    assert (found and getattr(found, wanted.distance)) == value


def test_without_injections_a_distance_begins_at_the_first_fault():
    run = stored((1, "a", "a", [(FAULT_FIRED, "f", "x")]), (2, "a", "a", [(FAULT_FIRED, "f", "x")]), (9, "a", "a", []))
    assert distance(far("ns"), run, [Said("panic", 9, "a", "a:2", "")], NAMES) == Distance(2, 8)
    assert distance(far(), stored((1, "a", "a", [])), [Said("panic", 1, "a", "a:0", "")], NAMES) is None


def test_messages_are_counted_by_their_words_and_receivers():
    run = stored((1, "pq", "a", []), (2, "object.1", "a", []), (3, "object.2", "a", []))
    words = {entry[1] for batch in run.trace.entries(0, None, None) for entry in batch}
    assert len(words) == 1

    def count(words, actor="*"):
        return measured(FigureTable(name="n", unit="u", messages=MessagesTable(words=words, actor=actor)), run, {}, NAMES)

    assert [count(list(words)), count(["x", *words], "object.*"), count(["x"])] == [3, 2, 0]


def test_decisions_are_records_without_their_times():
    moved = stored(*((time + 5, to, sender, records) for time, to, sender, records in [(1, "pq", "a", [(PAGE_QUEUE, 7, 1, 4)])]))
    assert decisions(RUN, ["page.queue"]) == [(PAGE_QUEUE, 7, 1, 4), (PAGE_QUEUE, 8, 1, 2)]
    assert decisions(moved, ["page.*"]) == decisions(RUN, ["page.queue"])[:1]
    assert decisions(RUN, ["page.queue", "free.*"]) == [
        (PAGE_QUEUE, 7, 1, 4),
        (FREE_TAKE, 7, 0, 0, 0, 9),
        (FREE_TAKE, 8, 0, 0, 0, 12),
        (PAGE_QUEUE, 8, 1, 2),
    ]
