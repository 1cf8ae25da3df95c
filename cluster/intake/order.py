"""What must wait for what: an address space's map changes and its accesses keep their recorded order.

A map change waits for every earlier operation of the space, an access for the last map change. Written out that would be an edge from
every access to every change; most are implied by a task's own order or by an earlier edge. Each task therefore carries what it knows to be
complete (a vector clock: task to index, never changed in place, so that a reference is a snapshot), and an edge is made only for what it
does not know. Without this order a replay that lags behind ends in faults on vanished mappings (2,634 of them in one recording with scarce
memory).

Edges follow the order of the lines, as every task's own order does; so they cannot form a circle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.workload import AnyStep

Clock = dict[int, int]
_NOTHING: Clock = {}


@dataclass(slots=True)
class SpaceOrder:
    """Of one address space: the last map change, and since then the last operation of each task (index and sequence number in the
    space)."""

    last: dict[int, tuple[int, int, Clock]] = field(default_factory=dict)
    count: int = 0
    change: tuple[int, int, Clock] | None = None


class Order:
    """Makes the edges of all spaces. ``steps`` is each task's list of steps, by the task's number."""

    def __init__(self, steps: list[list[AnyStep]]) -> None:
        self._steps = steps
        self._clocks: dict[int, Clock] = {}
        self.edges = 0

    def access(self, space: SpaceOrder, task: int, index: int) -> None:
        """Step ``index`` of ``task`` uses the map."""
        change = space.change
        if change is not None and change[0] != task:
            self._wait(task, index, [change])
        self._done(space, task, index)

    def changes(self, space: SpaceOrder, task: int, index: int) -> None:
        """Step ``index`` of ``task`` changes the map, or copies it."""
        if len(space.last) > (task in space.last):
            # Older operations are implied by the last change. Latest first: it is the likeliest to imply the others.
            others = sorted(((count, other) for other, (_, count, _) in space.last.items() if other != task), reverse=True)
            self._wait(task, index, [(other, space.last[other][0], space.last[other][2]) for _, other in others])
        space.last.clear()
        self._done(space, task, index)
        space.change = (task, index, self._clocks.get(task, _NOTHING))

    def begins(self, parent: int, index: int, child: int) -> None:
        """``child`` starts while step ``index`` of ``parent`` runs: it knows all that came before."""
        self._clocks[child] = _merged(self._clocks.get(parent, _NOTHING), _NOTHING, parent, index - 1)

    def resumes(self, parent: int, child: int, index: int) -> None:
        """``parent`` goes on when ``child`` has left its space with step ``index``."""
        self._clocks[parent] = _merged(self._clocks.get(parent, _NOTHING), self._clocks.get(child, _NOTHING), child, index - 1)

    def _done(self, space: SpaceOrder, task: int, index: int) -> None:
        space.count += 1
        space.last[task] = (index, space.count, self._clocks.get(task, _NOTHING))

    def _wait(self, task: int, index: int, candidates: list[tuple[int, int, Clock]]) -> None:
        known = self._clocks.get(task, _NOTHING)
        after = []
        for other, other_index, clock in candidates:
            if known.get(other, -1) < other_index:
                after.append((other, other_index))
                self._steps[other][other_index].announced = True
                known = _merged(known, clock, other, other_index)
        if after:
            self._clocks[task] = known
            self._steps[task][index].after = tuple(sorted(after))
            self.edges += len(after)


def _merged(mine: Clock, theirs: Clock, task: int, index: int) -> Clock:
    """What one knows who knew ``mine`` and learns that step ``index`` of ``task``, which knew ``theirs``, is complete."""
    merged = dict(mine)
    for other, known in theirs.items():
        if known > merged.get(other, -1):
            merged[other] = known
    if index > merged.get(task, -1):
        merged[task] = index
    return merged
