"""Mutants of the machine, for law 5: one step of a protocol skipped, repeated or moved, as a patch of the running code.

Each says in its docstring what it breaks, in the kernel's words. Mutants of the stream of records were rejected here: they test a check
alone and live beside the checks, while these also show that the machine records what a check needs.
"""

from __future__ import annotations

import pytest

from actors.homes.free_lists import FreeList
from actors.homes.free_queues import FreeQueues
from actors.homes.objects import VmObject
from actors.homes.page_busy import PageBusy
from actors.homes.page_policy import PagePolicy
from actors.homes.page_store import PageStore
from actors.kernel import fault_copy, fault_search, pageout_scan, pmap, pmap_enter, vm_object_pages, vm_page, vm_page_alloc
from actors.processor.cpu import Cpu
from protocol.identity import PAGE_QUEUES, RENDEZVOUS
from protocol.messages.pages import CLAIMED, FreePage, MakeCache, WantBusy, page_channel
from protocol.messages.processor import IpiAck
from protocol.messages.space import ActiveCpus
from protocol.pages import BUSY, NONE
from protocol.records import IPI_DELIVER, SHOOT_BEGIN, SHOOT_DONE

Patch = pytest.MonkeyPatch


def frame_is_never_put_back(patch: Patch) -> None:
    """vm_page_free forgets its last step."""

    async def free_to_list(k, frame, zeroed, needed):
        pass

    patch.setattr(vm_page, "free_to_list", free_to_list)


def take_is_counted_twice(patch: Patch) -> None:
    """vm_page_alloc takes one frame and counts two."""
    pop = FreeQueues._pop

    def counted(self, colour, prefer_zero, forward):
        self.free -= 1
        return pop(self, colour, prefer_zero, forward)

    patch.setattr(FreeQueues, "_pop", counted)


def frame_is_put_back_twice(patch: Patch) -> None:
    """vm_page_free repeats its last step."""
    once = vm_page.free_to_list

    async def free_to_list(k, frame, zeroed, needed):
        await once(k, frame, zeroed, needed)
        await once(k, frame, zeroed, needed)

    patch.setattr(vm_page, "free_to_list", free_to_list)


def frame_stays_on_the_free_list(patch: Patch) -> None:
    """vm_page_alloc does not take the frame off its list (C24)."""
    pop = FreeList.pop_head

    def pop_head(self):
        frame, zeroed = pop(self)
        self.push(frame, zeroed)
        return frame, zeroed

    patch.setattr(FreeList, "pop_head", pop_head)
    patch.setattr(FreeList, "pop_tail", pop_head)


def page_is_activated_where_it_stands(patch: Patch) -> None:
    """A fault does not take the page off its queue before it busies it; the fault's end queues it again."""
    claim = PageBusy.claim

    def left_linked(self, op):
        page = self.pages[op.frame]
        queue = page.queue
        answer = claim(self, op)
        if answer[0] == CLAIMED and queue != NONE:
            self.rings[queue].insert(op.frame, 0)
        return answer

    patch.setattr(PageBusy, "claim", left_linked)


def freed_page_stays_in_its_object(patch: Patch) -> None:
    """vm_page_free without vm_page_remove."""

    async def free_unless_refused(k, frame, obj, pindex):
        _, needed, *_ = await k.call(PAGE_QUEUES, FreePage(frame))
        await vm_page.free_to_list(k, frame, False, needed)
        return ""

    patch.setattr(vm_object_pages, "free_unless_refused", free_unless_refused)


def queues_are_dropped_before_the_shootdown(patch: Patch) -> None:
    """pmap_remove lets the page queues go when the PTEs are clear, before the other CPUs have heard of it (R02)."""

    async def drop_after(k, space, stale, tables):
        await k.release(PAGE_QUEUES)
        await pmap._invalidate_stale(k, space, stale)
        await k.release(space)

    patch.setattr(pmap, "_drop_after", drop_after)


def fault_lets_the_object_go_before_it_allocates(patch: Patch) -> None:
    """vm_fault drops the object's lock between lookup and allocation, and vm_page_insert does not assert an empty offset (C23)."""
    absent, insert = fault_search._absent, VmObject.insert

    async def let_go(k, f, *found):
        await k.release(f.object)
        await k.acquire(f.object)
        return await absent(k, f, *found)

    def unasserted(self, op):
        self.pages.pop(op.pindex, None)
        return insert(self, op)

    patch.setattr(fault_search, "_absent", let_go)
    patch.setattr(VmObject, "insert", unasserted)


def fault_does_not_look_whether_the_page_is_busy(patch: Patch) -> None:
    """vm_fault busies a page without the test before it."""

    def claim(self, op):
        page = self.pages[op.frame]
        self.move(op.frame, page, NONE)
        self.busy(op, op.frame, page)
        return (CLAIMED, page.cow)

    patch.setattr(PageBusy, "claim", claim)


def fault_wakes_its_page_twice(patch: Patch) -> None:
    """vm_fault ends with vm_page_wakeup, and then does it again."""
    finish = PageBusy.finish

    def twice(self, op):
        finish(self, op)
        self.unbusy(op, op.frame, self.pages[op.frame])

    patch.setattr(PageBusy, "finish", twice)


def nobody_is_shot_down(patch: Patch) -> None:
    """pmap_invalidate does nothing."""

    async def pmap_invalidate(k, space, start, end):
        pass

    patch.setattr(pmap, "pmap_invalidate", pmap_invalidate)


def other_cpus_are_not_shot_down(patch: Patch) -> None:
    """pmap_invalidate flushes its own CPU only."""

    async def pmap_invalidate(k, space, start, end):
        await k.flush_local(space, start, end)

    patch.setattr(pmap, "pmap_invalidate", pmap_invalidate)


def handler_acknowledges_without_flushing(patch: Patch) -> None:
    """The shootdown's handler answers and leaves the TLB as it is."""

    def shootdown_handler(self, message, sender):
        self.record((IPI_DELIVER, message.vector, sender))
        self.port.send(RENDEZVOUS, IpiAck())

    patch.setattr(Cpu, "_shootdown", shootdown_handler)


def initiator_does_not_wait(patch: Patch) -> None:
    """pmap_invalidate does not interrupt its targets, and says that it has."""

    async def pmap_invalidate(k, space, start, end):
        await k.acquire(RENDEZVOUS)
        active = await k.call(space, ActiveCpus())
        others = tuple(cpu for cpu in active if cpu != k.cpu)
        await k.note(SHOOT_BEGIN, k.tid, space, start, end, others)
        await k.flush_local(space, start, end)
        await k.note(SHOOT_DONE, k.tid, space, start, end, others, 0)
        await k.release(RENDEZVOUS)

    patch.setattr(pmap, "pmap_invalidate", pmap_invalidate)


def pmap_enter_locks_the_pmap_first(patch: Patch) -> None:
    """pmap_enter takes the pmap before the page queues."""
    in_order = pmap_enter._lock_with_tables

    async def reversed_order(k, space, vpn):
        await k.acquire(space)
        await k.acquire(PAGE_QUEUES)
        await k.release(PAGE_QUEUES)
        await k.release(space)
        await in_order(k, space, vpn)

    patch.setattr(pmap_enter, "_lock_with_tables", reversed_order)


def sleeper_keeps_the_object(patch: Patch) -> None:
    """vm_page_sleep_if_busy sleeps with the object locked."""

    async def sleep_if_busy(k, frame, soft, obj):
        if not await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
            return False
        await k.sleep(PAGE_QUEUES, page_channel(frame))
        return True

    patch.setattr(vm_object_pages, "vm_page_sleep_if_busy", sleep_if_busy)


def allocation_takes_the_queues_under_the_free_lock(patch: Patch) -> None:
    """vm_page_alloc takes the page queues while it holds the free-queue spin lock (C19, C24)."""

    initialise = vm_page_alloc._initialise

    async def initialise_queued(k, wanted, frame, zeroed):
        await k.acquire(PAGE_QUEUES)
        await initialise(k, wanted, frame, zeroed)
        await k.release(PAGE_QUEUES)

    patch.setattr(vm_page_alloc, "_initialise", initialise_queued)


def release_forgets_the_depth(patch: Patch) -> None:
    """The first release of a lock held twice gives it back altogether (C07)."""
    release = Cpu.do_release

    def do_release(self, thread, request):
        thread.depths.pop(request.lock, None)
        return release(self, thread, request)

    patch.setattr(Cpu, "do_release", do_release)


def moving_up_waits_for_the_first_object(patch: Patch) -> None:
    """Step 4 of vm_fault waits for the first object, with the one behind it locked, instead of trying it."""
    rename = fault_copy._rename_up

    async def rename_up(k, f):
        return await rename(Patient(k), f)

    patch.setattr(fault_copy, "_rename_up", rename_up)


class Patient:
    """A context whose try-locks wait."""

    def __init__(self, k) -> None:
        self.k = k

    def __getattr__(self, name):
        return getattr(self.k, name)

    def acquire(self, lock, mode=0):
        return self.k.acquire(lock)


def wakeup_is_forgotten(patch: Patch) -> None:
    """vm_page_wakeup clears BUSY and wakes nobody."""
    patch.setattr(PageStore, "flash", lambda self, frame, page: None)


def sleeper_is_not_noted(patch: Patch) -> None:
    """vm_page_sleep_if_busy does not set WANTED, so nobody knows that somebody sleeps."""

    def want_busy(self, op):
        page = self.pages.get(op.frame)
        return page is not None and bool(page.flags & BUSY or (op.also_soft and op.soft > 0))

    patch.setattr(PageBusy, "want_busy", want_busy)


def mapping_gets_no_pv_entry(patch: Patch) -> None:
    """pmap_enter does not link the mapping to the page."""
    patch.setattr(PagePolicy, "pv_add", lambda self, op: None)


def page_is_cached_while_mapped(patch: Patch) -> None:
    """The page daemon finds a page clean without removing its mappings first (C20, C21)."""

    async def dirty_for_pageout(k, frame, flags, dirty):
        return dirty

    async def vm_page_cache(k, frame):
        await k.call(PAGE_QUEUES, MakeCache(frame))

    patch.setattr(pageout_scan, "dirty_for_pageout", dirty_for_pageout)
    patch.setattr(pageout_scan, "vm_page_cache", vm_page_cache)
