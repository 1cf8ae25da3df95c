"""Law 5: a check that cannot fail is a defect. Each has a mutant of the machine on which it speaks, at or before every other check.

On the machine as it is the same work exercises the check, and nobody speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cluster.engine.inproc import InlineRun
from protocol.checks import CHECKS
from tests.actors.machine_kit import all_done, judged
from tests.promises import machine_mutants as m
from tests.promises import mutant_work as w


class Mutant(NamedTuple):
    """A check, a mutant on which it speaks first, the work on which both runs are made, and who else may speak after it."""

    check: str
    patch: Callable[[m.Patch], None]
    work: Callable[[], InlineRun]
    also: tuple[str, ...] = ()


MUTANTS = [
    Mutant("I-CONSERVE", m.frame_is_never_put_back, w.map_and_unmap),
    Mutant("I-CONSERVE", m.take_is_counted_twice, w.map_and_unmap),
    Mutant("I-ONEQ", m.frame_is_put_back_twice, w.map_and_unmap),
    Mutant("I-ONEQ", m.frame_stays_on_the_free_list, w.map_and_unmap, ("I-BUSY-XOR", "I-FREE-CLEAN", "I-PV-PTE")),
    Mutant("I-FREE-CLEAN", m.freed_page_stays_in_its_object, w.map_and_unmap, ("I-ONEQ",)),
    Mutant("I-FREE-UNMAPPED", m.queues_are_dropped_before_the_shootdown, w.two_drops),
    Mutant("I-UNIQUE", m.fault_lets_the_object_go_before_it_allocates, w.same_page),
    Mutant("I-BUSY-XOR", m.fault_does_not_look_whether_the_page_is_busy, w.one_file_page),
    Mutant("I-BUSY-XOR", m.fault_wakes_its_page_twice, w.map_and_unmap),
    Mutant("I-TLB", m.nobody_is_shot_down, w.map_and_unmap, ("I-FREE-UNMAPPED", "I-FREE-CLEAN")),
    Mutant("I-TLB", m.other_cpus_are_not_shot_down, w.two_cpus, ("I-FREE-UNMAPPED",)),
    Mutant("I-TLB-DONE", m.handler_acknowledges_without_flushing, w.two_cpus, ("I-TLB", "I-FREE-UNMAPPED")),
    Mutant("I-TLB-DONE", m.initiator_does_not_wait, w.two_cpus, ("I-TLB", "I-FREE-UNMAPPED")),
    Mutant("I-ORDER", m.pmap_enter_locks_the_pmap_first, w.map_and_unmap),
    Mutant("I-NOSLEEP", m.sleeper_keeps_the_object, w.unmap_while_paging, ("I-DEADLOCK",)),
    Mutant("I-SPIN", m.allocation_takes_the_queues_under_the_free_lock, w.map_and_unmap, ("I-ORDER",)),
    Mutant("I-RECURSE", m.release_forgets_the_depth, w.scarce),
    Mutant("I-DEADLOCK", m.moving_up_waits_for_the_first_object, w.shadowed),
    Mutant("I-WANT", m.wakeup_is_forgotten, w.one_file_page),
    Mutant("I-WANT", m.sleeper_is_not_noted, w.one_file_page),
    Mutant("I-PV-PTE", m.mapping_gets_no_pv_entry, w.map_and_unmap),
    Mutant("I-CACHE", m.page_is_cached_while_mapped, w.scarce),
]


def test_every_check_has_a_mutant_of_the_machine():
    assert {mutant.check for mutant in MUTANTS} == set(CHECKS)


@pytest.mark.parametrize("work", {mutant.work: 0 for mutant in MUTANTS}, ids=lambda work: work.__name__)
def test_the_machine_as_it_is_exercises_the_checks_and_nobody_speaks(work):
    done = work()
    assert all_done(done)
    verdict = judged(done)
    assert verdict.violations == []
    silent = {mutant.check for mutant in MUTANTS if mutant.work is work and not verdict.counts[mutant.check][0]}
    assert silent == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.check}-{mutant.patch.__name__}")
def test_the_check_speaks_first_on_its_mutant(mutant, monkeypatch):
    mutant.patch(monkeypatch)
    verdict = judged(mutant.work())
    first = {violation.check: violation.key for violation in reversed(verdict.violations)}
    assert mutant.check in first
    assert all(first[mutant.check] <= key for key in first.values()), verdict.violations[:3]
    assert set(first) - {mutant.check} <= set(mutant.also)
