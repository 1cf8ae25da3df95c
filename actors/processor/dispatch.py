"""The dispatcher: which thread is on the CPU, and whose address space is loaded.

The dispatcher, not the operation, switches address spaces: whatever thread gets the CPU finds its page table loaded. A kernel-only thread
loads nothing and borrows what is there (lazy switching), so shootdowns still reach this CPU.

A switch is recorded when the next thread gets the CPU, and names the one that gave it up, however long the CPU was idle between: whatever
that one holds, it has waited with. A record of its own where a thread begins to wait was rejected: one more for each wait, to say the same.

R03, the order of pm_active against the load. Closed (``set-load-clear``): the new space's bit is posted, then the table is loaded, then
the old bit is cleared. The new space's home sees the bit before any walk, for both travel on one FIFO link, and the TLB is dropped before
the old bit goes. Open (``clear-set-load``): three unordered steps, of which the store of the new bit may become visible last, after the
first walks through the new table.
"""

from __future__ import annotations

from actors.processor.driver import Driver
from actors.processor.thread import BLOCKED, CURRENT, READY, TIMED, Thread
from protocol.messages.processor import ACTIVATE, SWITCHED, Timer
from protocol.messages.space import SetActive
from protocol.records import SWITCH, TLB_FLUSH

STORE_VISIBLE_NS = 60
"""How long an unordered store of a pm_active bit may stay in the store buffer (R03 open)."""


class Dispatcher(Driver, kw_only=True):
    """Run queue, context switches, address-space loads."""

    def ready(self, thread: Thread, front: bool = False) -> None:
        """The thread can run: queue it, and switch if the CPU is idle or only waits in user mode."""
        thread.state = READY
        if front:
            self.run_queue.insert(0, thread.tid)
        else:
            self.run_queue.append(thread.tid)
        self.maybe_switch()

    def maybe_switch(self) -> None:
        """Put the next ready thread on the CPU if the CPU has nothing better to do."""
        if self.switching or not self.run_queue:
            return
        if self.current != -1 and self.threads[self.current].state == CURRENT:
            return
        thread = self.threads[self.run_queue.pop(0)]
        old = self.current
        thread.state = CURRENT
        self.current = thread.tid
        if old == thread.tid:
            self.resume(thread, thread.woke)
            return
        self.switching = True
        self.record((SWITCH, old if old != -1 else self.gave_up, thread.tid, thread.pmap or self.loaded))
        self.gave_up = -1
        self._arm_switch(self.machine.costs.switch_ns)

    def _arm_switch(self, cost_ns: int) -> None:
        busy_ns = max(0, self.until_ns - self.clock.now)
        self.port.timer(Timer(SWITCHED, self.current, 0), busy_ns + cost_ns)

    def switched(self) -> None:
        """The switch is done: load the space, and go on with what the thread was waiting for."""
        if self.clock.now < self.until_ns:
            self._arm_switch(0)
            return
        self.switching = False
        thread = self.threads[self.current]
        if thread.pmap and thread.pmap != self.loaded:
            self.load(thread.pmap)
        self.resume(thread, thread.woke)

    def load(self, pmap: str) -> None:
        """Load an address space, in the order of R03's form."""
        old = self.loaded
        if self.tables.kernel["R03"] == "set-load-clear":
            self.port.send(pmap, SetActive(self.index, True, reply=False))
            self._load_table(pmap)
            if old:
                self.port.send(old, SetActive(self.index, False, reply=False))
            return
        if old:
            self.port.send(old, SetActive(self.index, False, reply=False))
        self._load_table(pmap)
        self.port.timer(Timer(ACTIVATE, self.current, 0), STORE_VISIBLE_NS)

    def activate_late(self) -> None:
        """R03 open: the bit of the space loaded a while ago becomes visible now."""
        if self.loaded:
            self.port.send(self.loaded, SetActive(self.index, True, reply=False))

    def _load_table(self, pmap: str) -> None:
        self.loaded = pmap
        self.tlb.drop_all()
        self.record((TLB_FLUSH, "", 0, 0, "load"))

    def unload(self, pmap: str) -> None:
        """Load the kernel's own table, if it is this space's that is loaded: what is borrowed must not outlive its owner (pmap_lazyfix)."""
        if self.loaded == pmap:
            self._load_table("")
            self.port.send(pmap, SetActive(self.index, False, reply=False))

    def deschedule(self, thread: Thread, want: str) -> None:
        """The current thread must wait: take it off the CPU."""
        thread.state = BLOCKED
        thread.want = want
        thread.waiting_since = self.clock.now
        if self.current == thread.tid and not self.switching:
            self.current, self.gave_up = -1, thread.tid
        self.maybe_switch()

    def wake(self, thread: Thread, answer: object) -> None:
        """What a descheduled thread waited for has come."""
        thread.woke = answer  # type: ignore[assignment]
        thread.waiting_since = -1
        thread.want = ""
        self.ready(thread)

    def leave_cpu(self, thread: Thread) -> None:
        """The thread goes away (migrated or ended)."""
        del self.threads[thread.tid]
        self.coroutines.pop(thread.tid, None)
        if self.current == thread.tid:
            self.current = -1
        if self.gave_up == thread.tid:
            self.gave_up = -1
        self.maybe_switch()

    def user_mode(self, thread: Thread) -> None:
        """Between two operations: the thread keeps the CPU unless somebody else is ready."""
        thread.state = TIMED
        self.maybe_switch()
