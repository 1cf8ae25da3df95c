"""The reader: lines in, happenings out, and every line that is none of them goes to the ledger with its reason.

A line tells twice: what it says, and what it betrays about the same task's earlier lines (a fault that slept, a call that ended, a child
that is a thread). The second part is :meth:`Sightings._touch`. Order is the file's; nothing here knows what an address space is.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.intake import perf_lines as perf
from cluster.intake.births import LOADER_SYMBOLS, Births, Sight
from cluster.intake.happenings import Born, Called, Existed, Exited, Faulted, Happening
from cluster.intake.host import HostAnswer
from cluster.intake.ledger import Ledger
from cluster.intake.open_recording import ALLOWED, Recording
from cluster.intake.perf_lines import Line

COLD_NS_MAX = 300_000
"""A task that sleeps within this time after a fault on a file waited for the disk."""
CPUS_MAX = 8192
"""Linux's largest NR_CPUS; a greater number is a damaged line."""
BEFORE = ("munmap", "mprotect", "madvise")
"""Calls that take effect, for the order of things, where they begin: what they remove can be reused before they return."""
AFTER = ("mmap", "mremap", "brk")
"""Calls that take effect where they return: nobody can use what they make before."""

Handler = Callable[[int, Line], None]


class Sightings:
    """Reads a recording. ``happenings``, ``host``, ``cpus``, ``first_ns``, ``last_ns`` and ``rich`` are its findings."""

    def __init__(self, recording: Recording, ledger: Ledger) -> None:
        self.recording = recording
        self.ledger = ledger
        self.happenings: list[Happening] = []
        self.births = Births(self.happenings)
        self.host = HostAnswer()
        self.cpus = 1
        self.first_ns = self.last_ns = 0
        self.rich = False
        self._announced: dict[int, Born] = {}
        self._handlers = self._table()

    def _table(self) -> dict[str, Handler]:
        table: dict[str, Handler] = {
            "exceptions:page_fault_user": self._fault,
            "exceptions:page_fault_kernel": self._fault,
            "sched:sched_switch": self._switch,
            "sched:sched_process_fork": self._fork,
            "task:task_newtask": self._newtask,
            "sched:sched_process_exec": self._exec,
            "sched:sched_process_exit": self._exit,
            "mmap:exit_mmap": self._exit_mmap,
            "tlb:tlb_flush": self._flush,
            "PERF_RECORD_MMAP2": self._region,
            "PERF_RECORD_LOST": self._lost,
        }
        table.update({f"syscalls:sys_enter_{call}": self._enter for call in BEFORE + AFTER})
        table.update({f"syscalls:sys_exit_{call}": self._return for call in BEFORE + AFTER})
        return table

    def read(self) -> list[Happening]:
        """All happenings. Raises InputError if the text is no recording or its time runs backwards."""
        handlers, other, known = self._handlers, self._other, False
        for number, text in enumerate(self.recording, 1):
            line = perf.parse(text)
            if line is None or line.cpu >= CPUS_MAX:
                self.ledger.ignore(_unread(text))
                continue
            known = True
            if line.time_ns != self.last_ns:
                self._advance(number, line)
            if line.cpu >= self.cpus:
                self.cpus = line.cpu + 1
            handlers.get(line.event, other)(number, line)
        if not known:
            raise self.recording.refuse("not a perf recording", f"none of {self.recording.lines} lines is one of perf script's")
        self._finish()
        return self.happenings

    def _advance(self, number: int, line: Line) -> None:
        if line.time_ns < self.last_ns:
            raise self.recording.refuse(
                f"line {number}: time runs backwards",
                f"{line.time_ns} ns after {self.last_ns} ns",
                number,
                "lines in the order of their times, as perf script prints them" if self.last_ns else ALLOWED,
            )
        self.first_ns = self.first_ns or line.time_ns
        self.last_ns = line.time_ns

    def _finish(self) -> None:
        for sight in self.births.sights.values():
            self._end_call(sight)
            self._drop_exec(sight)
        self.births.decide()
        if self.recording.cut:
            self.ledger.ignore("cut-line")

    # What a line betrays about its task --------------------------------------------------------------------------------------

    def _touch(self, number: int, line: Line, tid: int, own: bool = True, user: bool = False, slept: bool = False) -> Sight:
        """``own``: the task does something itself; ``user``: it was in user mode at the time; ``slept``: it goes to sleep in state D."""
        sight = self.births.sight(line, tid)
        if not sight.seen and line.tid == tid:
            self.births.child_seen(line, sight)
        if sight.watched is not None and own:
            self.births.parent_seen(number, line, sight, slept)
        if sight.fault is not None:
            sight.fault.cold = slept and line.time_ns - sight.fault.time_ns <= COLD_NS_MAX
            sight.fault = None
        if line.tid == tid:
            sight.name = line.comm.strip()
        if user:
            self._drop_exec(sight)
            sight.comm = sight.name
        elif sight.executing is None and sight.name != sight.comm and not sight.exited:
            self.births.begin_exec(number, line, sight, tid)
        return sight

    def _drop_exec(self, sight: Sight) -> None:
        """What looked like an exec was none: the task is still, or again, in user mode."""
        if sight.executing is not None:
            if sight.executing.regions:
                self.ledger.ignore("repeat", len(sight.executing.regions))
                sight.executing.regions.clear()
            sight.executing = None

    def _end_call(self, sight: Sight) -> None:
        """A call's end was not seen. One that took effect where it began is taken to have succeeded."""
        if sight.call is not None:
            if sight.call.name in AFTER:
                self.ledger.ignore("unfinished-call", sight.call.lines)
            sight.call = None

    # What a line says --------------------------------------------------------------------------------------------------------

    def _other(self, number: int, line: Line) -> None:
        group = line.event.partition(":")[0]
        if group == "irq_vectors" and "call_function" in line.event:
            self.host.interrupt(line)
        elif group in ("csd", "ipi"):
            self.rich = True
            if group == "csd":
                self.host.request(line)
        elif group.startswith("PERF_RECORD_"):
            self.ledger.ignore("perf-record")
            return
        else:
            self.ledger.ignore("unknown-event")
            return
        self.ledger.ignore("host-answer")

    def _flush(self, number: int, line: Line) -> None:
        self.host.flush(line)
        self.ledger.ignore("host-answer")
        if line.tid > 0:
            self._touch(number, line, line.tid, own=False)

    def _lost(self, number: int, line: Line) -> None:
        self.ledger.account.lost += perf.lost_events(line)
        self.ledger.ignore("lost")

    def _switch(self, number: int, line: Line) -> None:
        found = perf.switched_out(line)
        self.ledger.ignore("scheduling" if found else "unreadable")
        if found and found[0] > 0:
            # State R: it was preempted, which is none of its doing.
            self._touch(number, line, found[0], own=not found[1].startswith("R"), slept=found[1].startswith("D"))

    def _fault(self, number: int, line: Line) -> None:
        found = perf.fault(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(_reason(found, line))
            return
        address, symbol, code = found
        sight = self._touch(number, line, line.tid, user=line.event.endswith("_user"))
        if sight.executing is None and not sight.exited and symbol in LOADER_SYMBOLS:
            self.births.begin_exec(number, line, sight, line.tid)
        if line.event.endswith("_user"):
            self._end_call(sight)
        sight.fault = Faulted(number, line.time_ns, line.cpu, line.pid, line.tid, address, code, symbol)
        self.happenings.append(sight.fault)

    def _enter(self, number: int, line: Line) -> None:
        name = line.event[len("syscalls:sys_enter_") :]
        arguments = perf.arguments(line)
        if len(arguments) < (6 if name == "mmap" else 1 if name == "brk" else 2 if name == "munmap" else 3) or line.tid <= 0:
            self.ledger.ignore(_reason(arguments if line.tid <= 0 else None, line))
            return
        sight = self._touch(number, line, line.tid, user=True)
        self._end_call(sight)
        sight.call = Called(number, line.time_ns, line.cpu, line.pid, line.tid, name, arguments, begin_ns=line.time_ns)
        if name in BEFORE:
            self.happenings.append(sight.call)

    def _return(self, number: int, line: Line) -> None:
        name = line.event[len("syscalls:sys_exit_") :]
        result = perf.returned(line)
        if result is None or line.tid <= 0:
            self.ledger.ignore(_reason(result, line))
            return
        sight = self._touch(number, line, line.tid, user=True)
        call = sight.call
        if call is None or call.name != name:
            self._end_call(sight)
            self.ledger.ignore("no-enter")
            return
        call.result, sight.call = result, None
        call.lines += 1
        call.time_ns = line.time_ns
        if name in AFTER:
            self.happenings.append(call)

    def _region(self, number: int, line: Line) -> None:
        self.rich = True
        region = perf.region(line)
        if region is None:
            self.ledger.ignore("unreadable")
        elif line.time_ns == 0:
            self.happenings.append(Existed(number, 0, line.cpu, region.pid, region.tid, region))
        else:
            self._region_made(number, line, region)

    def _region_made(self, number: int, line: Line, region: perf.Region) -> None:
        sight = self._touch(number, line, region.tid)
        call = sight.call
        if call is not None:
            if call.name == "mmap" and call.region is None and region.inode:
                call.region = region
                call.lines += 1
            else:
                self.ledger.ignore("repeat")
            return
        if sight.executing is None:
            self.births.begin_exec(number, line, sight, region.tid)
        assert sight.executing is not None
        sight.executing.regions.append((number, region))

    def _newtask(self, number: int, line: Line) -> None:
        self.rich = True
        found = perf.new_task(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(_reason(found, line))
            return
        sight = self._touch(number, line, line.tid, user=True)
        self._announced[found[0]] = self.births.born(number, line, sight, *found)

    def _fork(self, number: int, line: Line) -> None:
        found = perf.forked(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(_reason(found, line))
            return
        announced = self._announced.pop(found[0], None)
        if announced is not None and announced.tid == line.tid:
            announced.lines += 1
            return
        sight = self._touch(number, line, line.tid, user=True)
        self.births.born(number, line, sight, found[0], None)

    def _exec(self, number: int, line: Line) -> None:
        found = perf.executed(line)
        if found is None:
            self.ledger.ignore("unreadable")
            return
        sight = self._touch(number, line, found[0])
        self.births.end_exec(number, line, sight, found[1])

    def _exit(self, number: int, line: Line) -> None:
        found = perf.exited(line)
        if found is None:
            self.ledger.ignore("unreadable")
            return
        tid, group_dead = found
        sight = self._touch(number, line, tid)
        if sight.exited:
            self.ledger.ignore("duplicate")
            return
        self._drop_exec(sight)
        self.births.leaves(sight)
        sight.exited = True
        pid = line.pid if line.tid == tid else tid
        self.happenings.append(Exited(number, line.time_ns, line.cpu, pid, tid, bool(group_dead)))

    def _exit_mmap(self, number: int, line: Line) -> None:
        self.rich = True
        self.ledger.ignore("space-end")
        if line.tid > 0:
            sight = self._touch(number, line, line.tid)
            if sight.executing is None and not sight.exited:
                self.births.begin_exec(number, line, sight, line.tid)


def _unread(text: str) -> str:
    """Why a line that is none of perf script's is passed over."""
    stripped = text.strip()
    if not stripped:
        return "blank"
    return "comment" if stripped.startswith("#") else "unreadable"


def _reason(found: object, line: Line) -> str:
    """Why an event of nobody is passed over."""
    if found is None:
        return "unreadable"
    return "idle-task" if line.tid == 0 else "no-task"
