"""The state of the checks moved to another number of shards: joined, and split by the keys of the routes.

A run may be restored on more or fewer workers than it was snapshotted on. The first shard inherits the counts, so sums over shards stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from protocol.checks.routing import shard_of_name
from protocol.checks.state import LocksState, PagesState, PmapsState, SuiteState


def join_states(states: Sequence[SuiteState]) -> SuiteState:
    """One state from those of all shards, in order of shard. The parts are not copied."""
    whole = SuiteState(globals=states[0].globals)
    for state in states:
        whole.pages.pages.update(state.pages.pages)
        whole.pages.open_links.update(state.pages.open_links)
        whole.pages.shoots.update(state.pages.shoots)
        whole.pages.hold = state.pages.hold
        whole.pages.ended_io.update(state.pages.ended_io)
        whole.pages.sent.update(state.pages.sent)
        _join_tlb(whole.pages.tlb, state.pages.tlb)
        whole.threads.update(state.threads)
        whole.locks.holders.update(state.locks.holders)
        whole.locks.waiters.update(state.locks.waiters)
        whole.objects.update(state.objects)
        whole.pmaps.pmaps.update(state.pmaps.pmaps)
        whole.free.update(state.free)
        whole.maps.update(state.maps)
        whole.shoots.update(state.shoots)
        whole.queues.update(state.queues)
        for name, (evaluated, violations) in state.counts.items():
            before = whole.counts.get(name, (0, 0))
            whole.counts[name] = (before[0] + evaluated, before[1] + violations)
    whole.pmaps.loaded = _loaded(whole.pmaps)
    return whole


def split_state(whole: SuiteState, shards: int) -> list[SuiteState]:
    """The states of ``shards`` shards. They share nothing with each other or with ``whole``."""
    return [_copy(_part(whole, shard, shards)) for shard in range(shards)]


def _part(whole: SuiteState, shard: int, shards: int) -> SuiteState:
    def named(table: dict[str, Any]) -> dict[str, Any]:
        return _where(table, lambda name: shard_of_name(name, shards) == shard)

    pmaps = PmapsState(pmaps=named(whole.pmaps.pmaps))
    pmaps.loaded = _loaded(pmaps)
    return SuiteState(
        pages=_pages_part(whole.pages, shard, shards),
        threads=_where(whole.threads, lambda thread: thread % shards == shard),
        locks=LocksState(named(whole.locks.holders), named(whole.locks.waiters)),
        objects=named(whole.objects),
        pmaps=pmaps,
        free=named(whole.free),
        maps=named(whole.maps),
        shoots=named(whole.shoots),
        queues=named(whole.queues),
        globals=whole.globals,
        counts=whole.counts if shard == 0 else {},
    )


def _pages_part(pages: PagesState, shard: int, shards: int) -> PagesState:
    def mine(frame: int) -> bool:
        return frame % shards == shard

    tlb: dict[str, dict[str, dict[int, int]]] = {}
    for cpu, spaces in pages.tlb.items():
        for pmap, entries in spaces.items():
            part = {vpn: frame for vpn, frame in entries.items() if mine(frame)}
            if part:
                tlb.setdefault(cpu, {})[pmap] = part
    return PagesState(
        pages=_where(pages.pages, mine),
        tlb=tlb,
        open_links=_where(pages.open_links, lambda key: mine(key[0])),
        shoots=pages.shoots,
        hold=pages.hold,
        ended_io=_where(pages.ended_io, mine),
        sent=_where(pages.sent, mine),
    )


def _join_tlb(whole: dict[str, dict[str, dict[int, int]]], part: dict[str, dict[str, dict[int, int]]]) -> None:
    for cpu, spaces in part.items():
        for pmap, entries in spaces.items():
            whole.setdefault(cpu, {}).setdefault(pmap, {}).update(entries)


def _loaded(pmaps: PmapsState) -> dict[str, list[str]]:
    """Which page tables each CPU's TLB has entries of, from the page tables themselves."""
    loaded: dict[str, list[str]] = {}
    for name, view in sorted(pmaps.pmaps.items()):
        for cpu in view.tlb:
            loaded.setdefault(cpu, []).append(name)
    return loaded


def _where(table: dict[Any, Any], mine: Callable[[Any], bool]) -> dict[Any, Any]:
    return {key: value for key, value in table.items() if mine(key)}


def _copy(state: SuiteState) -> SuiteState:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SuiteState)
