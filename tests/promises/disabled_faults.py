"""Mechanisms of page faults, zero-copy sends and waiting for a page, taken out: C03, C04, C05, C08, C12, C30, C33, R01, R05 to R09."""

from __future__ import annotations

from actors.kernel import fault_copy, fault_search, fault_state, vm_fault, vm_page, vm_page_alloc, vm_page_grab, zero_copy
from protocol import guards
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import Lookup, SetValid
from protocol.messages.pages import Claim, Deactivate
from protocol.pages import CLASS_NORMAL, PROT_WRITE, VALID_ALL
from tests.promises.disabled_mechanisms import Disabled, Patch, nothing, replace


def each_removal_busies_its_page(patch: Patch) -> None:
    """C03: cowfault leaves it to every single removal to make the page busy."""
    remove = vm_page.vm_page_remove

    async def removed(k, frame, obj, pindex, busy=False):
        await remove(k, frame, obj, pindex)

    patch.setattr(zero_copy, "vm_page_busy", nothing)
    patch.setattr(zero_copy, "vm_page_remove", removed)


def new_page_is_freed_as_it_came(patch: Patch) -> None:
    """C04: cowfault makes no page busy that it has just allocated."""
    patch.setattr(zero_copy, "vm_page_busy", nothing)


def soft_busy_is_under_the_object_lock(patch: Patch) -> None:
    """C05: whatever the form, the object's lock is the guard of the count."""
    patch.setitem(guards._C05, "pq", guards._C05["object"])


def cowfault_allocates_in_the_normal_class(patch: Patch) -> None:
    """C08: nobody drains the reserve."""
    patch.setattr(zero_copy, "CLASS_INTERRUPT", CLASS_NORMAL)


def sleeper_remembers_the_object(patch: Patch) -> None:
    """C12: what is locked after the sleep is what was unlocked before it."""

    async def remembered(k, frame, obj):
        return obj

    patch.setattr(vm_page, "owner_now", remembered)


def copy_locks_the_object_to_set_valid(patch: Patch) -> None:
    """C30: the wrapper sets valid with the object locked."""

    async def copy_valid(k, obj, pindex):
        await k.acquire(obj)
        await k.call(obj, SetValid(pindex, VALID_ALL))
        await k.release(obj)

    patch.setattr(fault_copy, "vm_page_copy_valid", copy_valid)


def fault_keeps_the_object_lock(patch: Patch) -> None:
    """C33: nothing is dropped between two steps of a fault."""
    replace(patch, fault_state.between_steps, nothing)


def cowfault_looks_again(patch: Patch) -> None:
    """R01: after a wait for memory the page is trusted only if it is where it was."""
    wait = zero_copy._memory_came

    async def memory_came(k, frame, obj, pindex):
        return await wait(k, frame, obj, pindex) and (await k.call(obj, Lookup(pindex)))[0] == frame

    patch.setattr(zero_copy, "_memory_came", memory_came)


def read_fault_maps_read_only(patch: Patch) -> None:
    """R05: a read fault on a page that is being sent gives no right to write."""
    enter = vm_fault._enter

    async def entered(k, f):
        if f.cow_count and not f.write:
            f.prot &= ~PROT_WRITE
        await enter(k, f)

    patch.setattr(vm_fault, "_enter", entered)


def busy_is_looked_at_before_cow(patch: Patch) -> None:
    """R06: a write fault waits for a busy page, being sent or not."""
    patch.setattr(fault_search, "Claim", lambda frame, soft, write, severe, cow_first: Claim(frame, soft, write, severe, False))


def grabbed_page_leaves_the_cache(patch: Patch) -> None:
    """R07: a page that is made busy is deactivated first."""

    async def uncached(k, frame):
        await k.post(PAGE_QUEUES, Deactivate(frame))

    patch.setattr(vm_page_grab, "_uncache", uncached)


def locked_page_stays_cached(patch: Patch) -> None:
    """R08: an allocation leaves a cached page alone whose object is locked."""
    patch.setattr(vm_page_alloc, "_passes_over", lambda k: True)


def busy_page_is_not_sent(patch: Patch) -> None:
    """R09: a send waits for a page that is busy."""
    patch.setattr(zero_copy, "_waits", lambda k: True)


FAULTS = [
    Disabled("C03", each_removal_busies_its_page, "before: panic did not speak"),
    Disabled("C04", new_page_is_freed_as_it_came, "before: panic did not speak"),
    Disabled("C05", soft_busy_is_under_the_object_lock, "careful-before: I-LOCKSET spoke"),
    Disabled("C08", cowfault_allocates_in_the_normal_class, "before: pages taken out of the reserve by stores is 0"),
    Disabled("C12", sleeper_remembers_the_object, "before: panic, I-NOABA did not speak"),
    Disabled("C30", copy_locks_the_object_to_set_valid, "before: I-LOCKSET did not speak"),
    Disabled("C33", fault_keeps_the_object_lock, "before: no thread came to vm_fault.between-steps"),
    Disabled("R01", cowfault_looks_again, "before: operations on the page after it was freed is 0"),
    Disabled("R05", read_fault_maps_read_only, "before: I-COW did not speak"),
    Disabled("R06", busy_is_looked_at_before_cow, "before: panic did not speak"),
    Disabled("R07", grabbed_page_leaves_the_cache, "before: I-BUSY-LOCKED did not speak"),
    Disabled("R08", locked_page_stays_cached, "before: it ended finished"),
    Disabled("R09", busy_page_is_not_sent, "before: I-COW did not speak"),
]
