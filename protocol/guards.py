"""The guard of every field: which locks a writer and a reader must hold, by the phase the field's page is in (vm-facts 2.1, 2.1a).

A field's *home*, the actor that keeps it, never changes; its *guard* is a rule of the kernel variant, hence data. A home asks for its own
lock when it performs an operation; whether the other locks of a guard were held as well is judged from the locks that the operation names.
Writing the rules into the homes' handlers was rejected: C05 changes a rule and no handler.

The phase is for who reads the table: no access asks for a guard by phase. What is in force for a page that is private or free is which
operations ask for no lock at all (:data:`UNGUARDED_OPERATIONS`), and the locks that the handlers of the free lists ask for: a thread
reaches a fresh page's fields by the one, and a free page by the other.

A guard is a choice of lock sets: ``(("object", "pq"),)`` means both locks, ``(("object",), ("pq",))`` either, ``NO_LOCK`` none. Locks are
named by the kind of their home, as in :mod:`protocol.locks`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

LockSets = tuple[tuple[str, ...], ...]

NO_LOCK: LockSets = ((),)
PQ: LockSets = (("pq",),)
OBJ: LockSets = (("object",),)
OBJ_PQ: LockSets = (("object", "pq"),)
EITHER: LockSets = (("object",), ("pq",))
FQ: LockSets = (("fq",),)
PMAP: LockSets = (("pmap",),)
PMAP_PQ: LockSets = (("pmap", "pq"),)
MAP: LockSets = (("map",),)
SMP: LockSets = (("smp",),)
WINDOW: LockSets = (("window",),)
ZONE: LockSets = (("zone",),)
VNODE: LockSets = (("vnode",),)

PRIVATE, RESIDENT, FREE = "private", "resident", "free"
"""Phases of a page: known to its owner only (fresh from the free lists, or on its way back); resident; on a free list.
Fields of no page are RESIDENT."""


class Guard(NamedTuple):
    """Who may write and who may read a field, and what makes the rule what it is ("" if nothing needs saying)."""

    write: LockSets
    read: LockSets
    note: str = ""


_PAGE: dict[str, Guard] = {
    "queue": Guard(PQ, PQ, "to and from the free lists under the free-queue lock"),
    "flags": Guard(PQ, PQ),
    "busy": Guard(OBJ_PQ, EITHER, "BUSY: setters assert the page queues, in 2006 the object as well"),
    "wanted": Guard(OBJ_PQ, EITHER, "WANTED: the same; C05"),
    "wire_count": Guard(PQ, PQ),
    "hold_count": Guard(PQ, PQ),
    "act_count": Guard(PQ, PQ),
    "dirty": Guard(PQ, PQ, "the header's comment does not say; practice does"),
    "cow": Guard(PQ, PQ),
    "pv_list": Guard(PMAP_PQ, PQ, "the page queues to walk it, the pmap of the mapping as well to change it"),
    "object": Guard(OBJ_PQ, EITHER, "object and pindex; none to some under the object alone"),
    "page": Guard(PQ, PQ, "the record as a whole"),
    "pages_needed": Guard(PQ, NO_LOCK, "pagedaemon_wakeup reads and sets it without a lock in 2006"),
    "deficit": Guard(NO_LOCK, NO_LOCK, "atomic"),
}

_OBJECT: dict[str, Guard] = {
    "memq": Guard(OBJ, OBJ, "lookup splays, so a reader is a writer"),
    "valid": Guard(OBJ, OBJ, "C30: the old wrapper sets it without the lock, which the rule forbids in both forms"),
    "soft_busy": Guard(OBJ, OBJ, "C05"),
    "refs_pip": Guard(OBJ, OBJ),
    "pip": Guard(OBJ, OBJ),
    "shadow_count": Guard(OBJ, OBJ),
    "shadow_head": Guard(OBJ, OBJ, "the links of the list are in the objects that shadow; whose lock they are under is the list's"),
    "backing": Guard(OBJ, OBJ),
    "type": Guard(OBJ, OBJ, "the page daemon reads it before its trylock"),
    "flags": Guard(OBJ, OBJ),
    "header": Guard(OBJ, OBJ),
    "pg_color": Guard(NO_LOCK, NO_LOCK, "constant"),
}

_PMAP: dict[str, Guard] = {
    "pte": Guard(PMAP_PQ, PMAP, "A and M also by hardware, with no lock; the page queues, for a managed page's pv list changes with it"),
    "pte_bits": Guard(PMAP, PMAP, "rights and used bits of an entry that stays"),
    "page_table": Guard(PMAP, PMAP, "C14"),
    "page_table_refs": Guard(PMAP, PMAP, "in the kernel the page's wire count, under the page queues, which who changes it holds as well"),
    "resident_count": Guard(PMAP, PMAP, "pmap_remove's early exit peeks (R04)"),
    "pm_active": Guard(NO_LOCK, NO_LOCK, "atomic bit operations of the dispatcher"),
}

RESIDENT_GUARDS: dict[str, dict[str, Guard]] = {
    "pq": _PAGE,
    "object": _OBJECT,
    "pmap": _PMAP,
    "fq": {
        "free_list": Guard(FQ, FQ),
        "free_count": Guard(FQ, NO_LOCK, "v_free_count is read without a lock"),
        "cache_mirror": Guard(PQ, NO_LOCK, "v_cache_count: written under the page queues, read without a lock"),
    },
    "vnode": {"hold_count": Guard(VNODE, VNODE, "the interlock")},
    "map": {"entries": Guard(MAP, MAP, "shared is enough to read")},
    "window": {"pte": Guard(WINDOW, WINDOW, "PADDR2; PADDR1 has no lock of its own and is under the page queues, with the thread pinned")},
    "zone": {"items": Guard(ZONE, ZONE)},
    "smp": {"wait_count": Guard(SMP, NO_LOCK, "targets count atomically; the initiator polls")},
}
"""Home kind to field to guard, while the page is resident."""

_FREE = Guard(FQ, FQ, "a page on a free list belongs to the free-queue lock")
_PRIVATE = Guard(NO_LOCK, NO_LOCK, "only the thread that owns it can reach it")

PEEKS = frozenset({"v_free_count", "v_cache_count", "pm_stats.resident_count", "vm_pages_needed", "pm_active", "m.object"})
"""Unlocked reads that the kernel's own code does, and that a routine declares as such."""

_C05: dict[str, Guard] = {
    "pq": Guard(PQ, PQ, "C05 old: the soft-busy count under the page queues"),
    "both-asserted": Guard(OBJ_PQ, EITHER, "C05 between: writers hold both, readers either"),
    "object": Guard(OBJ, OBJ, "C05 new: the soft-busy count under the object's lock"),
}
_WANTED_OLD = Guard(PQ, PQ, "C05 old: who ends an I/O, and so flashes the page, has the page queues alone")
_C14_OLD = Guard((("object", "pmap"),), PMAP, "C14 old: page-table pages belong to an object of the pmap")


def guard_of(home: str, field: str, phase: str = RESIDENT, forms: Mapping[str, str] | None = None) -> Guard:
    """The guard of ``field`` of a home of kind ``home``, in a phase of its page, under the forms in force (newest where none is named).

    Raises KeyError with a sentence for a field or form that does not exist.
    """
    known = RESIDENT_GUARDS.get(home, {})
    if field not in known:
        raise KeyError(f"{home}: no field is called {field!r}; there are {', '.join(known) or 'none'}")
    if (home, field) == ("object", "soft_busy"):
        return _by_form(_C05, (forms or {}).get("C05", "object"))
    if (home, field) == ("pq", "wanted") and phase == RESIDENT and (forms or {}).get("C05") == "pq":
        return _WANTED_OLD
    if (home, field) == ("pmap", "page_table") and (forms or {}).get("C14") == "pte-object":
        return _C14_OLD
    if home == "pq" and phase != RESIDENT:
        return _PRIVATE if phase == PRIVATE else _FREE
    return known[field]


def _by_form(forms: dict[str, Guard], form: str) -> Guard:
    if form not in forms:
        raise KeyError(f"C05: no form is called {form!r}; there are {', '.join(forms)}")
    return forms[form]


def satisfied(needed: LockSets, held: Collection[str]) -> bool:
    """Do the kinds of lock ``held`` satisfy one of the lock sets?"""
    return any(all(kind in held for kind in kinds) for kinds in needed)


_HOMES = frozenset(RESIDENT_GUARDS)
_WORDS = {"page": "pq", "free": "fq", "ipi-arm": "smp"}
"""First word of an operation's name to the kind of home, where the two differ."""

UNGUARDED_OPERATIONS = frozenset(
    {
        "page.bind", "page.fake-new", "page.fake-free", "object.device-page", "page.owner", "page.counts", "page.needed", "page.poke",
        "page.adopt", "page.boot-slab", "free.cache-count", "free.counts", "free.zero-check", "free.withhold", "free.return", "pmap.walk",
        "pmap.resident-count", "pmap.active", "pmap.active-mask", "pmap.active-cpus", "pmap.pte-object", "window.walk", "map.users",
    }
)  # fmt: skip
"""Operations that ask for no lock: hardware, atomic operations, private frames, and reads that the kernel's threads declare as peeks."""


@lru_cache(maxsize=1 << 10)
def is_guarded(word: str) -> bool:
    """Is the operation of this name one whose home asks for a guard?"""
    first = word.partition(".")[0]
    return _WORDS.get(first, first) in _HOMES and word not in UNGUARDED_OPERATIONS


def in_words(needed: LockSets) -> str:
    """A guard as a message names it: ``object and pq``, ``object or pq``, ``no lock``."""
    return " or ".join(" and ".join(kinds) if kinds else "no lock" for kinds in needed)
