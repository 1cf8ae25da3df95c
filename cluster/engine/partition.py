"""The partition: which worker a root actor, with all it creates, lives on; and the lookahead that follows from it.

Whole domains stay together where there are at least as many domains as workers, for the latency between domains is the greater one and
the lookahead is the least latency that crosses workers. A partition can change the lookahead, never a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.engine.clock import NEVER
from cluster.engine.engine import Latency
from cluster.errors import InputError
from protocol.identity import kind_of
from protocol.messages import LINK_NAMES


@dataclass(frozen=True)
class Partition:
    """Each root's rank, the lookahead in ns (``NEVER`` with one worker), and in words what bounds it."""

    workers: int
    rank_of: dict[str, int]
    domain_of: dict[str, int]
    lookahead_ns: int
    bound: str
    whole_domains: bool

    def report(self) -> dict[str, object]:
        """For ``check``, ``partition`` and the run's summary."""
        return {
            "workers": self.workers,
            "lookahead_ns": None if self.lookahead_ns == NEVER else self.lookahead_ns,
            "bound": self.bound,
            "whole_domains": self.whole_domains,
            "roots": [
                sorted((name for name, rank in self.rank_of.items() if rank == worker), key=_natural) for worker in range(self.workers)
            ],
        }


def partition(
    domains: dict[str, int], latency_ns: Latency, workers: int, least_service_ns: int = 0, near: dict[str, str] | None = None
) -> Partition:
    """Deal root actors (name to domain) to ``workers``. Raises InputError if there are more workers than roots, or none."""
    if not 1 <= workers <= len(domains):
        raise InputError(
            f"{workers} workers were asked for, but this run has {len(domains)} root actors at its start, and each worker needs one",
            key="workers",
            found=workers,
            allowed=f"1 to {len(domains)}",
        )
    used = sorted(set(domains.values()))
    whole = len(used) >= workers
    rank_of = _by_domain(domains, used, workers) if whole else _by_root(domains, near or {}, workers)
    lookahead_ns, bound = _lookahead(domains, rank_of, latency_ns, least_service_ns)
    return Partition(workers, rank_of, domains, lookahead_ns, bound, whole)


def _by_domain(domains: dict[str, int], used: list[int], workers: int) -> dict[str, int]:
    """Neighbouring domains to one worker, as even in root actors as their sizes allow."""
    sizes = [sum(1 for domain in domains.values() if domain == wanted) for wanted in used]
    rank_of_domain: dict[int, int] = {}
    rank, filled, left = 0, 0, sum(sizes)
    for index, (domain, size) in enumerate(zip(used, sizes, strict=True)):
        target = (filled + left) / (workers - rank)
        must = len(used) - index == workers - rank - 1
        if rank < workers - 1 and filled and (must or filled + size / 2 > target):
            rank, filled = rank + 1, 0
        rank_of_domain[domain] = rank
        filled += size
        left -= size
    return {name: rank_of_domain[domain] for name, domain in domains.items()}


def _by_root(domains: dict[str, int], near: dict[str, str], workers: int) -> dict[str, int]:
    """The great family (CPUs) in runs in order of domain; all single homes with the first of them, or on workers of their own if there
    are more workers than members.

    Spreading the homes over the workers that have CPUs was rejected: a CPU speaks to several of them in turn, and each such step would
    cross.
    """
    family = _family(domains)
    names = sorted(domains, key=lambda name: (domains[name], _natural(name)))
    members = [name for name in names if kind_of(name) == family]
    taken = min(workers, len(members))
    rank_of = {name: index * taken // len(members) for index, name in enumerate(members)}
    alone = [name for name in names if name not in rank_of and (near.get(name) not in rank_of or workers > taken)]
    for index, name in enumerate(alone):
        rank_of[name] = taken + index * (workers - taken) // len(alone) if workers > taken else 0
    for name in names:
        if name not in rank_of:
            rank_of[name] = rank_of[near[name]]
    return rank_of


def _family(domains: dict[str, int]) -> str:
    """The kind that is dealt out: CPUs, or in a model without them the kind with the most members."""
    kinds = [kind_of(name) for name in domains]
    return "cpu" if "cpu" in kinds else max(sorted(set(kinds)), key=kinds.count)


def _lookahead(domains: dict[str, int], rank_of: dict[str, int], latency_ns: Latency, least_service_ns: int) -> tuple[int, str]:
    """The least time a message between two workers takes, and which link and domains that is."""
    ranks: dict[int, list[int]] = {}
    for name, domain in domains.items():
        if rank_of[name] not in ranks.setdefault(domain, []):
            ranks[domain].append(rank_of[name])
    best, bound = NEVER, "one worker: nothing crosses"
    for link, table in enumerate(latency_ns):
        for source, target in _crossing(ranks):
            if table[source][target] < best:
                best = table[source][target]
                where = f"within domain {source}" if source == target else f"from domain {source} to {target}"
                bound = f"{LINK_NAMES[link]} messages {where}: {best} ns, after at least {least_service_ns} ns of service"
    return (best if best == NEVER else best + least_service_ns), bound


def _crossing(ranks: dict[int, list[int]]) -> Iterable[tuple[int, int]]:
    """Pairs of domains that have members on different workers."""
    for source in sorted(ranks):
        for target in sorted(ranks):
            if len(ranks[source]) > 1 or len(ranks[target]) > 1 or ranks[source] != ranks[target]:
                yield source, target


def _natural(name: str) -> list[tuple[int, str]]:
    """``cpu.2`` before ``cpu.10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
