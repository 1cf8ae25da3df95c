"""The named points of kernel routines at which a script may hold a thread: ``hold = [{ at = POINT, ... }]`` on a step.

An interleaving that no test hits twice lies between two steps of a routine; a point between them has a name, so that a script can say it
and a person can find it. Delays in ns instead were rejected: they hit the gap on one machine and miss it on another.
"""

from __future__ import annotations

POINTS: dict[str, str] = {
    "driver_io.wired": "the driver's pages are wired, and its device is about to store into them",
    "pmap_enter.table_found": "the page-table page is there; the new entry is not counted in it yet (C11 partial: only Giant is held)",
    "pmap_copy.source_read": "a source entry has been read for good, and is not entered into the child's page table yet (C09)",
    "pmap_enter.pte_read": "the old entry has been swapped out (C11 partial: read, and neither removed nor overwritten yet)",
    "pmap_remove.queues_released": "the page queues are released, the pmap is held (R02 before-shootdown: nobody is shot down yet)",
    "page_free_late.window": "the page is about to be freed and its object is not locked",
    "page_rename.found": "the page to be moved is found under its own object's lock; the target is not locked yet",
    "vm_object_collapse.locked": "an object and the one behind it, which nobody else refers to, are locked, and the pages begin to move",
    "vm_fault.between-steps": "the fault has dropped its object's lock between two primitives (C33 per-step)",
    "vm_fault.copied": "the copy is made and the first object is locked again; its page is not said to be valid yet (C30 wrapper: it is)",
    "vm_fault.entering": "the page is found and busy, its object is unlocked, and it is not mapped yet",
    "contigmalloc1.scanned": "a run has been found; the page-queues lock is held, the free-queue lock only where C19 is held",
    "object_hold.locked": "a script's step holds an object's lock",
    "vm_pageout_page_stats.dropped": "the injected fault: the walk has let the page queues go, and holds on to the next page",
    "vm_pageout_scan.clean": "no mapping of an inactive page was modified, and those through which it can be are there still (C21)",
    "vm_pageout_scan.tested": "an inactive page's dirty bits have been looked at",
    "vm_pageout_scan.window": "a cached page is busy, and neither the page queues nor its object are locked (C28 window)",
    "space_page_io.busy": "a page of the address space is busy, and no lock is held",
    "vnode_hold.locked": "a script's step holds a vnode's interlock",
    "vm_page_alloc.popped": "the frame is off the free lists, their lock is released, the page's fields are not initialised (C22 after)",
    "vm_page_cowfault.woken": "cowfault has waited for memory and holds no lock",
    "pmap_release.scanning": "the page-table pages are to be looked at, under the page queues (C14 pte-object: their object is locked)",
    "vm_page_remove.splayed": "C15 exempt: the page is at the top of the tree, and the root does not say so yet; its object is not locked",
    "vm_page_remove.joined": "C15 exempt: the subtrees are joined, and the root is not stored yet; the object is not locked",
    "vm_page_grab.woken": "the sleeper is on a CPU again and holds no lock",
    "vm_page_try_to_cache.tested": "the page's dirty bits have been looked at",
    "vm_page_zero_idle.zeroed": "the idle loop has zeroed a frame and not yet put it back",
    "vm_page_sleep_if_busy.woken": "the sleeper is on a CPU again and holds no lock",
}
"""``routine.place`` to what has just happened there. A test compares it with the points that the routines name."""
