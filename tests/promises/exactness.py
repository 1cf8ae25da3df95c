"""Is a restored share exact? It is fed what its peers said the first time and must say the same bytes again.

A digest alone does not show it: a worker restored a little out of step produces the right trace in most runs all the same.
"""

from __future__ import annotations

from typing import NamedTuple

import anyio

from cluster.engine.frames import KINDS
from cluster.engine.results import ShareResult
from cluster.engine.share import Share
from cluster.engine.snapshot import ShareState, pack, unpack
from cluster.engine.transport_local import Hub
from cluster.plan import Plan


class Round(NamedTuple):
    """One round of one worker: what it said to each, and what it heard from each."""

    kind: int
    said: list[bytes]
    heard: list[bytes]


class Original(NamedTuple):
    """A run of several shares in one process: rounds by rank, snapshots by (rank, window), and the results."""

    plan: Plan
    rounds: dict[int, list[Round]]
    states: dict[tuple[int, int], bytes]
    results: dict[int, ShareResult]


class Listening:
    """A transport that writes down what passes."""

    def __init__(self, inner, rounds):
        self.inner, self.heard = inner, rounds
        self.rank, self.workers, self.log_bytes = inner.rank, inner.workers, 0

    def begin(self, rounds):
        self.inner.begin(rounds)

    rounds = property(lambda self: self.inner.rounds)
    waited_ns = property(lambda self: self.inner.waited_ns)

    async def exchange(self, kind, bodies, flags=0):
        received, flags = await self.inner.exchange(kind, bodies, flags)
        self.heard.append(Round(kind, list(bodies), list(received)))
        return received, flags


class SaidOtherwise(Exception):
    """Something else was said than the first time: the round."""


class Replaying:
    """A transport whose peers are a record, and which stops at the first round in which something else is said."""

    def __init__(self, rank, workers, rounds):
        self.rank, self.workers, self.waited_ns, self.log_bytes = rank, workers, 0, 0
        self.rounds = 0
        self.record = rounds

    def begin(self, rounds):
        self.rounds = rounds

    async def exchange(self, kind, bodies, flags=0):
        first = self.record[self.rounds]
        self.rounds += 1
        others = [peer for peer in range(self.workers) if peer != self.rank]
        if (first.kind, [first.said[peer] for peer in others]) != (kind, [bodies[peer] for peer in others]):
            raise SaidOtherwise(f"round {self.rounds}: another {KINDS[kind]}: {first.said[others[0]]!r} was {bodies[others[0]]!r}")
        return first.heard, 0


def run_original(plan: Plan, windows) -> Original:
    """Run ``plan`` with its workers in this process, with a snapshot of every worker after each of ``windows``."""
    made = Original(plan, {rank: [] for rank in range(plan.workers)}, {}, {})
    transports = [Listening(inner, made.rounds[inner.rank]) for inner in Hub(plan.workers).transports()]
    shares = [Share(plan, rank, transport) for rank, transport in enumerate(transports)]

    async def snapshot(share, loop):
        made.states[share.rank, loop.window] = pack(share.state())

    async def one(share):
        share.loop.wants_snapshot = windows.__contains__
        share.loop.snapshot = lambda loop: snapshot(share, loop)
        made.results[share.rank] = await share.run()

    async def everybody():
        async with anyio.create_task_group() as group:
            for share in shares:
                group.start_soon(one, share)

    anyio.run(everybody, backend="trio")
    return made


def differences(original: Original, rank: int, window: int) -> list[str]:
    """What worker ``rank``, restored from its snapshot at ``window``, says otherwise than the first time."""
    state: ShareState = unpack(original.states[rank, window])
    transport = Replaying(rank, original.plan.workers, original.rounds[rank])
    share = Share(original.plan, rank, transport, own=state)
    assert transport.rounds == state.rounds
    try:
        result = anyio.run(share.run, backend="trio")
    except SaidOtherwise as said:
        return [str(said)]
    first, wrong = original.results[rank], []
    for name in ("ending", "recorded", "violations", "evaluated", "fault_counts", "finals", "waits"):
        if getattr(result, name) != getattr(first, name):
            wrong.append(f"{name}: {getattr(first, name)!r} was {getattr(result, name)!r}")
    return wrong
