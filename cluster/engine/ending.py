"""How a run ends: one pure function of what all workers report at a slice's edge.

Every worker computes it from the same reports and comes to the same end; there is no coordinator to ask. It looks only at slices' edges,
which do not depend on windows, so what is recorded does not either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from actors.actor import Actor, Blocked, Owner, Report
from cluster.engine.clock import NEVER
from cluster.plan import Limits, Liveness

Key = tuple[int, int, int, str, str, int]
"""An event's key: the first six fields of its head."""
BLOCKED_SHOWN_MAX = 4
"""Waiting threads that the reason of an end names."""
FINISHED, STUCK, PANIC, LIMIT = "finished", "stuck", "panic", "limit"
STOPPED = "stopped"
"""No end: the run was only asked for up to an instant."""


class Status(msgspec.Struct, array_like=True):
    """One worker's report: tasks done, since when its oldest waiter waits (-1: none), panics by actor, events handled, least violating
    key; ``starving``: how often which thread has waited for memory in vain; ``blocked`` and ``owners``: who waits since before the faults'
    end, and who has which lock, where that is asked."""

    done: int
    oldest_wait_ns: int
    panics: list[tuple[str, str]]
    events: int
    cut: Key | None = None
    facts: bytes = b""
    starving: tuple[int, int] = (0, 0)
    blocked: list[Blocked] = []
    owners: list[Owner] = []


class Ending(msgspec.Struct, array_like=True):
    """The end: which, at what virtual time, in words why, and above which key nothing is recorded."""

    ended: str
    at_ns: int
    why: str
    cut: Key | None = None


def status_of(reporters: Iterable[Actor], events: int) -> Status:
    """Ask the actors that report (class variable ``reports``; ``report()`` gives a :class:`actors.actor.Report`)."""
    done, oldest, panics, starving = 0, NEVER, [], (0, 0)
    blocked: list[Blocked] = []
    owners: list[Owner] = []
    for actor in reporters:
        report: Report = actor.report()  # type: ignore[attr-defined]
        done += report.done
        if report.waiting_since_ns >= 0:
            oldest = min(oldest, report.waiting_since_ns)
        if report.panic:
            panics.append((actor.name, report.panic))
        starving = max(starving, (report.memory_waits, report.starving))
        blocked += report.blocked
        owners += report.owners
    return Status(done, -1 if oldest == NEVER else oldest, panics, events, starving=starving, blocked=blocked, owners=owners)


def decide(
    statuses: Sequence[Status], earliest_ns: int, edge_ns: int, limits: Limits, tasks_total: int, cut: Key | None = None
) -> Ending | None:
    """The end at this edge, or None to go on.

    ``earliest_ns``: the earliest event pending anywhere, at or after ``edge_ns``. ``cut``: the least violating key, if the run is to stop
    there.
    """
    if cut is not None:
        return Ending(LIMIT, cut[0], "stopped at the first violation", cut)
    panics = sorted(panic for status in statuses for panic in status.panics)
    if panics:
        return Ending(PANIC, edge_ns, f"{panics[0][0]}: {panics[0][1]}")
    done = sum(status.done for status in statuses)
    if done == tasks_total:
        return Ending(FINISHED, edge_ns, f"all {done} tasks are done")
    if limits.liveness and earliest_ns >= limits.liveness.heal_ns + limits.liveness.bound_ns:
        unmoved = _unmoved(statuses, max(edge_ns, limits.liveness.heal_ns + limits.liveness.bound_ns), limits.liveness)
        if unmoved is not None:
            return unmoved
    return _without_progress(statuses, earliest_ns, edge_ns, limits, tasks_total - done if tasks_total >= 0 else -1)


def _unmoved(statuses: Sequence[Status], at_ns: int, liveness: Liveness) -> Ending | None:
    """Stuck, if anybody who waited when the faults ended waits for the same still. Nothing can happen before ``at_ns`` any more."""
    blocked = sorted(row for status in statuses for row in status.blocked if row[3] <= liveness.heal_ns)
    if not blocked:
        return None
    owners: dict[str, list[int]] = {}
    for lock, thread in sorted(owner for status in statuses for owner in status.owners):
        owners.setdefault(lock, []).append(thread)
    words = [_waits(*row, owners) for row in blocked[:BLOCKED_SHOWN_MAX]]
    more = [f"and {len(blocked) - len(words)} more"] if len(blocked) > len(words) else []
    since = f"{liveness.bound_ns:,} ns after the faults had ended at {liveness.heal_ns:,} ns"
    return Ending(STUCK, at_ns, f"{since} there still {'waits' if len(blocked) == 1 else 'wait'}: {'; '.join(words + more)}")


def _waits(thread: int, task: int, wanted: str, since_ns: int, owners: dict[str, list[int]]) -> str:
    """One who waits, for what, and who has it."""
    who = f"thread {thread}" + (f" (task {task})" if task >= 0 else "")
    holders = owners.get(wanted, [])
    held = f", held by thread {', '.join(map(str, holders))}" if holders else ""
    if thread in holders:
        held = ", which it was given and never heard of"
    return f"{who} for {wanted or 'its turn'} since {since_ns:,} ns{held}"


def _without_progress(statuses: Sequence[Status], earliest_ns: int, edge_ns: int, limits: Limits, left: int) -> Ending | None:
    waits = [status.oldest_wait_ns for status in statuses if status.oldest_wait_ns >= 0]
    if earliest_ns == NEVER:
        if left < 0 and not waits:
            return Ending(FINISHED, edge_ns, "no event is pending")
        return Ending(STUCK, edge_ns, f"no event is pending, but {max(left, 0)} tasks are not done")
    if waits and edge_ns - min(waits) > limits.wait_ns:
        return Ending(STUCK, edge_ns, f"a wait that began at {min(waits)} ns is longer than {limits.wait_ns} ns")
    times, thread = max(status.starving for status in statuses)
    if limits.memory_waits and times >= limits.memory_waits:
        return Ending(STUCK, edge_ns, f"thread {thread} has waited for memory {times:,} times in one routine and never got any")
    if limits.virtual_ns and earliest_ns >= limits.virtual_ns:
        return Ending(LIMIT, limits.virtual_ns, f"virtual time has reached {limits.virtual_ns} ns")
    if limits.events and sum(status.events for status in statuses) >= limits.events:
        return Ending(LIMIT, edge_ns, f"{limits.events} events were handled")
    return None
