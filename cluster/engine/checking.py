"""The checks of one worker as the window loop calls them: ``protocol.checks.suite`` behind ``CheckShard``.

What crosses to another shard is typed MessagePack, refused with one sentence if it is something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from actors.machine import contracts
from cluster.engine.ending import Key
from cluster.engine.results import FoundViolation
from cluster.engine.sinks import CheckShard, NoChecks
from cluster.errors import InputError, RunError
from cluster.plan import Plan
from protocol.checks.base import Derived, Violation
from protocol.checks.reshard import join_states, split_state
from protocol.checks.routing import decode_routed, encode_routed, merge
from protocol.checks.state import SuiteState
from protocol.checks.suite import Suite
from protocol.records import Entry

_facts = msgspec.msgpack.Decoder(list[Derived])


class ShardState(msgspec.Struct):
    """A shard of the checks in a snapshot."""

    suite: SuiteState
    violations: list[Violation]
    first: Key | None


_state = msgspec.msgpack.Decoder(ShardState)


class SuiteShard:
    """The suite's shard ``rank`` of ``workers``. ``violations``: those this shard answers for; the global stage's belong to rank 0."""

    active = True

    def __init__(self, suite: Suite, rank: int) -> None:
        self.suite = suite
        self.rank = rank
        self.violations: list[Violation] = []
        self._first: Key | None = None

    def route(self, entries: list[Entry], shards: int) -> list[bytes]:
        """As ``CheckShard.route``."""
        return [encode_routed(part) for part in self.suite.route(entries)]

    def feed_local(self, entries: list[Entry]) -> None:
        """As ``CheckShard.feed_local``."""
        self._found(self.suite.step(entries), True)

    def feed(self, parts: Sequence[bytes]) -> None:
        """As ``CheckShard.feed``."""
        self._found(self.suite.feed(merge(_read(decode_routed, part, rank) for rank, part in enumerate(parts))), True)

    def derived(self) -> bytes:
        """As ``CheckShard.derived``."""
        return msgspec.msgpack.encode(self.suite.derived())

    def feed_global(self, parts: Sequence[bytes]) -> None:
        """As ``CheckShard.feed_global``."""
        facts = [_tupled(fact) for rank, part in enumerate(parts) for fact in _read(_facts.decode, part, rank)]
        self._found(self.suite.feed_global(facts), self.rank == 0)

    def first_violation(self) -> Key | None:
        """As ``CheckShard.first_violation``."""
        return self._first

    def finish(self, ended: str, at_ns: int) -> None:
        """As ``CheckShard.finish``."""
        self._found(self.suite.finish(at_ns, ended), True)

    def found(self) -> list[FoundViolation]:
        """As ``CheckShard.found``."""
        return [FoundViolation(violation.key, violation.index, violation.check, violation.message) for violation in self.violations]

    def evaluated(self) -> dict[str, tuple[int, int]]:
        """As ``CheckShard.evaluated``."""
        return self.suite.evaluated()

    def state(self) -> bytes:
        """As ``CheckShard.state``."""
        return msgspec.msgpack.encode(ShardState(self.suite.state(), self.violations, self._first))

    def restore(self, parts: Sequence[bytes]) -> None:
        """As ``CheckShard.restore``. The first shard answers for all violations found before."""
        states = [_shard(part) for part in parts]
        self.suite.restore(split_state(join_states([state.suite for state in states]), self.suite.shards)[self.suite.shard])
        self._first = min((state.first for state in states if state.first is not None), default=None)
        self.violations = [violation for state in states for violation in state.violations] if self.rank == 0 else []

    def resume(self, part: bytes) -> None:
        """As ``CheckShard.resume``."""
        state = _shard(part)
        self.suite.restore(state.suite)
        self._first, self.violations = state.first, state.violations

    def _found(self, violations: list[Violation], mine: bool) -> None:
        for violation in violations:
            if self._first is None or violation.key < self._first:
                self._first = violation.key
        if mine:
            self.violations += violations


def _shard(part: bytes) -> ShardState:
    try:
        return _state.decode(part)
    except msgspec.DecodeError as error:
        raise InputError(f"the snapshot's checks cannot be read: {error}", found=str(error)) from error


def _tupled(fact: Derived) -> Derived:
    """A fact whose fields, tuples of tuples, MessagePack has made lists."""
    return (*fact[:5], _deep(fact[5]))


def _deep(value: Any) -> Any:
    return tuple(_deep(item) for item in value) if isinstance(value, list | tuple) else value


def _read(decode: Callable[[bytes], Any], part: bytes, rank: int) -> Any:
    try:
        return decode(part)
    except msgspec.DecodeError as error:
        raise RunError(
            f"worker {rank} sent records to check that are malformed: {error}", key=f"worker {rank}", found=str(error)
        ) from error


def checks_for(plan: Plan, rank: int) -> CheckShard:
    """The checks that ``plan`` names, or none. Raises InputError for a name that is no check."""
    machine = plan.model.machine
    if not plan.checks or machine is None:
        return NoChecks()
    try:
        suite = Suite(plan.checks, machine, plan.model.kernel, rank, plan.workers, contracts(), plan.model.faults)
    except KeyError as error:
        raise InputError(str(error.args[0]), key="checks", found=list(plan.checks)) from error
    return SuiteShard(suite, rank)
