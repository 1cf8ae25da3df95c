"""The checks of one shard: the one object an engine, or a reader of a stored run, talks to.

At each edge of a slice the window loop of every worker calls, in this order::

    batches = suite.route(entries)                  # one list per shard; with one shard: [entries], untouched
    mine = merge(exchange(batches))                 # all-to-all; see protocol.checks.routing.merge
    found = suite.feed(mine)                        # violations that this shard can judge alone, sorted
    facts = suite.derived()                         # small; goes to *every* worker with the status of the slice
    found += suite.feed_global(all facts)           # the same list on every worker: take it from one, or from all once
    suite.finish(now, ended)                        # once, after the last slice

The second stage is replicated and not run by one shard alone: derived facts are few (first sight of a pair of lock types, contended waits),
and so all workers know in the same barrier whether the run is cut, without a third exchange. What the checks find, in which order, and how
often they were evaluated is the same for any number of shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from protocol.checks.base import Check, Derived, Findings, Violation, end_head
from protocol.checks.domains import domains_for
from protocol.checks.globals import Globals
from protocol.checks.order import Order
from protocol.checks.registry import CHECKS, check_names
from protocol.checks.routing import RoutedEntry, Router
from protocol.checks.state import SuiteState
from protocol.checks.views.domain import Domain, Handler
from protocol.contracts import Contract
from protocol.faults import Fault, delay_max_ns, stalled_ns
from protocol.guards import is_guarded
from protocol.machine import Machine
from protocol.records import KINDS, Entry


class Suite:
    """The checks called ``names`` (all if empty), for shard ``shard`` of ``shards``.

    ``machine`` gives frames, colours, thresholds and the kind of page table; ``kernel`` the forms in force, for checks that hold in some
    forms only; ``contracts`` what each routine promises of locks; ``faults`` what may delay a message or stall a CPU. Raises KeyError
    with a sentence for a name that is no check.
    """

    def __init__(
        self,
        names: Sequence[str],
        machine: Machine,
        kernel: dict[str, str],
        shard: int = 0,
        shards: int = 1,
        contracts: Mapping[str, Contract] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.names = check_names(names)
        self.machine = machine
        self.kernel = kernel
        self.contracts = contracts or {}
        self.faults = faults
        self.shard = shard
        self.shards = shards
        self.router = Router(shards) if shards > 1 else None
        self.restore(SuiteState())

    # State ------------------------------------------------------------------------------------------------------------------

    def restore(self, state: SuiteState) -> None:
        """Go on from a state; it belongs to the suite from now on. For another number of shards see protocol.checks.reshard."""
        self._state = state
        self.findings = Findings(self.machine.message_max_ns() + delay_max_ns(self.faults), stalled_ns(self.faults))
        self.checks: dict[str, Check] = {name: CHECKS[name](self.findings) for name in self.names}
        for name, (evaluated, violations) in state.counts.items():
            if name in self.checks:
                self.checks[name].evaluated, self.checks[name].violations = evaluated, violations
        self.globals = Globals(state.globals, self.checks, self.shard == 0)
        self.domains: list[Domain] = domains_for(state, self.machine, self.findings, self.checks, self.kernel, self.contracts)
        self._lockset = self.checks.get("I-LOCKSET")
        self._order = self.checks.get("I-ORDER")
        if isinstance(self._order, Order):
            self._order.seen = set(state.sightings)
        self._build()

    def state(self) -> SuiteState:
        """Everything the checks know, as typed plain data (msgspec encodes it as MessagePack). Take it between two slices."""
        self._state.counts = self.evaluated()
        if isinstance(self._order, Order):
            self._state.sightings = sorted(self._order.seen)
        return self._state

    def _build(self) -> None:
        """Tables of handlers: by record number, and by (record number, roles) for routed records."""
        size = max(KINDS) + 1
        self._handlers: list[list[tuple[int, Handler]]] = [[] for _ in range(size)]
        for domain in self.domains:
            for role, number, handler in domain.handlers():
                self._handlers[number].append((role, handler))
        self._table: list[tuple[Handler, ...]] = [tuple(h for _, h in row) for row in self._handlers]
        self._by_role: dict[tuple[int, int], tuple[Handler, ...]] = {}

    # Feeding ----------------------------------------------------------------------------------------------------------------

    def route(self, entries: list[Entry]) -> list[list[Any]]:
        """Item ``i`` is what shard ``i`` must be fed with."""
        if self.router is None:
            return [entries]
        self._count_guarded(entries)
        return self.router.route(entries)

    def _count_guarded(self, entries: list[Entry]) -> None:
        """An access whose guard was held leaves no record; the home that asked for the guard has handled a message all the same."""
        if self._lockset is not None:
            words = Counter(map(itemgetter(1), entries))
            self._lockset.evaluated += sum(count for word, count in words.items() if is_guarded(word))

    def feed(self, entries: Iterable[Any]) -> list[Violation]:
        """Apply a slice, ascending by key: entries if there is one shard, routed entries otherwise. Returns the violations found,
        sorted."""
        if self.shards == 1:
            entries = list(entries)
            self._count_guarded(entries)
            self._feed_all(entries)
        else:
            self._feed_routed(entries)
        return self._take()

    def _feed_all(self, entries: Iterable[Entry]) -> None:
        table, late = self._table, self.findings.after_entry
        for head, _, records in entries:
            if records:
                for index, record in enumerate(records):
                    for handler in table[record[0]]:  # type: ignore[call-overload]
                        handler(record, head, index)
                if late:
                    self.findings.settle()

    def _feed_routed(self, entries: Iterable[RoutedEntry]) -> None:
        by_role = self._by_role
        for head, parts in entries:
            for index, roles, record in parts:
                handlers = by_role.get((record[0], roles))
                if handlers is None:
                    handlers = self._for_roles(record[0], roles)
                for handler in handlers:
                    handler(record, head, index)
            if self.findings.after_entry:
                self.findings.settle()

    def _for_roles(self, number: int, roles: int) -> tuple[Handler, ...]:
        found = tuple(handler for role, handler in self._handlers[number] if role & roles)
        self._by_role[(number, roles)] = found
        return found

    def _take(self) -> list[Violation]:
        found = sorted(self.findings.violations, key=lambda violation: violation.rank)
        self.findings.violations.clear()
        return found

    def derived(self) -> list[Derived]:
        """The facts found since the last call, for the global stage of every worker."""
        facts = self.findings.derived[:]
        self.findings.derived.clear()
        for domain in self.domains:
            facts.extend(domain.summary(self.shard))
        return facts

    def feed_global(self, facts: list[Derived]) -> list[Violation]:
        """Judge the facts of all shards of one slice. Every worker gets the same facts and returns the same violations, sorted."""
        return self.globals.feed(sorted(facts))

    def step(self, entries: Iterable[Any]) -> list[Violation]:
        """A whole slice where there is one shard: feed, and the global stage at once."""
        found = self.feed(entries)
        return sorted(found + self.feed_global(self.derived()), key=lambda violation: violation.rank)

    def finish(self, now: int, ended: str = "finished") -> list[Violation]:
        """The evaluations of a quiescent machine. ``ended`` is how the run ended; a run that reached a limit is not judged to be
        leaking."""
        head = end_head(now)
        for domain in self.domains:
            domain.finish(head, ended, self.globals.state.active_since_ns)
        return self._take()

    def evaluated(self) -> dict[str, tuple[int, int]]:
        """Check to (evaluations, violations) of this shard; the sum over all shards is the run's. Zero evaluations: not exercised."""
        return {name: (check.evaluated, check.violations) for name, check in self.checks.items()}
