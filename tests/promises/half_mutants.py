"""Mutants of the machine in which a step is done by half: a lock kept, a record not dropped, a CPU not told; see machine_mutants."""

from __future__ import annotations

from actors.homes.page_busy import PageBusy
from actors.homes.pmaps import Pmap
from actors.kernel import fault_search, pager, shootdown, vm_object_pages, vm_page
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Remove
from protocol.messages.pages import FreePage, WantBusy, page_channel
from protocol.pages import BUSY, WANTED
from protocol.records import PT_REMOVE
from tests.promises.machine_mutants import Patch


class Keeping:
    """A context that keeps one lock, whatever the routine gives back and takes again."""

    def __init__(self, k, lock) -> None:
        self.k, self.lock = k, lock

    def __getattr__(self, name):
        return getattr(self.k, name)

    async def release(self, lock):
        if lock != self.lock:
            await self.k.release(lock)

    async def acquire(self, lock, *how):
        return True if lock == self.lock else await self.k.acquire(lock, *how)


class Hasty:
    """A context that gives a lock back for as long as operations of some kinds take."""

    def __init__(self, k, lock, *kinds) -> None:
        self.k, self.lock, self.kinds = k, lock, kinds

    def __getattr__(self, name):
        return getattr(self.k, name)

    async def call(self, to, op):
        if type(op) not in self.kinds:
            return await self.k.call(to, op)
        await self.k.release(self.lock)
        value = await self.k.call(to, op)
        await self.k.acquire(self.lock)
        return value


def page_in_keeps_the_object(patch: Patch) -> None:
    """vm_pager_get_pages waits for the disk with the object's mutex held."""
    read = pager.vm_pager_get_page

    async def kept(k, f, kind):
        return await read(Keeping(k, f.object), f, kind)

    patch.setattr(fault_search, "vm_pager_get_page", kept)


def frame_goes_back_with_its_page_record(patch: Patch) -> None:
    """vm_page_free puts the frame on the free list, and its page record stays as it is."""

    async def free_unless_refused(k, frame, obj, pindex):
        await vm_page.remove_resident(k, obj, pindex)
        await vm_page.free_to_list(k, frame, False, False)
        return ""

    patch.setattr(vm_object_pages, "free_unless_refused", free_unless_refused)


def table_goes_one_entry_early(patch: Patch) -> None:
    """pmap_unuse_pt frees a page-table page when its count falls to one."""
    clear = Pmap.pte_clear

    def early(self, op):
        frame, bits, gone = clear(self, op)
        slot = op.vpn >> self.bits
        table = self.tables[1].get(slot)
        if gone or table is None or table.entries != 1:
            return (frame, bits, gone)
        del self.tables[1][slot]
        self._count_parent(1, slot, -1)
        self.record((PT_REMOVE, 1, slot, table.frame))
        return (frame, bits, ((1, slot, table.frame),))

    patch.setattr(Pmap, "pte_clear", early)


def second_sleeper_clears_wanted(patch: Patch) -> None:
    """vm_page_sleep_if_busy turns WANTED over instead of setting it."""

    def want_busy(self, op):
        page = self.pages.get(op.frame)
        if page is None or not (page.flags & BUSY or (op.also_soft and op.soft > 0)):
            return False
        self.set_flags(op.frame, page, page.flags ^ WANTED)
        return True

    patch.setattr(PageBusy, "want_busy", want_busy)


def one_active_cpu_is_not_told(patch: Patch) -> None:
    """pmap_invalidate leaves the last CPU of pm_active out."""
    shoot = shootdown._shoot

    async def to_the_others(k, pmap, start, end, active):
        await shoot(k, pmap, start, end, active[:-1])

    patch.setattr(shootdown, "_shoot", to_the_others)


def object_is_unlocked_while_its_pages_leave(patch: Patch) -> None:
    """vm_page_remove drops the object's lock for the removal itself (C15)."""
    free = vm_object_pages.free_unless_refused

    async def unlocked(k, frame, obj, pindex):
        return await free(Hasty(k, obj, Remove, FreePage), frame, obj, pindex)

    patch.setattr(vm_object_pages, "free_unless_refused", unlocked)


def page_queues_are_unlocked_while_a_page_is_freed(patch: Patch) -> None:
    """vm_page_free drops the page queues for the free itself; the object stays locked, and nobody may say that it was not."""
    free = vm_object_pages.free_unless_refused

    async def unlocked(k, frame, obj, pindex):
        return await free(Hasty(k, PAGE_QUEUES, FreePage), frame, obj, pindex)

    patch.setattr(vm_object_pages, "free_unless_refused", unlocked)


def object_is_unlocked_before_the_page_is_wanted(patch: Patch) -> None:
    """vm_page_sleep_if_busy sets WANTED with the page queues alone, as 5.2 did."""

    async def sleep_if_busy(k, frame, soft, obj):
        await k.release(obj)
        if await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
            await k.sleep(PAGE_QUEUES, page_channel(frame))
            await k.acquire(obj)
            return True
        await k.release(PAGE_QUEUES)
        await k.acquire(obj)
        await k.acquire(PAGE_QUEUES)
        return False

    patch.setattr("actors.kernel.litmus.vm_page_sleep_if_busy", sleep_if_busy)
