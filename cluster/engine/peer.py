"""What a worker keeps of one peer so that either may die: what it has heard, what it has said, and how far both go back.

Everything said since the last committed cut stays in a log, by round. A peer that is started anew from that cut says how far it has heard
(``have``), gets the rest of the log, and says again what it said before; those repeated rounds are compared with the first copy before
they are dropped. Only the comparison shows a recovery that is wrong: a worker restored a little out of step produces the right trace in
most runs all the same. Keeping whole first copies instead of their checksums was rejected: it doubles the memory of the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from cluster.engine.frames import KINDS, Frame
from cluster.engine.link import Link, PeerGoneError
from cluster.errors import RunError


class Peer:
    """Another worker. ``have``: the last round heard from it; ``arrived``: rounds heard and not yet taken, in order.

    ``link`` is None while it is not there; ``lost`` is told when it ends. Without ``keeps`` nothing is logged, and a link's end is the
    peer's.
    """

    def __init__(self, rank: int, lost: Callable[[int], None], *, keeps: bool = False) -> None:
        self.rank = rank
        self.lost = lost
        self.keeps = keeps
        self.link: Link | None = None
        self.incarnation = -1
        self.have = 0
        self.arrived: deque[Frame] = deque()
        self.log_bytes = 0
        self.repeated = 0
        self._log: deque[bytes] = deque()
        self._log_from = 0
        self._heard: deque[int] = deque()
        self._heard_from = 0

    def begin(self, rounds: int) -> None:
        """This worker goes on after round ``rounds``: that is all it has heard. Before any link stands."""
        self.have = self._heard_from = self._log_from = rounds

    def attach(self, link: Link, have: int, incarnation: int) -> None:
        """A link stands; the peer has heard us up to round ``have`` and gets what came after."""
        if self.link is not None:
            self.link.close()
        self.link, self.incarnation = link, incarnation
        if self._log_from > have:
            raise RunError(
                f"worker {self.rank} asks for round {have + 1}, and what was said up to round {self._log_from} is not kept any more",
                key=f"worker {self.rank}",
                found=have + 1,
                allowed=f"{self._log_from + 1} or later",
            )
        for data in islice(self._log, have - self._log_from, None):
            self._write(data)

    def say(self, data: bytes) -> int:
        """Send a round's frame now, or as soon as the peer is there; how many bytes are kept for it."""
        self._write(data)
        if not self.keeps:
            return 0
        self._log.append(data)
        self.log_bytes += len(data)
        return len(data)

    def settled(self) -> bool:
        """Take and send what can be; true if the next round of this peer is here and everything of ours has left.

        Raises PeerGoneError without ``keeps``; RunError for nonsense.
        """
        link = self.link
        if link is None:
            return bool(self.arrived)
        try:
            sent = not link.unsent or link.flush()
            if not self.arrived and link.receive():
                self._take(link.arrived)
        except PeerGoneError:
            self.lose()
            self.lost(self.rank)
            if not self.keeps:
                raise
            return bool(self.arrived)
        return sent and bool(self.arrived)

    def commit(self, rounds: int) -> None:
        """A cut after round ``rounds`` is on disk everywhere: nobody will ask for what came before."""
        while self._log and self._log_from < rounds:
            self.log_bytes -= len(self._log.popleft())
            self._log_from += 1
        while self._heard and self._heard_from < rounds:
            self._heard.popleft()
            self._heard_from += 1

    def lose(self) -> None:
        """The link is no more."""
        if self.link is not None:
            self.link.close()
            self.link = None

    def _write(self, data: bytes) -> None:
        if self.link is None:
            return
        try:
            self.link.write(data)
        except PeerGoneError:
            if not self.keeps:
                raise
            # What the peer had sent before may still be readable: `settled` finds the end behind it.

    def _take(self, frames: deque[Frame]) -> None:
        """Sort what arrived: the next round, or one that is known already."""
        while frames:
            found = frames.popleft()
            if found.number == self.have + 1:
                self.have += 1
                self.arrived.append(found)
                if self.keeps:
                    self._heard.append(found.checksum)
            elif found.number <= self.have and self.keeps:
                self._compare(found)
            else:
                raise RunError(
                    f"worker {self.rank} sent round {found.number} where round {self.have + 1} was due",
                    key=f"worker {self.rank}",
                    found=found.number,
                    allowed=self.have + 1,
                )

    def _compare(self, again: Frame) -> None:
        """A round that is heard twice must be what it was; one from before the last committed cut is not remembered."""
        self.repeated += 1
        place = again.number - self._heard_from - 1
        if place >= 0 and self._heard[place] != again.checksum:
            raise RunError(
                f"worker {self.rank}, started anew, sent another {KINDS[again.kind]} in round {again.number} than the first time: "
                "its recovery is not exact",
                key=f"worker {self.rank}",
                found=again.checksum,
                allowed=self._heard[place],
            )
