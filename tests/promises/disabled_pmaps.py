"""Mechanisms of the pmap and of locks, taken out: C07, C09, C10, C11, C14, C15, C16, R02, R03, R04."""

from __future__ import annotations

from actors.homes.objects import VmObject
from actors.kernel import fault_unwire, pmap, pmap_copy, pmap_enter, pmap_table, pmap_window, vm_page
from actors.kernel.requests import KernelPanic
from actors.processor import asking
from actors.processor.cpu import Cpu
from protocol.identity import LOCAL_WINDOW, PAGE_QUEUES, address_of
from protocol.messages.space import SetActive
from protocol.messages.windows import PointWindow
from protocol.pages import FAKE
from tests.promises.disabled_mechanisms import Disabled, Patch, in_form, replace


def every_lock_recurses(patch: Patch) -> None:
    """C07: the page-queues lock can be acquired again, whatever the form."""
    patch.setattr(asking, "may_recurse", lambda lock, kernel: True)


def pmap_copy_takes_its_locks(patch: Patch) -> None:
    """C09: page queues and both pmaps are held while entries are copied."""

    async def locked(k, dst, src, start, end):
        for lock in (PAGE_QUEUES, *sorted((dst, src), key=address_of)):
            await k.acquire(lock)
        await pmap_copy._copy_range(k, dst, src, start, end)
        for lock in (PAGE_QUEUES, src, dst):
            await k.release(lock)

    patch.setattr(pmap_copy, "pmap_copy_unlocked", locked)


def shared_window_is_flushed_here_only(patch: Patch) -> None:
    """C10: nobody is interrupted when a window shows another page."""

    async def flush(k, window):
        await k.flush_local(window, 0, 1)

    patch.setattr(pmap_window, "pmap_invalidate_window", flush)


def local_window_is_not_flushed(patch: Patch) -> None:
    """C10: a CPU goes on with the page-table page that the window showed last."""

    async def quick(k, space, vpn):
        table = await pmap_window._far_table(k, space, vpn)
        if not table:
            return pmap_window.DIRECT
        await k.call(LOCAL_WINDOW, PointWindow(table, k.cpu))
        return await pmap_window._reached(k, LOCAL_WINDOW)

    replace(patch, pmap_window.pmap_pte_quick, quick)


def pmap_enter_keeps_its_locks(patch: Patch) -> None:
    """C11: page queues and pmap are held from the search for the table to the end of the shootdown."""
    patch.setattr(pmap_enter, "pmap_enter_partial", pmap_enter._enter_locked)


def quick_keeps_its_locks(patch: Patch) -> None:
    """C11: pmap_enter_quick alone holds the page queues throughout."""
    in_form(patch, pmap_enter.pmap_enter_quick, "C11", "locked")


def page_table_pages_have_no_object(patch: Patch) -> None:
    """C14: a page-table page is allocated without an object."""
    in_form(patch, pmap_table.install_table, "C14", "none")
    in_form(patch, pmap_table.free_table_pages, "C14", "none")


def removal_asserts_its_lock(patch: Patch) -> None:
    """C15: vm_page_remove asserts the object's lock."""

    async def leave_object(k, obj, pindex, freed=False):
        if not await k.owns(obj):
            raise KernelPanic(f"mutex vm object not owned at vm_page_remove ({obj})")
        await vm_page.remove_resident(k, obj, pindex, freed)

    patch.setattr(vm_page, "_leave_object", leave_object)


def removal_asserts_nothing(patch: Patch) -> None:
    """C15: vm_page_remove takes a page out with or without the object's lock."""
    in_form(patch, vm_page._leave_object, "C15", "exempt")


def tree_is_never_damaged(patch: Patch) -> None:
    """C15: a lookup finds what is resident, whatever the tree says."""

    def equip(self, forms):
        self.forms = forms

    patch.setattr(VmObject, "equip", equip)


def the_array_has_what_was_wired(patch: Patch) -> None:
    """C16: a device's page is found by its address as it is, so what is counted up is what is counted down."""
    unwire = fault_unwire._unwire_phys
    patch.setattr(fault_unwire, "_unwire_phys", lambda k, phys: unwire(k, phys + FAKE))


def fictitious_pages_are_pinned(patch: Patch) -> None:
    """C16: unwiring a device's memory does not ask the page array."""
    in_form(patch, fault_unwire.vm_fault_unwire, "C16", "pinned")


def queues_are_kept_until_all_have_flushed(patch: Patch) -> None:
    """R02: the page queues are released after the shootdown."""

    async def drop_after(k, space, stale, tables):
        await pmap._invalidate_stale(k, space, stale)
        await pmap.free_table_pages(k, space, tables)
        await pmap._release_queues(k)
        await k.release(space)

    patch.setattr(pmap, "_drop_after", drop_after)


def pm_active_is_set_first(patch: Patch) -> None:
    """R03: the new bit, the load, the old bit."""

    def load(self, pmap):
        old = self.loaded
        self.port.send(pmap, SetActive(self.index, True, reply=False))
        self._load_table(pmap)
        if old:
            self.port.send(old, SetActive(self.index, False, reply=False))

    patch.setattr(Cpu, "load", load)


def early_exit_is_under_the_pmap_lock(patch: Patch) -> None:
    """R04: pmap_remove reads resident_count with its locks held."""
    in_form(patch, pmap.pmap_remove, "R04", "under-pmap")


PMAPS = [
    Disabled("C07", every_lock_recurses, "before: panic, I-DEADLOCK did not speak"),
    Disabled("C09", pmap_copy_takes_its_locks, "before: pages on the free list that the child reads is 0"),
    Disabled("C10", shared_window_is_flushed_here_only, "before: interrupts delivered for a fork is 0"),
    Disabled("C11", pmap_enter_keeps_its_locks, "before: invalidations for entries where nothing was mapped is 0"),
    Disabled("C14", page_table_pages_have_no_object, "before: I-ORDER did not speak"),
    Disabled("C15", removal_asserts_its_lock, "before: I-UNIQUE, I-REMOVE-OBJ, I-TREE did not speak"),
    Disabled("C15", removal_asserts_nothing, "after: panic did not speak"),
    Disabled("C15", tree_is_never_damaged, "before: I-UNIQUE, I-TREE did not speak"),
    Disabled("C16", the_array_has_what_was_wired, "before: panic did not speak"),
    Disabled("C16", fictitious_pages_are_pinned, "before: wire counts of RAM that the unwiring of a device's memory changes is 0"),
    Disabled("R02", queues_are_kept_until_all_have_flushed, "before: I-FREE-UNMAPPED did not speak"),
    Disabled("R03", pm_active_is_set_first, "before: stale TLB entries when pmap_remove gives the pmap lock back is 0"),
    Disabled("R04", early_exit_is_under_the_pmap_lock, "before: I-FREE-UNMAPPED did not speak"),
    Disabled("C11", quick_keeps_its_locks, "quick-before: pages made busy by a fault is 1"),
    Disabled("C10", local_window_is_not_flushed, "copied-after: entries stored into the child's page table is 1"),
]
