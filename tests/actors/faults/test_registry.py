"""Every kind that is a part of the machine is put into some actor, and into no other."""

from __future__ import annotations

import pytest

from actors.faults.base import begins, is_lock, lasting, under_way
from actors.faults.registry import PARTS
from actors.machine import boot_actors
from protocol.faults import INSTANT, KINDS, PART, Fault
from protocol.messages.faults import Begins
from tests.actors.machine_kit import machine, workload

ACTORS = boot_actors(machine(), workload([]))
HOMES = {actor.name for actor in ACTORS} - {"cpu.0", "cpu.1"}


def test_every_kind_of_part_is_fitted():
    assert {word for word, kind in KINDS.items() if kind.scope == PART} <= set(PARTS)
    assert all(KINDS[word].scope in (PART, INSTANT) for word in PARTS)


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (Fault("x", "cpu-slow", cpu=1), {"cpu.1"}),
        (Fault("x", "vcpu-preempted", cpu=0, lock="pq"), {"cpu.0"}),
        (Fault("x", "tlb-stale-entry"), {"cpu.0", "cpu.1"}),
        (Fault("x", "lock-granted-twice", lock="pq"), {"pq"}),
        (Fault("x", "lock-released-early", lock="pager"), {"pager.0", "pager.1"}),
        (Fault("x", "wakeup-lost", lock="pager.1"), {"pager.1"}),
        (Fault("x", "wakeup-lost", channel="page.*"), HOMES),
        (Fault("x", "wakeup-spurious", channel="page.*"), HOMES),
        (Fault("x", "pager-slow", pager="swap"), {"pager.1"}),
        (Fault("x", "pager-slow", pager="disk"), {"pager.0"}),
        (Fault("x", "memory-fragmented"), {"fq"}),
    ],
)
def test_whom_a_fault_is_about(fault, names):
    assert {actor.name for actor in ACTORS if PARTS[fault.kind].concerns(actor, fault)} == names


@pytest.mark.parametrize(
    ("pattern", "lock", "found"),
    [("object", "object.3.cpu.1", True), ("object.3", "object.3", True), ("object.*", "object.3", True), ("obj", "object.3", False),
     ("pq", "pq", True), ("*", "fq", True), ("object.3", "object.3.cpu.1", False)],
)  # fmt: skip
def test_a_lock_is_meant_by_class_name_or_pattern(pattern, lock, found):
    assert is_lock(pattern, lock) is found


def test_when_a_fault_acts():
    fault = Fault("x", "cpu-slow", at_ns=10, duration_ns=5)
    assert [under_way(fault, now) for now in (9, 10, 14, 15)] == [False, True, True, False]
    assert under_way(Fault("x", "clock-skew"), 10**12)
    assert [under_way(Fault("x", "clock-skew", heal_ns=7), now) for now in (6, 7)] == [True, False]
    assert [lasting(Fault("x", "y", heal_ns=heal), 5, 10) for heal in (0, 100, 12, 5)] == [10, 10, 7, 1]


def test_two_faults_of_one_actor_begin_each_in_its_turn():
    table, begun = {}, []
    for name in ("a", "b", "c"):
        begins(table, Fault(name, "cpu-slow"), lambda name=name: begun.append(name))
    for name in ("b", "a", "c"):
        table[Begins](Begins(name), "boot")
    assert begun == ["b", "a", "c"]
