"""Interrupts: shootdown handlers, device completions, injected stalls.

An interrupt steals time from whatever computes. It is taken at once while interrupts are enabled; while a spin lock is held it waits on a
list and is taken at the release. A handler flushes when it begins and acknowledges when it ends; what else the CPU does comes after its
end (engine notes 5).
"""

from __future__ import annotations

from actors.processor.hardware import Hardware
from protocol.identity import RENDEZVOUS
from protocol.messages.device import NicDone, PagerDone
from protocol.messages.faults import DeviceInterrupt
from protocol.messages.processor import INVLTLB, LAZYPMAP, Ipi, IpiAck, IpiDone, Stall
from protocol.records import IPI_DELIVER, STALLED


class Interrupts(Hardware, kw_only=True):
    """Takes interrupts."""

    def interrupts_disabled(self) -> bool:
        """A spin lock is held by the thread on this CPU."""
        return self.current != -1 and self.threads[self.current].spins > 0

    def ipi(self, message: Ipi, sender: str) -> None:
        """A shootdown's interrupt arrives."""
        if self.interrupts_disabled():
            self.pending.append((sender, message))
        else:
            self._shootdown(message, sender)

    def _shootdown(self, message: Ipi, sender: str) -> None:
        self.record((IPI_DELIVER, message.vector, sender))
        costs = self.machine.costs
        if message.vector == LAZYPMAP:
            self._steal(costs.interrupt_ns)
            self.unload(message.pmap)
            self.port.send(RENDEZVOUS, IpiAck(), self.until_ns - self.clock.now)
            return
        pages = message.end - message.start
        flush_ns = costs.flush_all_ns if message.vector == INVLTLB else pages * costs.flush_page_ns
        self._steal(costs.interrupt_ns + flush_ns)
        self.flush(message.pmap, message.start, message.end, "ipi")
        self.port.send(RENDEZVOUS, IpiAck(), self.until_ns - self.clock.now)

    def _steal(self, cost_ns: int) -> None:
        now = self.clock.now
        self.until_ns = max(now, self.until_ns) + cost_ns
        if self.current != -1:
            thread = self.threads[self.current]
            if thread.computing:
                thread.stolen_ns += cost_ns

    def device_done(self, message: PagerDone | NicDone, sender: str) -> None:
        """A device has finished: an interrupt thread takes note of it, ahead of everything that is ready."""
        if self.interrupts_disabled():
            self.pending.append((sender, message))
        else:
            self._completion(message)

    def _completion(self, message: PagerDone | NicDone) -> None:
        self._steal(self.machine.costs.interrupt_ns)
        if isinstance(message, NicDone):
            thread = self.new_kernel_thread("nic_done", (message.frame,))
        else:
            thread = self.new_kernel_thread("pager_done", (message.object, message.pages, message.ok))
        self.ready(thread, front=True)

    def take_pending(self) -> None:
        """Interrupts are enabled again: take those that waited, in order."""
        waiting, self.pending = self.pending, []
        for sender, message in waiting:
            self._take(message, sender)

    def _take(self, message: Ipi | PagerDone | NicDone | DeviceInterrupt, sender: str) -> None:
        if isinstance(message, Ipi):
            self._shootdown(message, sender)
        elif isinstance(message, DeviceInterrupt):
            self._steal(self.machine.costs.interrupt_ns)
        else:
            self._completion(message)

    def ipi_done(self, message: IpiDone, sender: str) -> None:
        """Every target has acknowledged: the spinning initiator goes on."""
        thread = self.threads[message.thread]
        spun_ns = self.clock.now - thread.waiting_since
        thread.waiting_since = -1
        thread.want = ""
        self.resume(thread, spun_ns)

    def stall(self, message: Stall, sender: str) -> None:
        """A fault: this CPU does nothing for a while. (How slow it is makes no difference to that.)"""
        self.record((STALLED, message.duration_ns))
        Interrupts._steal(self, message.duration_ns)
