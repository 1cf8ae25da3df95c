"""A run in one engine, in the caller's own stack: for unit tests of actors, and nothing else.

It has no windows, slices, digest or end of run: it handles events until none is left or a time is reached. What it handles is what any
other run of the same model and seed handles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actors.actor import Actor
from cluster.engine.clock import NEVER
from cluster.engine.engine import Engine, Place
from cluster.engine.models import Boot, build
from cluster.errors import RunError
from cluster.faults.inject import install
from cluster.plan import Model
from protocol.identity import root_of
from protocol.records import Entry, Record
from protocol.workload import Workload

EVENTS_MAX = 50_000_000
"""More than any unit test handles: a loop without end fails instead of hanging."""


@dataclass
class InlineRun:
    """What happened: ``entries`` in ascending order of key (none if not recording), ``now_ns`` the last event's time, ``boot`` what it
    began with."""

    engine: Engine
    entries: list[Entry]
    boot: Boot

    @property
    def journal(self) -> list[Entry]:
        """The entries."""
        return self.entries

    @property
    def actors(self) -> dict[str, Actor]:
        """The actors by name, as the run left them."""
        return self.engine.actors

    @property
    def now_ns(self) -> int:
        """Virtual time of the last event handled."""
        return self.engine.clock.now

    def records(self, number: int = 0) -> list[Record]:
        """All records in order, or those of one kind."""
        return [record for _, _, records in self.entries for record in records if not number or record[0] == number]

    def run_on(self, until_ns: int | None = None, events_max: int = EVENTS_MAX) -> None:
        """Handle what is left before ``until_ns`` (all of it if None)."""
        _finish(self.engine, until_ns, events_max)
        self.entries += self.engine.take_journal()


def run_inline(
    model: Model,
    seed: int,
    workload: Workload | None = None,
    until_ns: int | None = None,
    record: bool = True,
    events_max: int = EVENTS_MAX,
) -> InlineRun:
    """Run ``model`` in one engine until no event remains, or up to (not including) ``until_ns``.

    Raises InputError for a model that cannot be meant; RunError if an actor fails or more than ``events_max`` events were handled.
    """
    return run_boot(build(model, workload), seed, model=model, until_ns=until_ns, record=record, events_max=events_max)


def run_boot(
    boot: Boot,
    seed: int,
    model: Model | None = None,
    until_ns: int | None = None,
    record: bool = True,
    events_max: int = EVENTS_MAX,
) -> InlineRun:
    """As :func:`run_inline`, for a start made by hand. The faults are those of ``model``."""
    engine = Engine(seed, Place(0, 1, dict.fromkeys(boot.domains, 0), boot.domains), boot.latency_ns, record=record)
    install(engine, model.faults if model else (), first_number=len(boot.actors) + 1)
    engine.boot(boot.actors, boot.numbers())
    run = InlineRun(engine, [], boot)
    run.run_on(until_ns, events_max)
    return run


def run_actors(actors: Iterable[Actor], seed: int = 0, latency_ns: int = 20, **options: int) -> InlineRun:
    """Run actors made by hand in one domain with one latency for all links. ``options``: ``until_ns``, ``events_max``."""
    made = list(actors)
    boot = Boot(made, {root_of(actor.name): 0 for actor in made}, (((latency_ns,),),) * 3, -1, {})
    return run_boot(boot, seed, until_ns=options.get("until_ns"), events_max=options.get("events_max", EVENTS_MAX))


def _finish(engine: Engine, until_ns: int | None, events_max: int) -> None:
    if not engine.run_before(NEVER if until_ns is None else until_ns, events_max):
        raise RunError(f"more than {events_max} events were handled and more are pending", found=engine.events, allowed=events_max)
