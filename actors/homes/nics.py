"""The network card (``nic.0``): sends pages without copying them, and interrupts the CPU that asked when one is sent (vm-facts 3.8).

Sends do not queue behind each other: what is studied is that the completion comes at some time of its own, not how fast a wire is.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors.home import Home
from protocol.messages import Message
from protocol.messages.device import DeviceTimer, NicDone, NicSend


class Sending(msgspec.Struct, array_like=True, gc=False):
    """A page on its way, and the CPU that waits to hear of it."""

    cpu: str
    frame: int


class NetworkCard(Home, kw_only=True):
    """Pages being sent, by the number of the send."""

    handlers: ClassVar[dict[type[Message], str]] = {**Home.handlers, NicSend: "begin_send", DeviceTimer: "sent"}

    number: int = 0
    sending: dict[int, Sending] = {}

    def begin_send(self, op: NicSend, sender: str) -> None:
        """A send begins."""
        self.number += 1
        self.sending[self.number] = Sending(sender, op.frame)
        self.port.timer(DeviceTimer(self.number), max(1, op.ns))
        self.answer(sender, op, None)

    def sent(self, message: DeviceTimer, sender: str) -> None:
        """A send is complete."""
        done = self.sending.pop(message.request)
        self.port.interrupt(done.cpu, NicDone(done.frame), self.service_ns)
