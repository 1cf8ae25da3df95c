"""A kernel thread as data (law 2).

What a thread is doing is (routine, arguments, answers awaited so far, the request it waits on): restoring re-runs the routine on the
answers and compares the request. The coroutine itself is therefore no state; it hangs beside the CPU's struct and is made anew after a
restore.
"""

from __future__ import annotations

import msgspec

from protocol.messages import Held, Value

# Where a thread is.
CURRENT, READY, BLOCKED, TIMED = range(4)
"""On the CPU; on the run queue; waiting for a lock, a wake-up or a device; waiting for its next operation's time."""

HISTORY_LIMIT = 1 << 20
"""A routine that awaits more often than this must end a step with Again."""


class Thread(msgspec.Struct, gc=True):
    """One kernel thread, bound to the CPU that holds it until an operation ends."""

    tid: int
    task: int = -1
    """Index of the workload's task, -1 for a kernel thread."""
    index: int = 0
    """The task's next step, or the one under way."""
    map: str = ""
    pmap: str = ""
    state: int = TIMED
    routine: str = ""
    """What it executes; "" between operations."""
    started: bool = False
    """False while the routine has not run yet: there is no coroutine to make again."""
    arguments: tuple[Value, ...] = ()
    doing: list[str] = []
    """Kernel routines entered and not yet left, outermost first: what a person calls it."""
    space: tuple[str, str] = ("", "")
    """(map, pmap) when the routine began: exec changes them under way."""
    found: tuple[tuple[str, int], ...] = ()
    """(lock, extra depth) of those held when the routine began."""
    answers: list[Value] = []
    pending: bytes = b""
    """The encoded request it waits on; filled in for a snapshot."""
    held: Held = ()
    """Locks, in order of acquisition, with their fences."""
    depths: dict[str, int] = {}
    """Extra depth of recursively held locks."""
    since: dict[str, int] = {}
    """When each held lock was acquired."""
    spins: int = 0
    """Spin locks held: interrupts are disabled while it is not 0."""
    want: str = ""
    """The lock, channel or device it waits for, in words."""
    want_mode: int = 0
    waiting_since: int = -1
    contended: bool = False
    memory_waits: int = 0
    """How often it has waited for memory since it last came out of a routine."""
    stamp: int = 0
    """Number of the timer that may wake it; older ones are stale."""
    timed_out: bool = False
    woke: Value = None
    """The answer it will run on when it gets the CPU again."""
    computing: bool = False
    stolen_ns: int = 0
    recent: list[tuple[int, bool]] = []
    """Pages touched lately, (vpn, write), oldest first: what ``workload.retouch`` draws from."""
    forms: dict[str, str] = {}
    """Forms of changes that are no more in force, with which what it is doing was begun: it is also ended with them (a fork's)."""
    walk_generation: int = 0
    """Generation of the TLB when the last walk was asked."""

    def fence_of(self, lock: str) -> int:
        """The grant number with which the thread holds ``lock``, or 0 if it does not."""
        for name, fence in self.held:
            if name == lock:
                return fence
        return 0
