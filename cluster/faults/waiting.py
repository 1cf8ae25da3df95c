"""Who waits, and which lock has been given to whom: asked at slices' edges in runs that must heal.

Looking once at the end was rejected: liveness is decided by all workers from what each reports at an edge, like every other end of a
run. It is no state, only what the actors' state says, and a run without ``[liveness]`` has none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from actors.actor import Actor, Blocked, Owner, Report
from actors.home import Home
from cluster.engine.engine import Engine


class Waiting(Actor, kw_only=True):
    """Reports for the actors of one worker's engine. It is asked like an actor and gets no messages."""

    reports: ClassVar[bool] = True
    heal_ns: int

    def watch(self, engine: Engine) -> None:
        """From now on report what this engine's actors do."""
        self.engine = engine
        engine.reporters.append(self)

    def report(self) -> Report:
        """The waits that were there at the heal, and the owners of locks."""
        blocked = tuple(self._blocked())
        return Report(0, blocked=blocked, owners=tuple(self._owners()))

    def _blocked(self) -> Iterator[Blocked]:
        for actor in self.engine.actors.values():
            rows: Any = getattr(actor, "waits", tuple)()
            for thread, task, wanted, since_ns, _, _ in rows:
                if since_ns <= self.heal_ns and not wanted.startswith("order"):
                    yield thread, task, wanted, since_ns

    def _owners(self) -> Iterator[Owner]:
        """Of every lock here: who wants it may wait on another worker."""
        for actor in self.engine.actors.values():
            if isinstance(actor, Home):
                owners = sorted(actor.readers) if actor.owner == -1 else [actor.owner]
                yield from ((actor.name, owner) for owner in owners)
