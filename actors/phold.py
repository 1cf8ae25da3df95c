"""PHOLD, the classic benchmark of parallel event simulation (Fujimoto 1990), as actors of this engine.

Each actor starts with one job. A job that arrives schedules the next one after the lookahead plus a keyed exponential; ``remote_percent``
of them go to another actor. The number of jobs in flight is constant, so the queue's length and the work per event are known. It measures
the engine and nothing else, and shows the digest to be the same however it is run.
"""

from __future__ import annotations

from typing import ClassVar

from actors.actor import Actor, Handler, Port
from protocol.messages import LOCAL, MEMORY, Message
from protocol.records import NOTE


class Job(Message, tag=1000, gc=False):
    """The job that goes round; ``hops`` counts its moves."""

    link: ClassVar[int] = MEMORY
    word: ClassVar[str] = "job"
    hops: int


class Kick(Message, tag=1001, gc=False):
    """A job that stays: scheduled by an actor for itself."""

    link: ClassVar[int] = LOCAL
    word: ClassVar[str] = "kick"
    hops: int


class Phold(Actor, kw_only=True):
    """One of ``actors`` logical processes, called ``phold.N``.

    ``lookahead_ns``: least time between two events of a job (the link's latency is the same). ``mean_ns``: mean of the exponential on top.
    ``note_every``: a record each so many hops (0: none), so that a digest covers records, too.
    """

    handlers: ClassVar[dict[type[Message], str]] = {Job: "job", Kick: "job"}

    actors: int
    lookahead_ns: int
    mean_ns: int
    remote_percent: int
    note_every: int = 1
    handled: int = 0

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine, with the streams and names at hand."""
        self.below = port.stream("route").below
        self.exponential_ns = port.stream("delay").exponential_ns
        self.index = int(self.name.partition(".")[2])
        return super().bind(port)

    def begin(self) -> None:
        """Start this actor's job."""
        self.port.timer(Kick(0), self.lookahead_ns + self.exponential_ns(self.mean_ns))

    def job(self, message: Job | Kick, sender: str) -> None:
        """A job arrives: pass it on."""
        self.handled += 1
        hops = message.hops + 1
        if self.note_every and hops % self.note_every == 0:
            self.record((NOTE, f"hop {hops}"))
        delay_ns = self.exponential_ns(self.mean_ns)
        if self.below(100) < self.remote_percent and self.actors > 1:
            other = (self.index + 1 + self.below(self.actors - 1)) % self.actors
            self.port.send(f"phold.{other}", Job(hops), delay_ns)
        else:
            self.port.timer(Kick(hops), self.lookahead_ns + delay_ns)
