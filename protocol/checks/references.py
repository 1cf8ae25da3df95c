"""I-PIP, I-REFLIFE, I-REFCOUNT and I-SHADOW: what keeps an object alive, and what keeps it as it is.

Counts are written by posts, so they are compared when the object's lock is next granted, or when it has been torn down by calls to the
same home. What refers to an object from elsewhere (map entries, shadows) is counted by the global stage, and compared with the object's own
count when the run has ended and nothing is under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protocol import records as r
from protocol.checks.base import Check, page_name, thread_name
from protocol.checks.routing import OBJECT, THREAD
from protocol.checks.state import GlobalState, ObjectView, ThreadView
from protocol.checks.views.objects import Objects
from protocol.identity import is_boot_object, is_pte_object
from protocol.messages.objects import OBJ_DEAD
from protocol.pages import OBJT_DEAD
from protocol.records import Head

SLEEPS = {"vm_page_sleep_if_busy": 1, "vm_page_grab": 0}
"""Routine that sleeps with an object unlocked, and locks it again, to the position of the object among its arguments."""
QUIET_NS = 20_000
"""A run's end is judged if no thread has left the kernel for the longest that a message takes, and so much longer: what threads posted last
has arrived by then, each message of a pair behind the one before."""


def _at_rest(domain: Any, head: Head, ended: str) -> Iterator[tuple[str, ObjectView]]:
    """The objects of a run that has ended with its work done, in order of name; none if something may be under way.

    Whether it may is known from the threads, which every check that asks must therefore read, if it is the only one.
    """
    if isinstance(domain, Objects) and ended == "finished" and domain.known.left_ns + QUIET_NS + domain.findings.late_ns <= head[0]:
        yield from sorted(domain.objects.items())


class Pip(Check):
    """Statement: paging_in_progress is never negative, and positive whenever a fault or I/O uses the object without its lock; a dead object
    is only emptied when it is 0; when nothing is under way it is 0.

    Evaluated: at every ``object.pip``; for objects with a page in transition, at the ``lock.acquire`` that follows; at every
    ``object.remove``; and at the end of a run whose work is done. Detects: an object torn down or collapsed under a fault (C33).
    """

    name = "I-PIP"
    domains = ("objects", "threads")
    before = {"objects": {r.OBJECT_PIP: "counted", r.LOCK_ACQUIRE: "locked", r.OBJECT_REMOVE: "removed"}}

    def counted(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """vm_object_pip_add, _subtract and _wakeup."""
        self.evaluated += 1
        if record[2] < 0:
            self.violate(head, index, f"{head[3]}: paging_in_progress is {record[2]}")

    def locked(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """Somebody gets the lock while a page is in transition without it."""
        if view.moving:
            self.evaluated += 1
            if view.pip <= 0:
                pages = ", ".join(page_name(frame) for frame in sorted(view.moving))
                self.violate(head, index, f"{record[2]}: {pages} in transition without its lock, but paging_in_progress is {view.pip}")

    def removed(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """A dead object is emptied; not while its terminator sleeps until paging ends, for then an allocation has taken a cached page."""
        if view.flags & OBJ_DEAD and not view.sleepers:
            self.evaluated += 1
            if view.pip:
                self.violate(head, index, f"{head[3]}: dead and being emptied, but paging_in_progress is {view.pip}")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Every addition was taken back, but for writes that a device still works on, and those whose end a thread is just at work on."""
        for name, view in _at_rest(domain, head, ended):
            if not view.moving and view.touched_ns < active_since_ns:
                self.evaluated += 1
                if view.pip:
                    self.violate(head, 0, f"{name}: paging_in_progress is {view.pip}, but nothing is under way")


class RefLife(Check):
    """Statement: an object is freed only with no reference left, no paging in progress, no resident page, and nobody asleep on it, or on a
    page of it with the object to be locked again.

    Evaluated: at every ``object.type`` that makes an object dead, the last step of its termination. Detects: an object that goes while a
    sleeper or a fault relies on it (C12, C33, R10). A sleeper on a page is one in vm_page_sleep_if_busy or vm_page_grab.
    """

    name = "I-REFLIFE"
    domains = ("objects", "threads")
    before = {"objects": {r.OBJECT_TYPE: "changed"}, "threads": {r.ENTER: "sleeps", r.LEAVE: "wakes"}}

    def sleeps(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """vm_page_sleep_if_busy remembers an object, which it will lock again; vm_page_grab has it locked, and drops it to sleep."""
        position = SLEEPS.get(record[2])
        if position is not None and record[3][position]:
            self.findings.derive(head, index, THREAD, "asleep", record[1], record[3][position])

    def wakes(self, record: Any, view: ThreadView, head: Head, index: int) -> None:
        """It has."""
        if record[2] in SLEEPS:
            self.findings.derive(head, index, THREAD, "awake", record[1])

    def changed(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """vm_object_terminate ends."""
        if record[2] != OBJT_DEAD:
            return
        self.evaluated += 1
        self.findings.derive(head, index, OBJECT, "freed", head[3])
        faults = (
            (view.refs > 0, f"{view.refs} references"), (view.pip, f"paging_in_progress {view.pip}"),
            (view.resident, f"{len(view.resident)} resident pages"),
            (view.sleepers, f"{', '.join(thread_name(thread) for thread in sorted(view.sleepers))} asleep on it"),
        )  # fmt: skip
        if any(fault for fault, _ in faults):
            self.violate(head, index, f"{head[3]}: freed with {', '.join(text for fault, text in faults if fault)}")


class RefCount(Check):
    """Statement: an object's reference count is the number of map entries and shadows that refer to it, and of whoever holds it for a
    while; a file's object has one reference of its own, and an object of page-table pages its pmap's.

    Evaluated: at every ``object.refs``, that the count is not negative; when an object has no reference left and dies, that nothing refers
    to it; and for every object at the end of a run whose work is done. Detects: a reference dropped twice or never (C12, C33).
    """

    name = "I-REFCOUNT"
    domains = ("objects", "maps", "threads")
    before = {"objects": {r.OBJECT_REFS: "counted"}}

    def counted(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """vm_object_reference and vm_object_deallocate."""
        self.evaluated += 1
        if record[2] < 0:
            self.violate(head, index, f"{head[3]}: reference count is {record[2]}")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """Nobody holds it for a while any more."""
        for name, view in _at_rest(domain, head, ended):
            if view.refs >= 0 and not view.pip and (view.created or is_boot_object(name)):
                self._judge(name, view, domain.known, head)

    def _judge(self, name: str, view: ObjectView, known: GlobalState, head: Head) -> None:
        self.evaluated += 1
        entries, shadows = known.entries.get(name, 0), known.shadows.get(name, 0)
        own = _own_reference(name, view)
        if view.refs != entries + shadows + bool(own):
            text = f"{entries} map entries and {shadows} shadows refer to it{own}"
            self.violate(head, 0, f"{name}: reference count {view.refs}, but {text}")


def _own_reference(name: str, view: ObjectView) -> str:
    """Who has a reference on the object that is neither a map entry's nor a shadow's, in words; "" if nobody has."""
    if is_pte_object(name):
        return " and its pmap does"
    if view.created:
        return ""
    return " and the file itself does" if name.removeprefix("object.").isdecimal() else " and the kernel does"


class Shadow(Check):
    """Statement: an object's shadow_count is the number of objects that shadow it; no chain of shadows leads back to itself; where an
    object between two goes, its offset is added.

    Evaluated: the chain whenever an object begins to shadow another; the count, at every ``object.shadow-count`` that it is not negative,
    and for every object at the end of a run whose work is done. Detects: a chain changed without its locks (C33).
    """

    name = "I-SHADOW"
    domains = ("objects", "threads")
    before = {"objects": {r.OBJECT_SHADOWS: "counted"}}

    def counted(self, record: Any, view: ObjectView, head: Head, index: int) -> None:
        """An object begins or ceases to shadow it."""
        self.evaluated += 1
        if record[2] < 0:
            self.violate(head, index, f"{head[3]}: shadow_count is {record[2]}")

    def finish(self, domain: Any, head: Head, ended: str, active_since_ns: int) -> None:
        """The count is the number."""
        for name, view in _at_rest(domain, head, ended):
            if not view.dead and (view.created or is_boot_object(name)):
                self.evaluated += 1
                shadows = domain.known.shadows.get(name, 0)
                if view.shadows != shadows:
                    self.violate(head, 0, f"{name}: shadow_count is {view.shadows}, but {shadows} objects shadow it")
