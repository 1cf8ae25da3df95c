"""The rendezvous of TLB shootdowns (``smp``): the spin lock that lets one be in flight, and the count of acknowledgements (vm-facts 3.15).

The count lives here and not with the initiator, whose CPU only spins: that is the kernel's wait_count. Links have different latencies, so
an acknowledgement may come before the initiator's Arm; it counts all the same.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home
from protocol.messages import Message
from protocol.messages.processor import Arm, IpiAck, IpiDone
from protocol.records import SHOOT_ACK, SHOOT_ARM


class Rendezvous(Home, kw_only=True):
    """The home of the smp_ipi lock."""

    handlers: ClassVar[dict[type[Message], str]] = {**Home.handlers, Arm: "arm", IpiAck: "ack"}

    remaining: int = 0
    """Acknowledgements still to come; negative: come before their Arm."""
    initiator: str = ""
    """The CPU that spins, "" when none does."""
    thread: int = -1

    def arm(self, op: Arm, sender: str) -> None:
        """A shootdown begins: so many CPUs were sent an interrupt."""
        if not self.holds(op):
            self.unguarded(op, "wait_count")
        self.initiator, self.thread = sender, op.thread
        self.remaining += op.targets
        self.record((SHOOT_ARM, op.targets))
        self.answer(sender, op, None)
        self._release_spinner()

    def ack(self, message: IpiAck, sender: str) -> None:
        """A target has flushed."""
        self.remaining -= 1
        self.record((SHOOT_ACK, int(sender.split(".")[1]), self.remaining))
        self._release_spinner()

    def _release_spinner(self) -> None:
        if self.initiator and self.remaining <= 0:
            initiator, thread = self.initiator, self.thread
            self.initiator, self.thread, self.remaining = "", -1, 0
            self.tell(initiator, IpiDone(thread))
