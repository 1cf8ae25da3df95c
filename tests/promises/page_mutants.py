"""Mutants of the machine that concern pages, their queues, content and mappings; see machine_mutants."""

from __future__ import annotations

from actors.homes import page_store
from actors.homes.free_queues import FreeQueues
from actors.homes.page_busy import PageBusy
from actors.homes.page_life import PageLife
from actors.homes.page_policy import PagePolicy
from actors.homes.page_store import PageStore
from actors.homes.pmaps import Pmap
from actors.homes.rendezvous import Rendezvous
from actors.kernel import (
    fault_search,
    page_array,
    page_io,
    pmap,
    pmap_enter,
    pmap_table,
    vm_object_pages,
    vm_page,
    vm_page_alloc,
    zero_copy,
)
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.free import Put
from protocol.messages.locks import TRY
from protocol.messages.pages import PageState, SetBusy
from protocol.pages import ACTIVE, ALLOC_NOBUSY, INACTIVE
from protocol.records import PAGE_WIRE
from tests.promises.machine_mutants import Patch


def first_cached_page_counts_twice(patch: Patch) -> None:
    """v_cache_count goes up by two for the first page that is cached, and down by one when it is taken."""
    once = PageStore.count_cache
    patch.setattr(PageStore, "count_cache", lambda self, delta: once(self, 2 if delta > 0 and not self.cache_count else delta))


def zeroed_frame_is_not_counted(patch: Patch) -> None:
    """vm_page_free_zero puts the page at the tail and leaves vm_page_zero_count as it is."""
    put = FreeQueues.put

    def uncounted(self, op):
        value = put(self, op)
        self.zeroed -= op.zeroed
        return value

    patch.setattr(FreeQueues, "put", uncounted)


def one_page_is_every_table(patch: Patch) -> None:
    """pmap_allocpte allocates one page and installs it at every level that is missing (C24: a frame with two owners)."""
    alloc = pmap_table.vm_page_alloc_idle

    async def same_again(k, obj, pindex, flags):
        if "table" not in k.passed:
            k.passed["table"] = (await alloc(k, obj, pindex, flags))[0]
        return k.passed["table"], True

    patch.setattr(pmap_table, "vm_page_alloc_idle", same_again)


def victim_is_busy_while_no_lock_is_held(patch: Patch) -> None:
    """vm_page_select_cache marks its victim busy, drops all locks and takes them again in order (C28)."""

    async def freed(k, victim):
        frame, obj, pindex, *_ = victim
        if await k.owns(obj) or not await k.acquire(obj, TRY):
            return False
        await k.call(PAGE_QUEUES, SetBusy(frame))
        await k.release(obj)
        await k.release(PAGE_QUEUES)
        await k.acquire(obj)
        await k.acquire(PAGE_QUEUES)
        await vm_page.vm_page_free(k, frame, obj, pindex, busy=True)
        await k.release(obj)
        return True

    patch.setattr(vm_page_alloc, "_freed", freed)


def allocation_is_always_busy(patch: Patch) -> None:
    """vm_page_alloc does not look at VM_ALLOC_NOBUSY (C02)."""
    bind = PageLife.bind_page

    def busy(self, op):
        op.busy = True
        return bind(self, op)

    patch.setattr(PageLife, "bind_page", busy)


def page_is_busied_to_be_freed(patch: Patch) -> None:
    """vm_page_free's caller sets BUSY first, as it had to before C01."""
    free = vm_object_pages.free_unless_refused

    async def ritual(k, frame, obj, pindex):
        await vm_page.vm_page_busy(k, frame)
        return await free(k, frame, obj, pindex)

    patch.setattr(vm_object_pages, "free_unless_refused", ritual)


def fault_allocates_a_page_that_is_not_busy(patch: Patch) -> None:
    """vm_fault asks for NOBUSY, and drops the object's lock with the page in transition."""
    alloc = fault_search.vm_page_alloc

    async def idle(k, obj, pindex, flags):
        return await alloc(k, obj, pindex, flags | ALLOC_NOBUSY)

    patch.setattr(fault_search, "vm_page_alloc", idle)


def wired_page_stays_on_its_queue(patch: Patch) -> None:
    """vm_page_wire does not take the page off its queue."""

    def wire(self, op):
        page = self.pages[op.frame]
        self.record((PAGE_WIRE, op.frame, page.wire, page.wire + 1))
        page.wire += 1

    patch.setattr(PagePolicy, "wire", wire)


def unmanaged_page_is_queued_when_unwired(patch: Patch) -> None:
    """vm_page_unwire does not look whether the page is managed."""
    unwire = PagePolicy.unwire

    def queued(self, op):
        answer = unwire(self, op)
        page = self.pages[op.frame]
        if not page.wire and page.queue not in (ACTIVE, INACTIVE):
            self.move(op.frame, page, INACTIVE)
        return answer

    patch.setattr(PagePolicy, "unwire", queued)


def wiring_of_a_fake_page_is_counted(patch: Patch) -> None:
    """vm_page_wire counts for a fictitious page as for any other (C16)."""
    wire = PagePolicy.wire

    def counted(self, op):
        page = self.pages[op.frame]
        self.record((PAGE_WIRE, op.frame, page.wire, page.wire + 1))
        page.wire += 1
        return wire(self, op)

    patch.setattr(PagePolicy, "wire", counted)


def activation_begins_at_a_hundred(patch: Patch) -> None:
    """ACT_INIT is above ACT_MAX."""
    patch.setattr(page_store, "ACT_INIT", 100)


def every_page_is_freed_as_zero(patch: Patch) -> None:
    """vm_page_free sets PG_ZERO."""
    once = vm_page.free_to_list

    async def free_to_list(k, frame, zeroed, needed):
        await once(k, frame, True, needed)

    patch.setattr(vm_page, "free_to_list", free_to_list)


def fault_clears_pg_zero(patch: Patch) -> None:
    """vm_fault ends by clearing PG_ZERO, as it did before C18."""
    finish = PageBusy.finish

    def clears(self, op):
        op.clear_zero = True
        return finish(self, op)

    patch.setattr(PageBusy, "finish", clears)


def frame_is_put_back_without_its_lock(patch: Patch) -> None:
    """vm_page_free touches the free list without the free-queue lock."""

    async def free_to_list(k, frame, zeroed, needed):
        await k.call(FREE_QUEUES, Put(frame, zeroed))

    patch.setattr(vm_page, "free_to_list", free_to_list)


def normal_allocations_take_the_last_frame(patch: Patch) -> None:
    """vm_page_alloc does not look at v_free_reserved."""
    patch.setattr(FreeQueues, "_allowed", lambda self, klass, last_resort: self.free > 0)


def finder_begins_one_colour_off(patch: Patch) -> None:
    """vm_pageq_find looks at the next colour's list first."""
    pop = FreeQueues._pop
    patch.setattr(FreeQueues, "_pop", lambda self, colour, *rest: pop(self, (colour + 1) % self.colours, *rest))


def cached_page_is_looked_at_again_and_again(patch: Patch) -> None:
    """vm_page_select_cache cannot free its victim at first, and deactivating it does nothing (C17)."""
    once = vm_page_alloc._freed

    async def freed(k, victim):
        k.passed["looked"] = k.passed.get("looked", 0) + 1
        return k.passed["looked"] > 3 and await once(k, victim)

    patch.setattr(vm_page_alloc, "_freed", freed)
    patch.setattr(vm_page_alloc, "Deactivate", PageState)


def physical_address_is_below_the_array(patch: Patch) -> None:
    """pmap_enter shifts the old page's address once too often (C27)."""
    looked_up = page_array.phys_to_vm_page

    async def shifted(k, phys):
        return await looked_up(k, (phys >> 12) - 100)

    patch.setattr(pmap_enter, "phys_to_vm_page", shifted)


def end_of_io_is_not_announced(patch: Patch) -> None:
    """vm_page_io_finish does not flash the page."""

    async def finish(k, obj, pindex, frame):
        await k.call(obj, page_io.IoCount(pindex, -1))

    patch.setattr(page_io, "vm_page_io_finish", finish)
    patch.setattr("actors.kernel.litmus.vm_page_io_finish", finish)


def modified_bit_is_dropped(patch: Patch) -> None:
    """pmap_remove_entry does not pass on what it harvested (C11)."""
    pv_del = PagePolicy.pv_del

    def dropped(self, op):
        op.modified = False
        return pv_del(self, op)

    patch.setattr(PagePolicy, "pv_del", dropped)


def page_that_is_sent_stays_writable(patch: Patch) -> None:
    """vm_page_cowsetup does not take write access from the mappings."""

    async def page_protect(k, frame):
        pass

    patch.setattr(zero_copy, "pmap_page_protect", page_protect)


def entries_that_go_are_not_counted(patch: Patch) -> None:
    """pmap_unuse_pt does not drop the page-table page's reference."""
    refs = Pmap._refs
    patch.setattr(Pmap, "_refs", lambda self, level, slot, table, delta: refs(self, level, slot, table, delta) if delta > 0 else None)


def empty_tables_are_not_freed(patch: Patch) -> None:
    """pmap_remove forgets the page-table pages that it has emptied."""

    async def forgotten(k, space, tables):
        pass

    patch.setattr(pmap, "free_table_pages", forgotten)


def one_acknowledgement_is_enough(patch: Patch) -> None:
    """The initiator goes on when the first target has answered."""
    arm = Rendezvous.arm

    def for_one(self, op, sender):
        op.targets = min(1, op.targets)
        arm(self, op, sender)

    patch.setattr(Rendezvous, "arm", for_one)
