"""Records in words: every phrase fits its kind's fields, and says what the record says."""

from __future__ import annotations

import pytest

from cluster.experiments import phrases
from cluster.experiments.phrases import phrase
from cluster.experiments.plain_phrases import PLAIN
from cluster.inspect.lines import what
from protocol import records as kinds
from protocol.messages.locks import EXCLUSIVE
from protocol.pages import QUEUE_NAMES
from protocol.points import POINTS
from protocol.records import KIND_BY_NAME, KINDS


@pytest.mark.parametrize("name", [*PLAIN, *phrases._SPECIAL])
def test_every_phrase_is_of_a_kind_there_is_and_fits_its_fields(name):
    kind = KIND_BY_NAME[name]
    record = (kind.number, *(1 if field not in ("targets", "threads", "locks") else (1,) for field in kind.fields))
    said = phrase(record)
    assert said
    assert "{" not in said


def test_a_phrase_names_fields_that_tell_records_apart():
    """Two records of a kind that differ in their first field are told differently, with few exceptions that name no field on purpose."""
    silent = []
    for name, text in PLAIN.items():
        if "{" not in text:
            silent.append(name)
    assert silent == []


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ((kinds.PAGE_QUEUE, 0x3E2, QUEUE_NAMES.index("NONE"), QUEUE_NAMES.index("ACTIVE")), "page 0x3e2: queue NONE -> ACTIVE"),
        ((kinds.PAGE_REBIND, 5, "object.1", 3, "", 0), "page 0x5 belongs to object.1 at 3"),
        ((kinds.PAGE_REBIND, 5, "", 0, "object.1", 3), "page 0x5 belongs to object.1 no more"),
        ((kinds.PAGE_REBIND, 5, "object.2", 1, "object.1", 3), "page 0x5 moves from object.1 at 3 to object.2 at 1"),
        ((kinds.PAGE_REBIND, 5, "", 0, "", 0), "page 0x5 has no owner"),
        ((kinds.FREE_WITHHOLD, 20, 3), "20 frames withheld, 3 free"),
        ((kinds.FREE_WITHHOLD, -20, 23), "20 frames given back, 23 free"),
        ((kinds.SHOOT_BEGIN, 1, "pmap.0", 0x10, 0x11, ()), "shootdown of pmap.0 0x10 begins, targets: no other CPU"),
        ((kinds.SHOOT_BEGIN, 1, "pmap.0", 0x10, 0x14, (1, 2)), "shootdown of pmap.0 0x10 to 0x13 begins, targets: cpu.1, cpu.2"),
        ((kinds.SHOOT_BEGIN, 1, "pmap.0", 0, 0, (1,)), "shootdown of all of pmap.0 begins, targets: cpu.1"),
        ((kinds.SHOOT_DONE, 1, "pmap.0", 0, 0, (1,), 30), "shootdown of all of pmap.0 done, spun 30 ns"),
        ((kinds.SHOOT_BEGIN, 1, "window.0", 0, 1, ()), "shootdown of window.0 0x0 begins, targets: no other CPU"),
        ((kinds.TLB_FLUSH, "pmap.0", 0, 0, "ipi"), "TLB drops all of pmap.0 (ipi)"),
        ((kinds.TLB_FLUSH, "pmap.0", 4, 6, "ipi"), "TLB drops pmap.0 0x4 to 0x5 (ipi)"),
        ((kinds.TLB_FLUSH, "", 0, 0, "load"), "TLB drops everything not global (load)"),
        ((kinds.TASK_FORK, 0, 1, "fork"), "task 0 forks task 1"),
        ((kinds.TASK_FORK, 0, 1, "thread"), "task 0 starts task 1 as a thread"),
        ((kinds.MAP_WIRE, 0x10, 0x12, True), "entry 0x10 to 0x12 wired"),
        ((kinds.MAP_WIRE, 0x10, 0x12, False), "entry 0x10 to 0x12 not wired any more"),
        ((kinds.OBJECT_COLLAPSE, 1, "object.1", "object.2", "bypass", 0, 0), "object.1 shadows what is behind object.2 now"),
        (
            (kinds.OBJECT_COLLAPSE, 1, "object.1", "object.2", "collapse", 2, 1),
            "2 pages moved from object.2 up to object.1, 1 freed; it is gone",
        ),
        ((kinds.OBJECT_NEW, "object.1", 1, 8, 1, "", 0), "object.1 created: SWAP, 8 pages, 1 references"),
        ((kinds.FREE_ASIDE, 5, False, True, 9), "frame 0x5 taken off its free list by a fault, 9 free"),
        ((kinds.PMAP_ACTIVE, 2, True), "active on cpu.2"),
        ((kinds.OBJECT_VALID, 3, 5, 0, 0xFF), "page 0x5: invalid -> valid"),
        ((kinds.LOCK_ACQUIRE, 1, "pq", EXCLUSIVE, 7, 0, 1), "+vm page queue mutex pq"),
        ((kinds.LOCK_ACQUIRE, 1, "pq", EXCLUSIVE, 7, 30, 2), "+vm page queue mutex pq (waited 30 ns, recursion 2)"),
    ],
)
def test_phrases(record, said):
    assert phrase(record) == said


def test_a_thread_that_is_held_is_told_what_has_just_happened_there():
    point = next(iter(POINTS))
    assert phrase((kinds.HELD, 1, point)) == f"held at {point}: {POINTS[point]}"


def test_only_locks_and_routines_are_told_as_the_log_has_them():
    """Everything else would stand in a story with its fields by name."""
    untold = {kind.name for kind in KINDS.values()} - set(PLAIN) - set(phrases._SPECIAL)
    assert untold == {"lock.acquire", "lock.release", "lock.wait", "lock.fail", "enter", "leave", "switch"}
    record = (kinds.LOCK_WAIT, 1, "pq", 2)
    assert phrase(record) == what(record)


@pytest.mark.parametrize("name", sorted({*PLAIN, *phrases._SPECIAL} - {"pte.set"}))
def test_no_phrase_has_a_field_by_its_name(name):
    kind = KIND_BY_NAME[name]
    assert "=" not in phrase((kind.number, *((1,) if field in ("targets", "threads", "locks") else 1 for field in kind.fields)))


def test_control_characters_from_outside_are_escaped():
    assert "\x1b" not in phrase((kinds.NOTE, "\x1b[31mred"))
