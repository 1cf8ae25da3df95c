"""The rules of witness: what is wrong with acquiring a lock of one type while one of another is held (vm-facts 2.5).

Types and not locks are compared: an order that was proper between two objects is proper between any.
"""

from __future__ import annotations

from protocol.checks.base import thread_name
from protocol.locks import GIANT_TYPE, STATIC_ORDER, LockClass

Edges = dict[tuple[str, str], tuple[int, int, str, str]]
"""(outer type, inner type) to (time, thread, outer lock, inner lock) of the first sight."""


def is_exempt(outer: LockClass, inner: LockClass) -> bool:
    """Giant and sleepable locks may be taken in either order, for Giant is given up whenever its owner sleeps (rule 5)."""
    return (inner.type == GIANT_TYPE and outer.sleepable) or (outer.type == GIANT_TYPE and inner.sleepable)


def order_fault(outer: LockClass, inner: LockClass, edges: Edges) -> str:
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
    path = _path(inner.type, outer.type, edges)
    if not path:
        return ""
    if (path[0], path[1]) in STATIC_ORDER:
        return f"lock order reversal: {{}}: against {' -> '.join(path)}, of which witness knows the first step from the start"
    time_ns, first, before, after = edges[(path[0], path[1])]
    learnt = f"{' -> '.join(path)} was learnt before, when {thread_name(first)} acquired {after} with {before} held, at {time_ns} ns"
    return f"lock order reversal: {{}}: {learnt}"


def _path(start: str, goal: str, edges: Edges) -> list[str]:
    """The known order from one type to another, or [] if there is none; breadth first, in the order of learning."""
    paths = [[start]]
    known = {start}
    for path in paths:
        for outer, inner in (*STATIC_ORDER, *edges):
            if outer == path[-1] and inner not in known:
                if inner == goal:
                    return [*path, inner]
                known.add(inner)
                paths.append([*path, inner])
    return []
