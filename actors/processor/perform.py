"""The driver of durable threads: resumes a routine with an answer and performs the requests it makes.

One method per request, found by the request's type. A method returns the answer, or WAIT when a message will bring it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.actor import Handler, Port
from actors.home import Home
from actors.homes.maps import VmMap
from actors.homes.objects import VmObject
from actors.homes.pmaps import Pmap
from actors.kernel.requests import (
    Acquire,
    Again,
    Call,
    Compute,
    Create,
    Fill,
    FlushLocal,
    Forget,
    KernelPanic,
    Note,
    Pause,
    Post,
    Recall,
    Release,
    Remember,
    Request,
    SendIpis,
    SetSpace,
    SleepOn,
    StartTask,
    Translate,
)
from actors.processor.dispatch import Dispatcher
from actors.processor.thread import HISTORY_LIMIT, Thread
from protocol.identity import RENDEZVOUS, child_name
from protocol.locks import class_of
from protocol.messages import Message
from protocol.messages.locks import SPIN, TRY, TRY_SHARED, UPGRADE, LockRequest, Sleep, Unlock
from protocol.messages.processor import COMPUTE, INVLPG, INVLRNG, INVLTLB, RESUME, TIMEOUT, Arm, Ipi
from protocol.messages.space import Walk
from protocol.pages import PTE_M, PTE_RW
from protocol.records import (
    COMPUTE as COMPUTE_RECORD,
)
from protocol.records import (
    ENTER,
    IPI_SEND,
    LEAVE,
    LOCK_ACQUIRE,
    LOCK_FAIL,
    LOCK_RELEASE,
    SLEEP,
    TASK_FORK,
    TLB_EVICT,
    TLB_FILL,
    TLB_FLUSH,
)

CREATED: dict[str, Callable[..., Home]] = {"object": VmObject, "map": VmMap, "pmap": Pmap}
"""What a CPU can create, by the first word of its name."""

PAUSED = "pause"
"""What a pausing thread waits for."""

RECENT = 64
"""How many pages a task remembers for being touched again."""

WAIT = object()
"""The answer of a request that a message will answer."""


class Performer(Dispatcher, kw_only=True):
    """Runs routines and performs their requests."""

    def bind(self, port: Port) -> dict[type[Message], Handler]:
        """Attach to an engine."""
        self.performers: dict[type[Request], Callable[[Thread, Any], Any]] = {
            Call: self.do_call,
            Post: self.do_post,
            Acquire: self.do_acquire,
            Release: self.do_release,
            SleepOn: self.do_sleep,
            Compute: self.do_compute,
            Note: self.do_note,
            Create: self.do_create,
            Translate: self.do_translate,
            Fill: self.do_fill,
            FlushLocal: self.do_flush,
            SendIpis: self.do_ipis,
            SetSpace: self.do_space,
            StartTask: self.do_start_task,
            Pause: self.do_pause,
            Remember: self.do_remember,
            Recall: self.do_recall,
            Forget: self.do_forget,
        }
        return super().bind(port)

    # Driving --------------------------------------------------------------------------------------------------------------

    def start_routine(self, thread: Thread, routine: str, arguments: tuple[Any, ...]) -> None:
        """Begin a routine on the current thread."""
        thread.routine, thread.arguments, thread.answers, thread.started = routine, arguments, [], True
        thread.space = (thread.map, thread.pmap)
        self.coroutines[thread.tid] = self.tables.routines[routine](self.context(thread), *arguments)
        self._drive(thread, None, first=True)

    def resume(self, thread: Thread, answer: Any) -> None:
        """Go on with the current thread, now or when the interrupt under way has ended."""
        if self.clock.now < self.until_ns:
            thread.woke = answer
            self.set_timer(thread, RESUME, self.until_ns - self.clock.now)
        elif thread.started:
            self._drive(thread, answer)
        elif thread.routine:
            self.start_routine(thread, thread.routine, thread.arguments)
        else:
            self.next_step(thread)

    def _drive(self, thread: Thread, answer: Any, first: bool = False) -> None:
        send = self.coroutines[thread.tid].send
        answers, performers = thread.answers, self.performers
        try:
            while True:
                if first:
                    first = False
                else:
                    answers.append(answer)
                request = send(answer)
                answer = performers[type(request)](thread, request)
                if answer is WAIT:
                    self.requests[thread.tid] = request
                    return
        except StopIteration as stop:
            outcome = stop.value
        except KernelPanic as panic:
            self.panic(thread, str(panic))
            return
        self._ended(thread, outcome)

    def _ended(self, thread: Thread, outcome: Any) -> None:
        assert len(thread.answers) < HISTORY_LIMIT, f"{thread.routine} awaited more than {HISTORY_LIMIT} times"
        if isinstance(outcome, Again):
            self.start_routine(thread, outcome.routine, outcome.arguments)
            return
        thread.routine, thread.started = "", False
        self.coroutines.pop(thread.tid, None)
        self.operation_ended(thread)

    # Messages to homes ------------------------------------------------------------------------------------------------------

    def do_call(self, thread: Thread, request: Call) -> Any:
        """Send the operation; its Reply resumes the thread."""
        op = request.op
        op.thread, op.held = thread.tid, thread.held
        if type(op) is Walk:
            thread.walk_generation = self.tlb.generation
        self.port.send(request.to, op)
        if request.deschedule:
            self.deschedule(thread, f"{request.to} {op.word}")
        else:
            thread.waiting_since = -1
        return WAIT

    def do_post(self, thread: Thread, request: Post) -> Any:
        """Send the operation; nobody answers."""
        op = request.op
        op.thread, op.held, op.reply = thread.tid, thread.held, False
        self.port.send(request.to, op)
        return None

    # Locks ------------------------------------------------------------------------------------------------------------------

    def do_acquire(self, thread: Thread, request: Acquire) -> Any:
        """Ask the lock's home, unless the thread holds the lock already."""
        lock, mode = request.lock, request.mode
        if lock in thread.since and mode != UPGRADE:
            return self._reacquire(thread, lock, mode)
        thread.want, thread.want_mode, thread.contended = lock, mode, False
        thread.waiting_since = self.clock.now
        self.port.send(lock, LockRequest(thread.tid, mode))
        return WAIT

    def _reacquire(self, thread: Thread, lock: str, mode: int) -> Any:
        known = class_of(lock)
        if known.recursive:
            depth = thread.depths[lock] = thread.depths.get(lock, 0) + 1
            self.record((LOCK_ACQUIRE, thread.tid, lock, mode, thread.fence_of(lock), 0, depth + 1))
            return True
        if mode in (TRY, TRY_SHARED):
            self.record((LOCK_FAIL, thread.tid, lock, thread.tid))
            return False
        raise KernelPanic(f"_mtx_lock_sleep: recursed on non-recursive mutex {known.type} @ {lock}")

    def granted(self, thread: Thread, lock: str, fence: int) -> None:
        """The lock is the thread's from now on, whatever else the CPU is doing."""
        mode = thread.want_mode
        if mode == UPGRADE:
            thread.held = tuple((name, fence if name == lock else old) for name, old in thread.held)
        else:
            thread.held = (*thread.held, (lock, fence))
        now = self.clock.now
        thread.since[lock] = now
        waited_ns = now - thread.waiting_since if thread.contended else 0
        self.record((LOCK_ACQUIRE, thread.tid, lock, mode, fence, waited_ns, 1))
        if mode == SPIN:
            thread.spins += 1
        thread.waiting_since = -1
        thread.want = ""

    def do_release(self, thread: Thread, request: Release) -> Any:
        """Give a lock back. Leaving the last spin lock lets pending interrupts in."""
        lock = request.lock
        if thread.depths and thread.depths.get(lock):
            thread.depths[lock] -= 1
            self.record((LOCK_RELEASE, thread.tid, lock, thread.fence_of(lock), 0, thread.depths[lock] + 1))
            return None
        fence = self._drop(thread, lock)
        self.port.send(lock, Unlock(thread.tid, fence))
        if thread.spins and class_of(lock).spin:
            thread.spins -= 1
            if self.pending and not thread.spins:
                return self._interrupted(thread)
        return None

    def _interrupted(self, thread: Thread) -> Any:
        """Interrupts were waiting for the last spin lock to go: take them, and go on when they are over."""
        self.take_pending()
        if self.clock.now >= self.until_ns:
            return None
        thread.woke = None
        self.set_timer(thread, RESUME, self.until_ns - self.clock.now)
        return WAIT

    def _drop(self, thread: Thread, lock: str) -> int:
        """The thread no longer holds ``lock``; the fence it held it with."""
        since = thread.since.pop(lock, -1)
        if since < 0:
            raise KernelPanic(f"mutex {class_of(lock).type} not owned at {lock}")
        held = thread.held
        name, fence = held[-1]
        if name == lock:
            thread.held = held[:-1]
        else:
            fence = thread.fence_of(lock)
            thread.held = tuple(pair for pair in held if pair[0] != lock)
        self.record((LOCK_RELEASE, thread.tid, lock, fence, self.clock.now - since, 0))
        return fence

    # Sleeping and computing -------------------------------------------------------------------------------------------------

    def do_sleep(self, thread: Thread, request: SleepOn) -> Any:
        """msleep: the interlock's home enqueues the thread and releases the lock in one step."""
        lock = request.interlock
        fence = self._drop(thread, lock)
        self.record((SLEEP, thread.tid, request.chan, lock))
        self.port.send(lock, Sleep(thread.tid, request.chan, fence))
        thread.timed_out = False
        thread.stamp += 1
        if request.timeout_ns:
            self.set_timer(thread, TIMEOUT, request.timeout_ns)
        self.deschedule(thread, f"{lock} {request.chan}")
        if request.timeout_ns:
            thread.waiting_since = -1
        return WAIT

    def do_compute(self, thread: Thread, request: Compute) -> Any:
        """Spend time; interrupts steal from it."""
        if request.ns <= 0:
            return None
        self.record((COMPUTE_RECORD, thread.tid, request.what, request.ns))
        thread.computing, thread.stolen_ns = True, 0
        self.set_timer(thread, COMPUTE, request.ns)
        return WAIT

    def do_note(self, thread: Thread, request: Note) -> Any:
        """Record; ENTER and LEAVE get the locks held, and say what the thread is doing."""
        record = request.record
        if record[0] == ENTER:
            thread.doing.append(str(record[2]))
            record = (*record, self.held_names(thread))
        elif record[0] == LEAVE:
            thread.doing.pop()
            record = (*record, self.held_names(thread))
        self.record(record)
        return None

    # TLB and shootdown ------------------------------------------------------------------------------------------------------

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

    def do_flush(self, thread: Thread, request: FlushLocal) -> Any:
        """The initiator's own flush."""
        self.flush(request.pmap, request.start, request.end, "local")
        costs = self.machine.costs
        pages = request.end - request.start
        ns = costs.flush_all_ns if not pages else min(pages * costs.flush_page_ns, costs.flush_all_ns)
        return self.do_compute(thread, Compute("flush", ns))

    def flush(self, pmap: str, start: int, end: int, reason: str) -> None:
        """Drop translations; of another space than the loaded one there are none."""
        if pmap == self.loaded:
            if start == end:
                self.tlb.drop_all()
            else:
                self.tlb.drop_range(start, end)
        self.record((TLB_FLUSH, pmap, start, end, reason))

    def do_ipis(self, thread: Thread, request: SendIpis) -> Any:
        """Arm the rendezvous, interrupt the targets, spin. Interrupts stay disabled: the rendezvous lock is a spin lock."""
        targets = request.targets
        vector = INVLTLB if request.start == request.end else INVLPG if request.end - request.start == 1 else INVLRNG
        arm = Arm(len(targets))
        arm.thread, arm.held, arm.reply = thread.tid, thread.held, False
        self.port.send(RENDEZVOUS, arm)
        for cpu in targets:
            self.record((IPI_SEND, vector, cpu, request.pmap, request.start, request.end))
            self.port.interrupt(f"cpu.{cpu}", Ipi(vector, request.pmap, request.start, request.end))
        thread.want = "acknowledgements of " + ", ".join(f"cpu.{cpu}" for cpu in targets)
        thread.waiting_since = self.clock.now
        return WAIT

    # Actors, spaces, tasks --------------------------------------------------------------------------------------------------

    def do_create(self, thread: Thread, request: Create) -> Any:
        """Create a home here; its name says so."""
        kind = request.kind
        number = self.made[kind] = self.made.get(kind, 0) + 1
        name = child_name(kind, number, self.name)
        self.port.spawn(CREATED[kind](name=name, service_ns=self.machine.costs.service_ns, **request.fields))
        return name

    def do_space(self, thread: Thread, request: SetSpace) -> Any:
        """exec and exit: the thread has another address space."""
        thread.map, thread.pmap = request.map, request.pmap
        if request.pmap and request.pmap != self.loaded:
            self.load(request.pmap)
        return None

    def do_start_task(self, thread: Thread, request: StartTask) -> Any:
        """A child task begins on the CPU of its first step."""
        self.record((TASK_FORK, thread.task, request.task, request.how))
        self.send_task(request.task, 0, request.map, request.pmap)
        return None

    def do_pause(self, thread: Thread, request: Pause) -> Any:
        """Give the CPU up for a while."""
        self.set_timer(thread, TIMEOUT, request.ns)
        self.deschedule(thread, PAUSED)
        thread.waiting_since = -1
        return WAIT

    # Pages touched lately ---------------------------------------------------------------------------------------------------

    def do_remember(self, thread: Thread, request: Remember) -> Any:
        """The last RECENT pages are kept."""
        thread.recent.append((request.vpn, request.write))
        if len(thread.recent) > RECENT:
            del thread.recent[0]
        return None

    def do_recall(self, thread: Thread, request: Recall) -> Any:
        """Draw one of them."""
        if not thread.recent:
            return (-1, False)
        return thread.recent[self.port.stream("retouch").below(len(thread.recent))]

    def do_forget(self, thread: Thread, request: Forget) -> Any:
        """In every thread of the address space on this CPU; what threads elsewhere remember of it may fault, and is then dropped."""
        start, end = request.start, request.end
        for other in self.threads.values():
            if other.map == thread.map and other.recent:
                other.recent = [page for page in other.recent if not start <= page[0] < end]
        return None

    def next_step(self, thread: Thread) -> None:
        """Implemented by the stepper of tasks."""
        raise AssertionError("a performer has no workload")

    def operation_ended(self, thread: Thread) -> None:
        """Implemented by the stepper of tasks."""
        raise AssertionError("a performer has no workload")

    def send_task(self, task: int, index: int, space: str, pmap: str) -> None:
        """Implemented by the stepper of tasks."""
        raise AssertionError("a performer has no workload")

    def take_pending(self) -> None:
        """Implemented by the taker of interrupts."""
        raise AssertionError("a performer takes no interrupts")
