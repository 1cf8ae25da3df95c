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
from tests.promises import half_mutants as h
from tests.promises import machine_mutants as m
from tests.promises import mutant_work as w
from tests.promises import object_mutants as o
from tests.promises import page_mutants as p


class Mutant(NamedTuple):
    """A check, a mutant on which it speaks first, the work on which both runs are made, and who else may speak after it."""

    check: str
    patch: Callable[[m.Patch], None]
    work: Callable[[], InlineRun]
    also: tuple[str, ...] = ()


MUTANTS = [
    Mutant("I-CONSERVE", m.frame_is_never_put_back, w.map_and_unmap),
    Mutant("I-CONSERVE", m.take_is_counted_twice, w.map_and_unmap),
    Mutant("I-ONEQ", m.frame_is_put_back_twice, w.map_and_unmap, ("I-ZERO",)),
    Mutant(
        "I-ONEQ",
        m.frame_stays_on_the_free_list,
        w.map_and_unmap,
        ("I-BUSY-XOR", "I-FREE-CLEAN", "I-LOCKSET", "I-NOABA", "I-PV-PTE", "I-SINGLE-OWNER"),
    ),
    Mutant("I-FREE-CLEAN", m.freed_page_stays_in_its_object, w.map_and_unmap, ("I-ONEQ", "I-REFLIFE", "I-TREE")),
    Mutant("I-FREE-UNMAPPED", m.queues_are_dropped_before_the_shootdown, w.two_drops, ("I-PTREF",)),
    Mutant("I-UNIQUE", m.fault_lets_the_object_go_before_it_allocates, w.same_page, ("I-TREE",)),
    Mutant("I-BUSY-XOR", m.fault_does_not_look_whether_the_page_is_busy, w.one_file_page, ("I-BUSY-VISIBLE",)),
    Mutant("I-BUSY-XOR", m.fault_wakes_its_page_twice, w.map_and_unmap),
    Mutant("I-TLB", m.nobody_is_shot_down, w.map_and_unmap, ("I-FREE-UNMAPPED", "I-FREE-CLEAN")),
    Mutant("I-TLB", m.other_cpus_are_not_shot_down, w.two_cpus, ("I-FREE-UNMAPPED",)),
    Mutant("I-TLB-DONE", m.handler_acknowledges_without_flushing, w.two_cpus, ("I-TLB", "I-FREE-UNMAPPED")),
    Mutant("I-TLB-DONE", m.initiator_does_not_wait, w.two_cpus, ("I-ONE-SHOOT", "I-TLB", "I-FREE-UNMAPPED")),
    Mutant("I-ORDER", m.pmap_enter_locks_the_pmap_first, w.map_and_unmap),
    Mutant("I-NOSLEEP", m.sleeper_keeps_the_object, w.unmap_while_paging, ("I-DEADLOCK",)),
    Mutant("I-SPIN", m.allocation_takes_the_queues_under_the_free_lock, w.map_and_unmap, ("I-ORDER",)),
    Mutant("I-RECURSE", m.release_forgets_the_depth, w.scarce, ("I-LOCKRESTORE", "I-LOCKSET")),
    Mutant("I-DEADLOCK", m.moving_up_waits_for_the_first_object, w.shadowed),
    Mutant("I-WANT", m.wakeup_is_forgotten, w.one_file_page),
    Mutant("I-WANT", m.sleeper_is_not_noted, w.one_file_page),
    Mutant("I-PV-PTE", m.mapping_gets_no_pv_entry, w.map_and_unmap),
    Mutant("I-CACHE", m.page_is_cached_while_mapped, w.scarce),
    Mutant("I-COUNT", p.first_cached_page_counts_twice, w.scarce),
    Mutant("I-TREE", o.removal_loses_another_page, w.map_and_unmap, ("I-FREE-CLEAN", "I-REFLIFE")),
    Mutant("I-SINGLE-OWNER", p.one_page_is_every_table, w.map_and_unmap, ("I-LOCKSET", "I-ONEQ", "I-ZERO")),
    Mutant("I-BUSY-LOCKED", p.victim_is_busy_while_no_lock_is_held, w.two_files, ("I-BUSY-ONLY", "I-ORDER")),
    Mutant("I-BUSY-ONLY", p.allocation_is_always_busy, w.map_and_unmap),
    Mutant("I-BUSY-ONLY", p.page_is_busied_to_be_freed, w.map_and_unmap),
    Mutant("I-BUSY-VISIBLE", p.fault_allocates_a_page_that_is_not_busy, w.map_and_unmap),
    Mutant("I-WIRED", p.wired_page_stays_on_its_queue, w.sent),
    Mutant("I-UNMANAGED", p.unmanaged_page_is_queued_when_unwired, w.map_and_unmap),
    Mutant("I-FICT", p.wiring_of_a_fake_page_is_counted, w.device_memory),
    Mutant("I-ACT", p.activation_begins_at_a_hundred, w.map_and_unmap),
    Mutant("I-ZERO", p.every_page_is_freed_as_zero, w.map_and_unmap),
    Mutant("I-ZERO", p.zeroed_frame_is_not_counted, w.scarce),
    Mutant("I-ZERO-IMMUT", p.fault_clears_pg_zero, w.tables_go_and_come),
    Mutant("I-LOCKSET", p.frame_is_put_back_without_its_lock, w.map_and_unmap),
    Mutant("I-REMOVE-OBJ", h.object_is_unlocked_while_its_pages_leave, w.map_and_unmap, ("I-LOCKSET", "I-ORDER")),
    Mutant("I-LOCKRESTORE", o.munmap_leaves_the_map_locked, w.map_and_unmap, ("I-DEADLOCK", "I-RECURSE")),
    Mutant("I-NOLOST", p.end_of_io_is_not_announced, w.written_out_and_waited_for, ("I-WANT",)),
    Mutant("I-NOLOST", o.only_the_first_sleeper_is_told, w.written_out_and_waited_for),
    Mutant("I-NOABA", o.sleeper_comes_back_to_another_object, w.freed_under_a_sleeper),
    Mutant("I-PIP", o.paging_in_progress_is_not_counted, w.map_and_unmap),
    Mutant("I-REFLIFE", o.termination_leaves_pages, w.map_and_unmap),
    Mutant("I-PTREF", p.entries_that_go_are_not_counted, w.map_and_unmap),
    Mutant("I-PTREF", p.empty_tables_are_not_freed, w.map_and_unmap),
    Mutant("I-ONE-SHOOT", p.one_acknowledgement_is_enough, w.three_cpus, ("I-TLB", "I-TLB-DONE")),
    Mutant("I-DIRTY", p.modified_bit_is_dropped, w.written_after_reading),
    Mutant("I-PROGRESS", p.cached_page_is_looked_at_again_and_again, w.scarce),
    Mutant("I-RESERVE", p.normal_allocations_take_the_last_frame, w.scarce),
    Mutant("I-BOUNDS", p.physical_address_is_below_the_array, w.file_written_privately),
    Mutant("I-COW", p.page_that_is_sent_stays_writable, w.sent),
    Mutant("I-REFCOUNT", o.references_are_taken_twice, w.file_written_privately),
    Mutant("I-REFCOUNT", o.mapping_of_a_file_takes_no_reference, w.file_written_privately),
    Mutant("I-REFCOUNT", o.bypass_drops_two_references, w.goes_round),
    Mutant("I-REFLIFE", o.collapse_leaves_a_page, w.generations),
    Mutant("I-SHADOW", o.collapse_forgets_an_offset, w.generations),
    Mutant("I-SHADOW", o.shadow_that_goes_is_not_counted, w.file_written_privately),
    Mutant("I-MAP", o.mapping_is_put_over_another, w.moved_and_split),
    Mutant("I-NOSLEEP", h.page_in_keeps_the_object, w.one_file_page),
    Mutant("I-SINGLE-OWNER", h.frame_goes_back_with_its_page_record, w.map_and_unmap, ("I-ONEQ", "I-TREE")),
    Mutant("I-PTREF", h.table_goes_one_entry_early, w.map_and_unmap),
    Mutant("I-WANT", h.second_sleeper_clears_wanted, w.written_out_and_waited_for, ("I-NOLOST",)),
    Mutant("I-TLB-DONE", h.one_active_cpu_is_not_told, w.three_cpus, ("I-TLB", "I-FREE-UNMAPPED")),
    Mutant("I-LOCKSET", h.page_queues_are_unlocked_while_a_page_is_freed, w.map_and_unmap),
    Mutant("I-LOCKSET", h.object_is_unlocked_before_the_page_is_wanted, w.written_out_and_waited_for),
    Mutant("I-COLOUR", p.finder_begins_one_colour_off, w.map_and_unmap),
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
