"""The second stage: facts of all shards, judged in the order of their keys.

Replicated on every worker, and a pure function of its state and the facts; only shard 0 counts, so that counts can be summed over shards.
"""

from __future__ import annotations

from typing import Any

from protocol.checks.base import Check, Derived, Findings, Key, Violation, thread_name
from protocol.checks.state import NEVER_NS, GlobalState
from protocol.locks import CLASSES, LockClass, class_of
from protocol.records import Head


class Globals:
    """The witness' graph of lock types, and the graph of who waits for whom."""

    def __init__(self, state: GlobalState, checks: dict[str, Check], counting: bool) -> None:
        self.state = state
        self.found = Findings()
        self.order = _voice("I-ORDER", checks, self.found)
        self.deadlock = _voice("I-DEADLOCK", checks, self.found)
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
        }
        for key, index, _, _, word, fields in facts:
            if word == "active":
                self.state.active_since_ns = min(self.state.active_since_ns, fields[0])
            else:
                words[word](fields, _head(key), index)
        return self._take()

    def _take(self) -> list[Violation]:
        for voice in (self.order, self.deadlock):
            if voice is not None and voice.name in self.counted:
                self.counted[voice.name].evaluated += voice.evaluated
                self.counted[voice.name].violations += voice.violations
                voice.evaluated = voice.violations = 0
        found = sorted(self.found.violations, key=lambda violation: violation.rank)
        self.found.violations.clear()
        return found

    # Lock order -------------------------------------------------------------------------------------------------------------

    def _order(self, fields: Any, head: Head, index: int) -> None:
        thread, held, lock = fields
        outer, inner = class_of(held), class_of(lock)
        pair = (outer.type, inner.type)
        if self.order is None or pair in self.state.edges or pair in self.state.squawked:
            return
        fault = self._fault(outer, inner)
        if fault:
            self.state.squawked[pair] = head[0]
            self.order.violate(
                head, index, f"{fault}: {thread_name(thread)} holds {held} ({outer.type}) and acquires {lock} ({inner.type})"
            )
        else:
            self.state.edges[pair] = (head[0], thread, held, lock)

    def _fault(self, outer: LockClass, inner: LockClass) -> str:
        """What is wrong with acquiring ``inner`` while ``outer`` is held ("" if nothing): rules 4 to 6 of vm-facts 2.5."""
        if outer.type == inner.type:
            return f'acquiring duplicate lock of same type: "{inner.type}"'
        if inner.sleepable and not outer.sleepable:
            return "lock order reversal: (sleepable after non-sleepable)"
        if outer.spin and inner.spin and inner.rank < outer.rank:
            return "lock order reversal: against the static order of spin locks"
        path = self._path(inner.type, outer.type)
        if not path:
            return ""
        time_ns, first, before, after = self.state.edges[(path[0], path[1])]
        seen = " -> ".join(path)
        return f"lock order reversal: {seen} was learnt before ({thread_name(first)} acquired {after} with {before} held, at {time_ns} ns)"

    def _path(self, start: str, goal: str) -> list[str]:
        """The learnt order from one type to another, or [] if there is none; breadth first, in the order of learning."""
        paths = [[start]]
        known = {start}
        for path in paths:
            for outer, inner in self.state.edges:
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
