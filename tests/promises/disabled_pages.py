"""Mechanisms of allocation, removal, caching and vm_page_grab, taken out: C01, C02, C17, C18, C20, C22, C23, C26, C28, C31, C32."""

from __future__ import annotations

from actors.kernel import top_up, vm_page, vm_page_alloc, vm_page_cache, vm_page_grab, vnode
from actors.kernel.pmap import pmap_remove_all
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import Take
from protocol.messages.objects import Insert
from protocol.messages.pages import Deactivate, FreePage, page_channel
from protocol.messages.queues import SelectCache
from protocol.records import LOOP
from tests.promises.disabled_mechanisms import Disabled, Patch, nothing, replace


def removal_takes_a_page_that_is_not_busy(patch: Patch) -> None:
    """C01: nobody makes a page busy just to free it."""
    patch.setattr(vm_page, "vm_page_busy", nothing)
    patch.setattr(vm_page, "FreePage", lambda frame, must_be_busy: FreePage(frame, False))


def who_wants_no_busy_page_does_not_clear_the_flag(patch: Patch) -> None:
    """C02: an allocation whose caller does not want the page busy ends with the allocation."""
    replace(patch, vm_page_alloc.vm_page_alloc_idle, vm_page_alloc.vm_page_alloc)


def cached_pages_are_not_asserted_sound(patch: Patch) -> None:
    """C17: nobody says what a page on the cache queue is never."""
    patch.setattr(vm_page_alloc, "_assert_cached", lambda victim: None)


def wired_page_ends_the_search(patch: Patch) -> None:
    """C17: the loop of the old form has an end."""

    async def select_cache(k, colour):
        while (victim := await k.call(PAGE_QUEUES, SelectCache(colour))) is not None and not victim[4]:
            await k.note(LOOP, k.tid, "vm_page_select_cache", False, victim[8])
            if await vm_page_alloc._freed(k, victim):
                return True
            await k.post(PAGE_QUEUES, Deactivate(victim[0]))
        return False

    replace(patch, vm_page_alloc.vm_page_select_cache, select_cache)


def callers_leave_the_zero_flag(patch: Patch) -> None:
    """C18: nobody takes the page queues to clear PG_ZERO."""
    replace(patch, vm_page_grab.zero_grabbed, nothing)


def grab_zeroes_nothing(patch: Patch) -> None:
    """C18: vm_page_grab gives out what it was given."""
    patch.setattr(vm_page_grab, "zero_unless", nothing)


def dirty_is_tested_after_the_mappings_are_gone(patch: Patch) -> None:
    """C20: the test takes the mappings away first, in every form."""
    patch.setattr(vm_page_cache, "vm_page_test_dirty", pmap_remove_all)


def fields_are_initialised_under_the_free_lock(patch: Patch) -> None:
    """C22: a frame that is off its list is a page before anybody can lock the free lists."""
    initialise = vm_page_alloc._initialise

    async def pop(k, wanted, take):
        await k.acquire(FREE_QUEUES)
        frame, zeroed, needed = await k.call(FREE_QUEUES, take)
        if frame > 0:
            await initialise(k, wanted, frame, zeroed)
        await k.release(FREE_QUEUES)
        return max(0, frame), zeroed, needed

    patch.setattr(vm_page_alloc, "_pop", pop)
    patch.setattr(vm_page_alloc, "_initialise", nothing)


def insert_asserts_nothing(patch: Patch) -> None:
    """C23: vm_page_insert puts a page beside one that is there."""

    def insert(pindex, frame, valid, check=False, *counted):
        return Insert(pindex, frame, valid, False, *counted)

    patch.setattr(vnode, "Insert", insert)


def sleeper_looks_up_again(patch: Patch) -> None:
    """C26: who wakes in vm_page_grab takes the object's lock and no other."""

    async def sleep_until_idle(k, frame, obj, pindex, flags):
        await k.release(obj)
        await k.sleep(PAGE_QUEUES, page_channel(frame))
        await k.acquire(obj)

    patch.setattr(vm_page_grab, "_sleep_until_idle", sleep_until_idle)


def page_in_the_window_is_not_busy(patch: Patch) -> None:
    """C28: the page daemon leaves a cached page as it is while it locks the object."""
    patch.setattr(top_up, "vm_page_busy", nothing)


def colour_is_kept(patch: Patch) -> None:
    """C31: a colour that has been computed is not computed again."""
    compute = vm_page_alloc._colour

    async def colour(k, wanted, stealing=False):
        return wanted.colour if wanted.colour >= 0 else await compute(k, wanted, stealing)

    patch.setattr(vm_page_alloc, "_colour", colour)


def helper_searches_upwards(patch: Patch) -> None:
    """C32: the old form is not the new one: it goes through neighbouring colours the other way."""

    async def select_free(k, wanted, last_resort):
        return await vm_page_alloc._pop(k, wanted, Take(await vm_page_alloc._colour(k, wanted), wanted.klass, False, last_resort, True))

    patch.setattr(vm_page_alloc, "vm_page_select_free", select_free)


def nobody_searches_upwards(patch: Patch) -> None:
    """C32: the form made to be told apart finds the same frames."""
    patch.setattr(vm_page_alloc, "Take", lambda colour, klass, zero, last, *_: Take(colour, klass, zero, last))


PAGES = [
    Disabled("C01", removal_takes_a_page_that_is_not_busy, "before: writes of the BUSY flag to free these pages is 0"),
    Disabled("C02", who_wants_no_busy_page_does_not_clear_the_flag, "before: page-queues acquires of the allocating threads is 0"),
    Disabled("C17", cached_pages_are_not_asserted_sound, "after: nothing said 'Found wired cache page'"),
    Disabled("C17", wired_page_ends_the_search, "before: I-PROGRESS did not speak"),
    Disabled("C18", callers_leave_the_zero_flag, "before: page-queues acquires of the grabbing thread is 0"),
    Disabled("C20", dirty_is_tested_after_the_mappings_are_gone, "before: stores that were completed and lost is 0"),
    Disabled("C22", fields_are_initialised_under_the_free_lock, "before: pages seen neither free nor initialised is 0"),
    Disabled("C23", insert_asserts_nothing, "after: panic did not speak"),
    Disabled("C26", sleeper_looks_up_again, "before: page-queues acquires inside vm_page_grab is 8"),
    Disabled("C28", page_in_the_window_is_not_busy, "before: I-BUSY-LOCKED did not speak"),
    Disabled("C31", colour_is_kept, "before: colours computed is 6"),
    Disabled("C32", helper_searches_upwards, "before: schedules in which other frames were chosen is 2"),
    Disabled("C32", nobody_searches_upwards, "other-order: a form that differs was not told apart"),
    Disabled("C18", grab_zeroes_nothing, "zeroing-after: pages zeroed inside vm_page_grab is 0"),
]
