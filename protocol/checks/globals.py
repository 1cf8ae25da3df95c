"""The second stage: facts of all shards, judged in the order of their keys.

Replicated on every worker, and a pure function of its state and the facts; only shard 0 counts, so that counts can be summed over shards.
"""

from __future__ import annotations

from typing import Any

from protocol.checks.base import Check, Derived, Findings, Key, Violation, thread_name
from protocol.checks.state import NEVER_NS, GlobalState
from protocol.locks import CLASSES, GIANT_TYPE, STATIC_ORDER, LockClass, class_of
from protocol.records import Head


class Globals:
    """The witness' graph of lock types, the graph of who waits for whom, and what refers to each object."""

    def __init__(self, state: GlobalState, checks: dict[str, Check], counting: bool) -> None:
        self.state = state
        self.found = Findings()
        self.order = _voice("I-ORDER", checks, self.found)
        self.deadlock = _voice("I-DEADLOCK", checks, self.found)
        self.refcount = _voice("I-REFCOUNT", checks, self.found)
        self.shadow = _voice("I-SHADOW", checks, self.found)
        self.reflife = _voice("I-REFLIFE", checks, self.found)
        self.counted = checks if counting else {}
        self.types: dict[str, LockClass] = {known.type: known for known in CLASSES.values()}

    def feed(self, facts: list[Derived]) -> list[Violation]:
        """Judge facts in ascending order. Returns the violations, sorted."""
        self.state.active_since_ns = NEVER_NS
        words = {
            "order": self._order,
            "wait": self._wait,
            "unwait": self._unwait,
            "hold": self._hold,
            "drop": self._drop,
            "clear": self._clear,
            "entry": self._entry,
            "shadow": self._shadow,
            "dead": self._dead,
            "asleep": self._asleep,
            "awake": self._awake,
            "freed": self._freed,
        }
        for key, index, _, _, word, fields in facts:
            if word == "active":
                self.state.active_since_ns = min(self.state.active_since_ns, fields[0])
                self.state.left_ns = max(self.state.left_ns, fields[1])
            else:
                words[word](fields, _head(key), index)
        return self._take()

    def _take(self) -> list[Violation]:
        for voice in (self.order, self.deadlock, self.refcount, self.shadow, self.reflife):
            if voice is not None and voice.name in self.counted:
                self.counted[voice.name].evaluated += voice.evaluated
                self.counted[voice.name].violations += voice.violations
                voice.evaluated = voice.violations = 0
        found = sorted(self.found.violations, key=lambda violation: violation.rank)
        self.found.violations.clear()
        return found

    # Lock order -------------------------------------------------------------------------------------------------------------

    def _order(self, fields: Any, head: Head, index: int) -> None:
        thread, held, last, lock = fields
        outer, inner = class_of(held), class_of(lock)
        pair = (outer.type, inner.type)
        if self.order is None or pair in self.state.edges or pair in self.state.squawked or _exempt(outer, inner):
            return
        fault = self._fault(outer, inner)
        if fault:
            self.state.squawked[pair] = head[0]
            locks = [held, lock] if held == last else [held, last, lock]
            listed = ", ".join(f"{nth} {name} ({class_of(name).type})" for nth, name in zip(("1st", "2nd", "3rd"), locks))
            self.order.violate(head, index, f"{fault.format(listed)}; by {thread_name(thread)}")
        else:
            self.state.edges[pair] = (head[0], thread, held, lock)

    def _fault(self, outer: LockClass, inner: LockClass) -> str:
        """What is wrong with acquiring ``inner`` while ``outer`` is held ("" if nothing): rules 4 to 6 of vm-facts 2.5, in witness' words,
        with {} where the locks are listed."""
        if outer.type == inner.type:
            return f'acquiring duplicate lock of same type: "{inner.type}": {{}}'
        if inner.type == GIANT_TYPE:
            return "lock order reversal: (Giant after non-sleepable) {}"
        if inner.sleepable and not outer.sleepable:
            return "lock order reversal: (sleepable after non-sleepable) {}"
        if outer.spin and inner.spin and inner.rank < outer.rank:
            return "lock order reversal: {}: against the static order of spin locks"
        path = self._path(inner.type, outer.type)
        if not path:
            return ""
        if (path[0], path[1]) in STATIC_ORDER:
            return f"lock order reversal: {{}}: against {' -> '.join(path)}, of which witness knows the first step from the start"
        time_ns, first, before, after = self.state.edges[(path[0], path[1])]
        learnt = f"{' -> '.join(path)} was learnt before, when {thread_name(first)} acquired {after} with {before} held, at {time_ns} ns"
        return f"lock order reversal: {{}}: {learnt}"

    def _path(self, start: str, goal: str) -> list[str]:
        """The known order from one type to another, or [] if there is none; breadth first, in the order of learning."""
        paths = [[start]]
        known = {start}
        for path in paths:
            for outer, inner in (*STATIC_ORDER, *self.state.edges):
                if outer == path[-1] and inner not in known:
                    if inner == goal:
                        return [*path, inner]
                    known.add(inner)
                    paths.append([*path, inner])
        return []

    # Waiting ----------------------------------------------------------------------------------------------------------------

    def _wait(self, fields: Any, head: Head, index: int) -> None:
        thread, resource = fields
        self.state.waits[thread] = resource
        if self.deadlock is not None:
            self.deadlock.evaluated += 1
            chain = self._chain(thread)
            if chain:
                text = ", ".join(f"{thread_name(t)} waits for {what} of {thread_name(owner)}" for t, what, owner in chain)
                self.deadlock.violate(head, index, f"deadlock: {text}")

    def _chain(self, start: int) -> list[tuple[int, str, int]]:
        """The cycle through ``start`` as (thread, what it waits for, who has that), or []."""
        waits, holders = self.state.waits, self.state.holders
        paths: list[list[tuple[int, str, int]]] = [[]]
        known: set[int] = set()
        for path in paths:
            thread = path[-1][2] if path else start
            resource = waits.get(thread)
            for owner in holders.get(resource, ()) if resource is not None else ():
                step = [*path, (thread, resource or "", owner)]
                if owner == start:
                    return step
                if owner not in known:
                    known.add(owner)
                    paths.append(step)
        return []

    def _unwait(self, fields: Any, head: Head, index: int) -> None:
        self.state.waits.pop(fields[0], None)

    def _hold(self, fields: Any, head: Head, index: int) -> None:
        resource, thread = fields
        holders = self.state.holders.setdefault(resource, [])
        if thread not in holders:
            holders.append(thread)

    def _drop(self, fields: Any, head: Head, index: int) -> None:
        resource, thread = fields
        holders = self.state.holders.get(resource, [])
        if thread in holders:
            holders.remove(thread)

    def _clear(self, fields: Any, head: Head, index: int) -> None:
        self.state.holders.pop(fields[0], None)

    # What refers to an object ----------------------------------------------------------------------------------------------

    def _entry(self, fields: Any, head: Head, index: int) -> None:
        """A map entry names an object, or ceases to."""
        name, delta = fields
        _add(self.state.entries, name, delta)

    def _shadow(self, fields: Any, head: Head, index: int) -> None:
        """An object shadows another from now on. The one that stood between them (a collapse) has added its offset."""
        name, behind, offset = fields
        known = self.state.backing
        before, was = known.pop(name, ("", 0))
        if before:
            _add(self.state.shadows, before, -1)
        if self.shadow is not None and behind:
            self.shadow.evaluated += 1
            chain = self._behind(behind)
            if name in chain:
                self.shadow.violate(head, index, f"{name}: shadows itself: {name} -> {' -> '.join(chain[: chain.index(name) + 1])}")
            further, more = known.get(before, ("", 0))
            if before and further == behind and offset != was + more:
                found = f"offset {offset} in {behind}, but it was {was} in {before} and that {more}"
                self.shadow.violate(head, index, f"{name}: {found}")
        if behind:
            known[name] = (behind, offset)
            _add(self.state.shadows, behind, 1)

    def _behind(self, name: str) -> list[str]:
        """The chain of objects from ``name`` down, each once."""
        chain = [name]
        while (behind := self.state.backing.get(chain[-1], ("", 0))[0]) and behind not in chain:
            chain.append(behind)
        return chain

    def _dead(self, fields: Any, head: Head, index: int) -> None:
        """An object has no reference left. Its own, on what it shadows, is given up when it has been torn down."""
        name = fields[0]
        behind, _ = self.state.backing.pop(name, ("", 0))
        if behind:
            _add(self.state.shadows, behind, -1)
        if self.refcount is not None:
            self.refcount.evaluated += 1
            left = [
                f"{count} {what}"
                for count, what in ((self.state.entries.get(name, 0), "map entries"), (self.state.shadows.get(name, 0), "shadows"))
                if count > 0
            ]
            if left:
                self.refcount.violate(head, index, f"{name}: no reference left, but {' and '.join(left)} refer to it")

    # Who sleeps for a page of an object, and means to lock it again ------------------------------------------------------------

    def _asleep(self, fields: Any, head: Head, index: int) -> None:
        self.state.asleep[fields[0]] = fields[1]

    def _awake(self, fields: Any, head: Head, index: int) -> None:
        self.state.asleep.pop(fields[0], None)

    def _freed(self, fields: Any, head: Head, index: int) -> None:
        """An object is torn down."""
        name = fields[0]
        left = [thread_name(thread) for thread, obj in sorted(self.state.asleep.items()) if obj == name]
        if self.reflife is not None and left:
            self.reflife.violate(head, index, f"{name}: freed while {', '.join(left)} slept for a page of it, and will lock it again")


def _exempt(outer: LockClass, inner: LockClass) -> bool:
    """Giant and sleepable locks may be taken in either order, for Giant is given up whenever its owner sleeps (rule 5)."""
    return (inner.type == GIANT_TYPE and outer.sleepable) or (outer.type == GIANT_TYPE and inner.sleepable)


def _add(counts: dict[str, int], name: str, delta: int) -> None:
    """Count; what is 0 is not kept."""
    count = counts.get(name, 0) + delta
    if count:
        counts[name] = count
    else:
        counts.pop(name, None)


def _voice(name: str, checks: dict[str, Check], found: Findings) -> Check | None:
    """Something to speak with in the name of a chosen check."""
    if name not in checks:
        return None
    voice = Check(found)
    voice.name = name  # type: ignore[misc]
    return voice


def _head(key: Key) -> Head:
    """The head of an event of which only the key is known."""
    return (*key, "", 0)
