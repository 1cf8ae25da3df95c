"""Mutants of the machine that concern objects, maps, and what routines promise of locks and beliefs; see machine_mutants."""

from __future__ import annotations

from bisect import bisect_left

from actors.home import Home
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.kernel import step, vm_map, vm_object_collapse, vm_object_deallocate, vm_object_scan, vm_page
from actors.kernel.vm_object_header import EVERYTHING
from protocol.identity import PAGE_QUEUES
from protocol.messages.locks import Woken
from protocol.messages.objects import Backing, Enter, Resident
from protocol.messages.pages import WantBusy, page_channel
from protocol.records import MAP_ADD, WAKEUP
from protocol.workload import Munmap
from tests.promises.machine_mutants import Patch


def removal_loses_another_page(patch: Patch) -> None:
    """vm_page_remove's join of the two subtrees loses one (C15)."""
    remove = VmObject.remove

    def loses(self, op):
        value = remove(self, op)
        lost = op.pindex + 1
        if lost in self.pages:
            del self.pages[lost]
            self.index.discard(lost)
        return value

    patch.setattr(VmObject, "remove", loses)


def munmap_leaves_the_map_locked(patch: Patch) -> None:
    """munmap forgets vm_map_unlock."""

    async def munmap(k, s):
        await k.enter("munmap", s.start, s.end)
        await k.acquire(k.map)
        await vm_map.vm_map_delete(k, s.start, s.end)
        await k.leave("munmap", "ok")
        return "ok"

    patch.setitem(step.OPERATIONS, Munmap, munmap)


def sleeper_comes_back_to_another_object(patch: Patch) -> None:
    """vm_page_sleep_if_busy locks the object that the page names after the sleep (C12)."""

    async def sleep_if_busy(k, frame, soft, obj):
        if not await k.call(PAGE_QUEUES, WantBusy(frame, soft)):
            return False
        await k.release(obj)
        await k.sleep(PAGE_QUEUES, page_channel(frame))
        await k.acquire(await vm_page.owner_now(k, frame, obj))
        return True

    patch.setattr("actors.kernel.litmus.vm_page_sleep_if_busy", sleep_if_busy)


def only_the_first_sleeper_is_told(patch: Patch) -> None:
    """wakeup() takes all sleepers off the channel and makes one of them runnable."""

    def wake_all(self, chan):
        queue = self.sleepers.pop(chan, None)
        if queue:
            self.record((WAKEUP, chan, tuple(thread for _, thread in queue)))
            self.tell(queue[0][0], Woken(queue[0][1], chan))
        return len(queue or ())

    patch.setattr(Home, "wake_all", wake_all)


def paging_in_progress_is_not_counted(patch: Patch) -> None:
    """vm_object_pip_add does nothing, and nor does its opposite."""
    enter = VmObject.enter

    def uncounted(self, op):
        op.pip = 0
        return enter(self, op)

    patch.setattr(VmObject, "enter", uncounted)


def termination_leaves_pages(patch: Patch) -> None:
    """vm_object_terminate frees the first pages only."""
    patch.setattr(vm_object_deallocate, "EVERYTHING", 4)


def references_are_taken_twice(patch: Patch) -> None:
    """vm_object_reference counts two."""

    async def reference(k, obj, shared=True):
        await k.acquire(obj)
        await k.post(obj, Enter(2, 0))
        await k.release(obj)

    patch.setattr("actors.kernel.mman.vm_object_reference", reference)


def mapping_of_a_file_takes_no_reference(patch: Patch) -> None:
    """fork shares an object between two maps and counts one."""

    async def reference(k, obj):
        pass

    patch.setattr("actors.kernel.process.vm_object_share", reference)


def shadow_that_goes_is_not_counted(patch: Patch) -> None:
    """vm_object_terminate does not take itself off the shadow list of what is behind it."""
    count = VmObject.count_shadows

    def counted(self, op):
        op.delta = max(0, op.delta)
        return count(self, op)

    patch.setattr(VmObject, "count_shadows", counted)


def collapse_forgets_an_offset(patch: Patch) -> None:
    """vm_object_collapse does not add the offset of the object that goes."""

    async def shadow_what_is_behind(k, obj, front, behind):
        await k.call(obj, Backing(behind.backing, front.offset))

    patch.setattr(vm_object_collapse, "_shadow_what_is_behind", shadow_what_is_behind)


def collapse_leaves_a_page(patch: Patch) -> None:
    """vm_object_backing_scan looks at the first page only."""

    async def first_page(k, pair):
        rows = await k.call(pair.backing, Resident(0, EVERYTHING, 1))
        return (int(await vm_object_scan._take(k, pair, rows[0])), 0) if rows else (0, 0)

    patch.setattr(vm_object_collapse, "scan_collapse_wait", first_page)


def bypass_drops_two_references(patch: Patch) -> None:
    """An object that goes round another drops its reference on that one twice."""
    bypass = vm_object_collapse._bypass

    async def twice(k, pair):
        await bypass(k, pair)
        await k.call(pair.backing, Enter(-1, 0))

    patch.setattr(vm_object_collapse, "_bypass", twice)


def mapping_is_put_over_another(patch: Patch) -> None:
    """vm_map_findspace does not look, and nor does vm_map_insert."""

    def add(self, op):
        place = bisect_left(self.starts, op.start)
        self._splice(place, place, [(op.start, op.end, op.object, op.offset, op.prot, op.flags)])
        self.record((MAP_ADD, op.start, op.end, op.object, op.offset, op.prot, op.flags))

    patch.setattr(VmMap, "find_space", lambda self, op: op.hint)
    patch.setattr(VmMap, "add", add)
