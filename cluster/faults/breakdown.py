"""What becomes of a machine whose links no longer keep their word, each message once and in order, or whose locks and wake-ups do not.

Every protocol relies on that. So where a fault breaks it and no link layer makes up for it, an actor can be told what nobody asked, and
can fail over what it is told. A message that nobody awaits is ignored, and recorded as ``stray``, by the actors that
can tell (``unawaited(message, sender)``, the CPUs). An actor that fails handles nothing any more, and the run ends ``panic`` with its last
words at the slice's edge: that the machine breaks down is the outcome of such a run and no defect of the simulation. Ending the run as
impossible, as where the links are sound, was rejected: what random faults do to a protocol could then not be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from actors.actor import Actor, Handler, Report
from cluster.engine.engine import Engine, Table
from cluster.faults.delivery import nothing
from cluster.faults.links import BREAKING
from cluster.faults.watch import Watch
from protocol.event import Event
from protocol.faults import KINDS, PART, Fault
from protocol.records import PANIC, STRAY


class Broken(Actor, kw_only=True):
    """Reports at slices' edges that an actor has broken down. It is asked like an actor and gets no messages."""

    reports: ClassVar[bool] = True
    text: str = ""

    def report(self) -> Report:
        """Its last words are the machine's."""
        return Report(0, panic=self.text)


class Breakdown:
    """The strays and the broken actors of one worker's engine."""

    def __init__(self, engine: Engine, watches: dict[str, Watch], tables: dict[str, Table]) -> None:
        self.engine, self.watches, self.tables = engine, watches, tables
        self.deciding = False
        """A fault is being decided: what fails now is no actor."""

    @classmethod
    def of(cls, faults: Sequence[Fault], engine: Engine, watches: dict[str, Watch], tables: dict[str, Table]) -> Breakdown | None:
        """Where no fault breaks what links and parts of the machine promise, there is nothing to contain: whatever fails is a defect."""
        if not any(_breaks(fault) for fault in faults):
            return None
        made = cls(engine, watches, tables)
        engine.failed = made.failed
        return made

    def can_refuse(self, actor: Actor) -> bool:
        """Can it tell a message that it does not await?"""
        return hasattr(actor, "unawaited")

    def added(self, actor: Actor) -> None:
        """One that had broken down before a snapshot is restored as it was."""
        watch = self.watches.get(actor.name)
        if watch is not None and watch.broken:
            self._silence(actor, watch.broken)

    def unless_refused(self, outcome: tuple[Event, Handler]) -> tuple[Event, Handler]:
        """It is handled, unless nobody awaits it."""
        event, handler = outcome
        unawaited = getattr(self.engine.actors[event[3]], "unawaited", None)
        why = unawaited(event[8], event[4]) if unawaited is not None and handler is not nothing else ""
        if not why:
            return outcome
        self.engine.record((STRAY, event[8].word, event[4], why))
        return event, nothing

    def failed(self, event: Event, error: Exception) -> bool:
        """An actor has failed over ``event``: from now on it is silent. False if that is not the actor's doing."""
        actor = self.engine.actors.get(event[3])
        if self.deciding or actor is None or type(event[8]) not in self._table(event[3]):
            return False
        text = f"breaks down over {event[8].word} from {event[4]}: {type(error).__name__}: {error}"
        self.watches.setdefault(actor.name, Watch()).broken = text
        if hasattr(actor, "broke_down"):
            actor.broke_down(text)
        else:
            self.engine.record((PANIC, -1, text))
        self._silence(actor, text)
        return True

    def _table(self, name: str) -> Table:
        return self.tables[name] if name in self.tables else self.engine.tables[name]

    def _silence(self, actor: Actor, text: str) -> None:
        table = self._table(actor.name)
        table.update(dict.fromkeys(table, nothing))
        if not hasattr(actor, "broke_down"):
            self.engine.reporters.append(Broken(name=actor.name, text=text))


def _breaks(fault: Fault) -> bool:
    return (fault.kind in BREAKING and not fault.retransmit_ns) or KINDS[fault.kind].scope == PART
