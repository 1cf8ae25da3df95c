"""The changes made to a real kernel's page and lock protocols, and the hazards its 2006 code kept: the table of vm-facts 1.0a.

A *change* is a choice among named forms of one protocol step, oldest first. What a form needs to exist, and what it needs to show itself,
are data here and nowhere else; :mod:`protocol.kernels` chooses among them. Booleans per change were rejected: several have three forms.
"""

from __future__ import annotations

from typing import NamedTuple


class Need(NamedTuple):
    """``form`` of a change stands only beside one of the forms ``allowed`` of the change ``other``, for this reason."""

    form: str
    other: str
    allowed: tuple[str, ...]
    reason: str


class Change(NamedTuple):
    """One row: its kinds are bug, cost, rule, detection or equivalence, the first being what it is mainly; ``pmaps`` empty means any."""

    id: str
    slug: str
    kinds: tuple[str, ...]
    forms: tuple[str, ...]
    title: str
    pmaps: tuple[str, ...] = ()
    exists_with: tuple[Need, ...] = ()
    shows_with: tuple[Need, ...] = ()
    foils: tuple[str, ...] = ()
    """Forms that no kernel had: an equivalence that cannot tell them from its own would show nothing."""

    @property
    def hazard(self) -> bool:
        """A residual hazard of the 2006 kernel, not a change it made."""
        return self.id.startswith("R")

    @property
    def oldest(self) -> str:
        """The form before the change (of a hazard: open)."""
        return self.forms[0]

    @property
    def newest(self) -> str:
        """The form after the change (of a hazard: closed)."""
        return self.forms[-1]


class Remark(NamedTuple):
    """What is said of a combination of forms that is allowed and odd."""

    forms: tuple[tuple[str, str], ...]
    text: str


_C = Change
_ROWS = (
    _C("C01", "remove-without-busy", ("cost", "rule"), ("busy-first", "plain"), "pages are no longer marked busy just to remove them"),
    _C("C02", "alloc-nobusy", ("cost",), ("busy-then-clear", "nobusy"), "an allocation can ask for a page that is not busy"),
    _C(
        "C03", "cowfault-rebusy", ("bug",), ("busy-once", "busy-each-try"), "cowfault sets busy on each try, not once before the first",
        exists_with=(Need("busy-once", "C01", ("busy-first",), "a removal that does not ask for busy has no such step"),),
    ),
    _C(
        "C04", "cowfault-new-page-busy", ("bug",), ("busy-again", "as-allocated"), "cowfault does not busy the page it has just allocated",
        shows_with=(Need("busy-again", "C03", ("busy-each-try",), "a second try that panics never comes to the new page"),),
    ),
    _C("C05", "io-count-guard", ("rule",), ("pq", "both-asserted", "object"), "the soft-busy count moves under the object lock"),
    _C("C06", "dma-init-status", ("bug",), ("void", "status"), "isa_dma_init says that it failed, and may be told to wait"),
    _C(
        "C07", "pq-lock-recursion", ("bug",), ("no", "yes"), "the page-queues lock may be acquired again by its holder",
        shows_with=(Need("no", "C11", ("locked",), "only a pmap_enter that holds the lock acquires it again"),),
    ),
    _C("C08", "cowfault-class", ("cost",), ("interrupt", "normal"), "cowfault allocates in the normal class, not the interrupt class"),
    _C("C09", "pmap-copy-locking", ("bug",), ("unlocked", "locked"), "pmap_copy takes the page-queues and both pmap locks", ("i386",)),
    _C(
        "C10", "pmap-copy-window", ("cost",), ("broadcast", "pinned-local"),
        "pmap_copy reaches the child's page table through a window that needs no interrupts", ("i386",),
    ),
    _C("C11", "pmap-enter-locking", ("bug",), ("partial", "locked"), "pmap_enter and pmap_enter_quick hold their locks throughout"),
    _C("C12", "sleep-if-busy-object", ("bug",), ("reread", "cached"), "vm_page_sleep_if_busy remembers which object it unlocked"),
    _C(
        "C13", "launder-order", ("bug",), ("reversed", "unlock-reread", "normal"),
        "contigmalloc's laundering locks the object first and unlocks that very object",
    ),
    _C(
        "C14", "pt-page-object", ("bug", "cost"), ("pte-object", "none"), "page-table pages belong to no object", ("alpha",),
        exists_with=(Need("pte-object", "C15", ("exempt",), "its page-table pages are removed without their object's lock"),),
    ),
    _C(
        "C15", "remove-asserts-object", ("detection",), ("exempt", "always"), "vm_page_remove asserts the object lock without exception",
        ("alpha",),
    ),
    _C("C16", "fictitious-wiring", ("bug",), ("counted", "pinned"), "a fictitious page's wire count stays 1"),
    _C("C17", "select-cache-loop", ("detection",), ("deactivate-and-retry", "assert"), "vm_page_select_cache cannot loop for ever"),
    _C("C18", "grab-zeroes", ("cost", "rule"), ("caller-zeroes", "grab-zeroes"), "vm_page_grab zeroes, and PG_ZERO does not change in use"),
    _C(
        "C19", "free-under-spin-lock", ("bug",), ("held", "released"), "no spin lock is held across vm_page_free",
        exists_with=(
            Need("held", "C24", ("fq-held",), "who scans without the free-queue lock takes it after the free: no spin lock is held"),
        ),
    ),
    _C(
        "C20", "cache-dirty-test", ("bug",), ("test-then-remove", "remove-then-test"),
        "vm_page_try_to_cache and _to_free test dirty after the mappings are gone", foils=("protect-then-test",),
    ),
    _C(
        "C21", "pageout-dirty-form", ("equivalence",), ("5.2", "1.251", "simplified"),
        "the page daemon tests dirty after the mappings are gone, in a simpler form", foils=("no-recheck",),
    ),
    _C("C22", "init-under-free-lock", ("bug", "rule"), ("after", "under"), "a page's fields are initialised under the free-queue lock"),
    _C("C23", "duplicate-check", ("detection",), ("alloc", "insert"), "the check for a page already at the offset is vm_page_insert's"),
    _C("C24", "contig-scan-lock", ("bug",), ("pq-only", "fq-held"), "contigmalloc1 scans with the free-queue lock held"),
    _C("C25", "contig-restart", ("bug",), ("dequeue-as-you-go", "convert-first"), "a contigmalloc1 that restarts leaks no page"),
    _C("C26", "grab-retry", ("cost",), ("generation-check", "relookup"), "vm_page_grab looks up again instead of checking the generation"),
    _C("C27", "page-array-guard", ("detection",), ("mapped-below", "guard"), "the page below vm_page_array is not mapped"),
    _C("C28", "busy-cached-window", ("bug",), ("window", "trylock"), "no cached page is busy without a lock held"),
    _C("C29", "stats-assert", ("detection",), ("silent", "assert"), "vm_pageout_page_stats asserts that each page is active"),
    _C("C30", "copy-sets-valid", ("rule",), ("wrapper", "caller"), "the caller of a page copy sets valid, under the object lock"),
    _C("C31", "colour-once", ("cost",), ("per-call", "once"), "vm_page_alloc computes the colour once"),
    _C("C32", "select-free", ("equivalence",), ("helper", "inline"), "vm_page_select_free is gone", foils=("forward-search",)),
    _C("C33", "fault-object-lock", ("bug", "cost"), ("per-step", "held"), "vm_fault keeps the object lock from entry to mapping"),
    _C("R01", "cowfault-trust", ("bug",), ("trusts-page", "looks-again"), "cowfault trusts the page after VM_WAIT dropped both locks"),
    _C(
        "R02", "pq-dropped-early", ("bug",), ("before-shootdown", "after-shootdown"),
        "pmap_remove and pmap_protect drop the page-queues lock before the shootdown has finished",
    ),
    _C("R03", "pm-active-order", ("bug",), ("clear-set-load", "set-load-clear"), "pm_active is changed without order at context switches"),
    _C(
        "R04", "resident-count-peek", ("bug",), ("unlocked", "under-pmap"), "pmap_remove's early exit reads resident_count unsynchronised",
        shows_with=(Need("unlocked", "R02", ("before-shootdown",), "the page queues, kept until the shootdown is over, protect it"),),
    ),
    _C("R05", "cow-read-writable", ("bug",), ("writable", "read-only"), "a read fault on a page with cow > 0 re-enters it writable"),
    _C("R06", "cow-before-busy", ("bug",), ("cow-first", "busy-first"), "a write fault looks at cow before it looks at busy"),
    _C(
        "R07", "grab-busy-cached", ("bug",), ("left-cached", "deactivated"),
        "vm_page_grab makes a cached page busy and leaves it on the cache queue",
    ),
    _C(
        "R08", "select-cache-locked", ("bug",), ("deactivated", "passed-over"),
        "an allocation takes cached pages whose object is locked off the cache queue, also from under those who hold the lock",
    ),
    _C("R09", "cow-setup-busy", ("bug",), ("busy-or-not", "waits"), "a zero-copy send begins while a fault has the page busy, to map it"),
    _C(
        "R10", "launder-unreferenced", ("bug",), ("unreferenced", "referenced"),
        "contigmalloc's laundering sleeps for a busy page without a reference to the page's object",
    ),
)  # fmt: skip

CHANGES: dict[str, Change] = {change.id: change for change in _ROWS}
CHANGE_BY_SLUG: dict[str, Change] = {change.slug: change for change in _ROWS}

REMARKS: tuple[Remark, ...] = (
    Remark((("C08", "normal"), ("C07", "no")), "a cowfault that steals a cached page acquires the page-queues lock it holds"),
    Remark((("C11", "locked"), ("C07", "no")), "a pmap_enter that needs a page-table page acquires the page-queues lock it holds"),
    Remark((("C10", "pinned-local"), ("C09", "unlocked")), "unhistorical: one commit brought the window and its locks"),
)
"""Combinations that are allowed, and of which a run says something."""
