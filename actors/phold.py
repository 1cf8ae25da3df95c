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

    actors: int
    lookahead_ns: int
    mean_ns: int
    remote_percent: int
    note_every: int = 1

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine. The handler is a closure over what is constant: PHOLD is there to measure the engine, not attribute
        access."""
        super().bind(port)
        handle = self._handler(port)
        return {Job: handle, Kick: handle}

    def begin(self) -> None:
        """Start this actor's job."""
        self.port.timer(Kick(0), self.lookahead_ns + self.port.stream("job").exponential_ns(self.mean_ns))

    def _handler(self, port: Port) -> Handler:
        stream = port.stream("job")
        below, exponential_ns, send, timer, record = stream.below, stream.exponential_ns, port.send, port.timer, port.record
        lookahead_ns, mean_ns, remote_percent, note_every = self.lookahead_ns, self.mean_ns, self.remote_percent, self.note_every
        index, others = int(self.name.partition(".")[2]), self.actors - 1
        if not others:
            remote_percent = 0

        def job(message: Job | Kick, sender: str) -> None:
            """A job arrives: pass it on."""
            hops = message.hops + 1
            if note_every and hops % note_every == 0:
                record((NOTE, f"hop {hops}"))
            delay_ns = exponential_ns(mean_ns)
            if below(100) < remote_percent:
                send(f"phold.{(index + 1 + below(others)) % (others + 1)}", Job(hops), delay_ns)
            else:
                timer(Kick(hops), lookahead_ns + delay_ns)

        return job
