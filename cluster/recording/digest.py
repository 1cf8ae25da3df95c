"""The digest: one chain of hashes per actor, and one hash over all chains.

A chain takes an actor's encoded entries of a slice of virtual time whole, at the slice's edge, so its state is 16 bytes that can be stored
and compared. A hash object fed record by record was rejected (it cannot be snapshotted), and so was a chain per window (windows depend
on the number of workers). What the actor's place, the transport or the trace's being kept are does not enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from cluster.plan import MODEL_VERSION, Plan
from cluster.recording.encode import Counts, Groups

CHAIN_BYTES = 16
FIRST_CHAIN = bytes(CHAIN_BYTES)
Chain = tuple[int, bytes]
"""(entries so far, chain)."""
LedgerRow = tuple[int, str, bytes]
"""(slice, actor, the actor's chain after that slice)."""

_canonical = msgspec.msgpack.Encoder(order="sorted")


class Digest:
    """The chains of one worker's actors.

    With ``ledger`` every link is also kept, in the order folded, so that two runs can be compared slice by slice without their traces.
    """

    def __init__(self, ledger: bool = False) -> None:
        self._chains: dict[str, Chain] = {}
        self.ledger: list[LedgerRow] | None = [] if ledger else None

    def fold(self, slice_index: int, groups: Groups, counts: Counts) -> None:
        """Take in a slice: the encoded entries of every actor that had any. Slices must come in ascending order."""
        chains = self._chains
        edge = slice_index.to_bytes(8, "little")
        for actor, data in groups.items():
            count, chain = chains.get(actor, (0, FIRST_CHAIN))
            link = blake2b(chain + edge, digest_size=CHAIN_BYTES)
            link.update(data)
            chains[actor] = (count + counts[actor], link.digest())
        if self.ledger is not None:
            self.ledger.extend((slice_index, actor, chains[actor][1]) for actor in sorted(groups))

    def chains(self) -> dict[str, Chain]:
        """Actor to (entries so far, chain)."""
        return dict(self._chains)

    def state(self) -> dict[str, Chain]:
        """The digest as data. (The ledger is a diagnosis of one process, not state.)"""
        return self.chains()

    def restore(self, state: Mapping[str, Chain]) -> None:
        """Go on from :meth:`state`."""
        self._chains = {actor: (count, bytes(chain)) for actor, (count, chain) in state.items()}


def header(plan: Plan) -> bytes:
    """What a digest is about: model version, model (workload's content hash included) and seed; nothing of where and how it runs."""
    return _canonical.encode((MODEL_VERSION, plan.model, plan.seed))


def run_digest(head: bytes, parts: Iterable[Mapping[str, Chain]]) -> str:
    """The run's digest, in hexadecimal: over ``head``, then (name, count, chain) of all workers' actors in order of name."""
    merged: dict[str, Chain] = {}
    for part in parts:
        assert merged.keys().isdisjoint(part), f"actors on two workers: {sorted(merged.keys() & part.keys())[:3]}"
        merged.update(part)
    total = blake2b(head, digest_size=CHAIN_BYTES)
    for actor in sorted(merged):
        total.update(_canonical.encode((actor, *merged[actor])))
    return total.hexdigest()


def first_difference(one: Iterable[LedgerRow], other: Iterable[LedgerRow]) -> tuple[int, tuple[str, ...]] | None:
    """The first slice in which two runs' ledgers differ, and the actors that differ in it; None if they agree throughout."""
    mine, theirs = ({(index, actor): chain for index, actor, chain in ledger} for ledger in (one, other))
    differing = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
    if not differing:
        return None
    first = min(index for index, _ in differing)
    return first, tuple(sorted(actor for index, actor in differing if index == first))
