"""Requests of the hardware: computing, translating, flushing, interrupting other CPUs.

A walk's answer enters the TLB only if no invalidation and no load of another table came after the walk was asked.
"""

from __future__ import annotations

from typing import Any, ClassVar

from actors.kernel.requests import (
    Compute,
    Fill,
    FillWindow,
    FlushLocal,
    LeaveLazy,
    Pause,
    Request,
    SendIpis,
    SetSpace,
    Translate,
    TranslateWindow,
)
from actors.processor.dispatch import Dispatcher
from actors.processor.driver import WAIT
from actors.processor.thread import Thread
from protocol.identity import RENDEZVOUS, cpu_name
from protocol.messages.processor import COMPUTE, INVLPG, INVLRNG, INVLTLB, LAZYPMAP, TIMEOUT, Arm, Ipi
from protocol.pages import PTE_M, PTE_RW
from protocol.records import COMPUTE as COMPUTE_RECORD
from protocol.records import IPI_SEND, TLB_EVICT, TLB_FILL, TLB_FLUSH, WINDOW_FILL

PAUSED = "pause"
"""What a pausing thread waits for."""


class Hardware(Dispatcher, kw_only=True):
    """Time, TLB and outgoing interrupts."""

    requests_by: ClassVar[dict[type[Request], str]] = {
        Compute: "do_compute",
        Pause: "do_pause",
        Translate: "do_translate",
        Fill: "do_fill",
        TranslateWindow: "do_translate_window",
        FillWindow: "do_fill_window",
        FlushLocal: "do_flush",
        SendIpis: "do_ipis",
        SetSpace: "do_space",
        LeaveLazy: "do_leave",
    }

    def do_compute(self, thread: Thread, request: Compute) -> Any:
        """Spend time; interrupts steal from it."""
        if request.ns <= 0:
            return None
        self.record((COMPUTE_RECORD, thread.tid, request.what, request.ns))
        thread.computing, thread.stolen_ns = True, 0
        self.set_timer(thread, COMPUTE, request.ns)
        return WAIT

    def do_pause(self, thread: Thread, request: Pause) -> Any:
        """Give the CPU up for a while."""
        self.set_timer(thread, TIMEOUT, request.ns)
        self.deschedule(thread, PAUSED)
        thread.waiting_since = -1
        return WAIT

    def do_translate(self, thread: Thread, request: Translate) -> Any:
        """The TLB, as the hardware asks it."""
        entry = self.tlb.entries.get(request.vpn)
        if entry is None:
            return -1
        frame, bits = entry
        if request.write and (bits & (PTE_RW | PTE_M)) != (PTE_RW | PTE_M):
            return -1
        return frame

    def do_fill(self, thread: Thread, request: Fill) -> Any:
        """A walk's answer enters, unless it is older than an invalidation."""
        if thread.walk_generation != self.tlb.generation or self.loaded != thread.pmap:
            return False
        evicted = self.tlb.fill(request.vpn, request.frame, request.bits)
        if evicted >= 0:
            self.record((TLB_EVICT, self.loaded, evicted))
        self.record((TLB_FILL, self.loaded, request.vpn, request.frame, request.bits))
        return True

    def do_translate_window(self, thread: Thread, request: TranslateWindow) -> Any:
        """The same for a kernel window."""
        return self.tlb.windows.get(request.window, -1)

    def do_fill_window(self, thread: Thread, request: FillWindow) -> Any:
        """Who points a window, or holds the lock under which it is pointed, fills it: no invalidation can come between."""
        self.tlb.windows[request.window] = request.frame
        self.record((WINDOW_FILL, request.window, request.frame))
        return None

    def do_flush(self, thread: Thread, request: FlushLocal) -> Any:
        """The initiator's own flush."""
        self.flush(request.pmap, request.start, request.end, "local")
        costs = self.machine.costs
        pages = request.end - request.start
        ns = costs.flush_all_ns if not pages else min(pages * costs.flush_page_ns, costs.flush_all_ns)
        return self.do_compute(thread, Compute("flush", ns))

    def flush(self, pmap: str, start: int, end: int, reason: str) -> None:
        """Drop translations; of another space than the loaded one there are none, but of a kernel window."""
        if pmap == self.loaded:
            if start == end:
                self.tlb.drop_all()
            else:
                self.tlb.drop_range(start, end)
        else:
            self.tlb.windows.pop(pmap, None)
        self.record((TLB_FLUSH, pmap, start, end, reason))

    def do_ipis(self, thread: Thread, request: SendIpis) -> Any:
        """Arm the rendezvous, interrupt the targets, spin. Interrupts stay disabled: the rendezvous lock is a spin lock."""
        vector = INVLTLB if request.start == request.end else INVLPG if request.end - request.start == 1 else INVLRNG
        return self._interrupt(thread, vector, request.pmap, request.start, request.end, request.targets)

    def _interrupt(self, thread: Thread, vector: int, pmap: str, start: int, end: int, targets: tuple[int, ...]) -> Any:
        arm = Arm(len(targets))
        arm.thread, arm.held, arm.reply = thread.tid, thread.held, False
        self.port.send(RENDEZVOUS, arm)
        for cpu in targets:
            self.record((IPI_SEND, vector, cpu, pmap, start, end))
            self.port.interrupt(cpu_name(cpu), Ipi(vector, pmap, start, end))
        thread.want = "acknowledgements of " + ", ".join(f"cpu.{cpu}" for cpu in targets)
        thread.waiting_since = self.clock.now
        return WAIT

    def do_leave(self, thread: Thread, request: LeaveLazy) -> Any:
        """The address space is gone. Whoever has it loaded only because nothing else was asked for since loads the kernel's own table."""
        if request.cpu == self.index:
            thread.pmap = "" if thread.pmap == request.pmap else thread.pmap
            self.unload(request.pmap)
            return None
        return self._interrupt(thread, LAZYPMAP, request.pmap, 0, 0, (request.cpu,))

    def do_space(self, thread: Thread, request: SetSpace) -> Any:
        """exec and exit: the thread has another address space, in which it has touched nothing yet."""
        thread.map, thread.pmap = request.map, request.pmap
        thread.recent = []
        if request.pmap and request.pmap != self.loaded:
            self.load(request.pmap)
        return None
