"""Mechanisms of contigmalloc, its users, the page array and the page daemon's walks, taken out: C06, C13, C19, C21, C24, C25, C27, C29,
R10."""

from __future__ import annotations

from actors.kernel import contig, contig_launder, isa_dma, page_array, page_stats, pageout_dirty
from protocol.identity import FREE_QUEUES
from protocol.messages.contig import TakeRun
from tests.promises.disabled_mechanisms import Disabled, Patch, foil_in_place_of, in_form, newest_in_place_of_foil, nothing


def driver_is_told_that_there_is_no_memory(patch: Patch) -> None:
    """C06: isa_dma_init returns its status in every form."""
    in_form(patch, isa_dma.isa_dma_init, "C06", "status")


def driver_is_told_nothing(patch: Patch) -> None:
    """C06: isa_dma_init returns success in every form."""
    give = isa_dma.isa_dma_init

    async def given(k, channel, pages, wait, low):
        await give(k, channel, pages, wait, low)
        return 0

    patch.setattr(isa_dma, "isa_dma_init", given)


def launderer_remembers_the_object(patch: Patch) -> None:
    """C13: what is unlocked after the wait is what was locked before it."""

    async def remembered(k, frame, obj):
        return obj

    patch.setattr(contig_launder, "owner_now", remembered)


def spin_lock_is_dropped_before_pages_are_freed(patch: Patch) -> None:
    """C19: cached pages are freed without the free-queue lock."""
    convert = contig._convert_first

    async def convert_first(k, run, locked):
        if locked:
            await k.release(FREE_QUEUES)
        return await convert(k, run, False)

    patch.setattr(contig, "_convert_first", convert_first)


def dirty_is_not_asked_again(patch: Patch) -> None:
    """C21: revision 1.251 takes the answer from before the removal."""
    foil_in_place_of(patch, "C21", "1.251")


def the_foil_asks_again(patch: Patch) -> None:
    """C21: the form made to be told apart decides as the kernel does."""
    newest_in_place_of_foil(patch, "C21")


def nobody_asks_again(patch: Patch) -> None:
    """C21: no form looks at the dirty bits once the mappings are gone."""

    async def clean(k, frame):
        return 0

    patch.setattr(pageout_dirty, "_dirty_now", clean)


def what_is_taken_is_looked_at_again(patch: Patch) -> None:
    """C24: a run is taken only if all of it is free still."""
    patch.setattr(contig, "TakeRun", lambda first, pages, checked: TakeRun(first, pages, True))


def what_is_taken_is_not_looked_at(patch: Patch) -> None:
    """C24: a run is taken as it was when it was seen."""
    patch.setattr(contig, "TakeRun", lambda first, pages, checked: TakeRun(first, pages, False))


def scan_is_without_the_free_lock(patch: Patch) -> None:
    """C24: the page array is scanned with the page queues held and no more."""
    in_form(patch, contig.scan, "C24", "pq-only")


def cached_pages_are_freed_first(patch: Patch) -> None:
    """C25: nothing is taken before everything that can fail is over."""
    patch.setattr(contig, "_dequeue_as_you_go", contig._convert_first)


def no_page_guards_the_array(patch: Patch) -> None:
    """C27: the page below the array is mapped."""
    patch.setattr(page_array, "GUARD_RECORDS", 0)


def walk_asserts_nothing(patch: Patch) -> None:
    """C29: page_stats takes any page for an active one."""
    in_form(patch, page_stats._look_at, "C29", "silent")


def walk_keeps_the_page_queues(patch: Patch) -> None:
    """C29: the fault that the walk must meet is not there."""
    patch.setattr(page_stats, "_drop_wrongly", nothing)


def launderer_keeps_the_object(patch: Patch) -> None:
    """R10: an object is referenced while laundering sleeps for a page of it."""
    patch.setattr(contig_launder, "_keeps", lambda k: True)


CONTIG = [
    Disabled("C06", driver_is_told_that_there_is_no_memory, "before: panic did not speak"),
    Disabled("C06", driver_is_told_nothing, "after: transfers through a null bounce buffer is 2"),
    Disabled("C13", launderer_remembers_the_object, "before: panic, I-NOABA did not speak"),
    Disabled("C19", spin_lock_is_dropped_before_pages_are_freed, "before: I-SPIN, panic did not speak"),
    Disabled("C21", dirty_is_not_asked_again, "before: schedules in which other decisions are made is 1", arms=()),
    Disabled("C21", the_foil_asks_again, "foil: a form that differs was not told apart", arms=("foil",)),
    Disabled("C21", nobody_asks_again, "early-simplified: panic spoke", arms=("early-simplified",)),
    Disabled("C24", what_is_taken_is_looked_at_again, "before: frames given to a second owner is 0"),
    Disabled("C25", cached_pages_are_freed_first, "before: I-CONSERVE did not speak"),
    Disabled("C27", no_page_guards_the_array, "after: nothing said 'Fatal trap 12"),
    Disabled("C29", walk_asserts_nothing, "after: panic did not speak"),
    Disabled("C29", walk_keeps_the_page_queues, "before: I-ONEQ did not speak"),
    Disabled("C24", what_is_taken_is_not_looked_at, "after: I-LOCKSET, I-ONEQ"),
    Disabled("C24", scan_is_without_the_free_lock, "after: I-LOCKSET"),
    Disabled("R10", launderer_keeps_the_object, "before: I-REFLIFE did not speak"),
]
