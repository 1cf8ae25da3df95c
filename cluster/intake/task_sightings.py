"""What a task does to its address space: faults, calls and mapping lines; and what each line betrays about the same task's earlier ones.

A line tells twice. :meth:`TaskSightings.touch` is the second telling: a fault whose task then slept was hard, a call whose task is back in
user mode has ended, a child whose line has another pid is no thread. It is called for every line of a task, before the line itself is
looked at.
"""

from __future__ import annotations

from cluster.intake import perf_lines as perf
from cluster.intake.births import LOADER_SYMBOLS, Births, Sight
from cluster.intake.happenings import Called, Existed, Faulted, Happening
from cluster.intake.ledger import Ledger
from cluster.intake.perf_lines import Line

COLD_NS_MAX = 300_000
"""A task that sleeps within this time after a fault on a file waited for the disk."""
BEFORE = ("munmap", "mprotect", "madvise")
"""Calls that take effect, for the order of things, where they begin: what they remove can be reused before they return."""
AFTER = ("mmap", "mremap", "brk")
"""Calls that take effect where they return: nobody can use what they make before."""
ARGUMENTS_MIN = {"mmap": 6, "munmap": 2, "mprotect": 3, "madvise": 3, "mremap": 3, "brk": 1}
ENTER, RETURN = "syscalls:sys_enter_", "syscalls:sys_exit_"


class TaskSightings:
    """The part of the reader that knows tasks. ``happenings`` grows in the order of the lines."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.happenings: list[Happening] = []
        self.births = Births(self.happenings)
        self.rich = False

    def touch(self, number: int, line: Line, tid: int, own: bool = True, user: bool = False, slept: bool = False) -> Sight:
        """``own``: the task does something itself; ``user``: it was in user mode at the time; ``slept``: it goes to sleep in state D."""
        sight = self.births.sight(line, tid)
        if not sight.seen and line.tid == tid:
            self.births.child_seen(line, sight)
        if sight.watched is not None and own:
            self.births.parent_seen(number, line, sight, slept)
        if sight.fault is not None:
            sight.fault.cold = slept and line.time_ns - sight.fault.time_ns <= COLD_NS_MAX
            sight.fault = None
        if line.tid == tid and not sight.exited:
            sight.name = line.comm.strip()
        if user:
            self._drop_exec(sight)
            sight.comm = sight.name
        elif sight.executing is None and sight.name != sight.comm and not sight.exited:
            self.births.begin_exec(number, line, sight, tid)
        return sight

    def _close(self, tid: int) -> None:
        """Nothing more will be seen of the task that has this tid."""
        sight = self.births.sights.get(tid)
        if sight is not None:
            self._end_call(sight)
            self._drop_exec(sight)

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

    def _fault(self, number: int, line: Line) -> None:
        found = perf.fault(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(reason_of(found, line))
            return
        address, symbol, code = found
        sight = self.touch(number, line, line.tid, user=line.event.endswith("_user"))
        if sight.executing is None and not sight.gone and symbol in LOADER_SYMBOLS:
            self.births.begin_exec(number, line, sight, line.tid)
        if line.event.endswith("_user"):
            self._end_call(sight)
        sight.fault = Faulted(number, line.time_ns, line.cpu, line.pid, line.tid, address, code, symbol)
        self.happenings.append(sight.fault)

    def _enter(self, number: int, line: Line) -> None:
        name = line.event[len(ENTER) :]
        arguments = perf.arguments(line)
        if len(arguments) < ARGUMENTS_MIN[name] or line.tid <= 0:
            self.ledger.ignore(reason_of(arguments if line.tid <= 0 else None, line))
            return
        sight = self.touch(number, line, line.tid, user=True)
        self._end_call(sight)
        sight.call = Called(number, line.time_ns, line.cpu, line.pid, line.tid, name, arguments, begin_ns=line.time_ns)
        if name in BEFORE:
            self.happenings.append(sight.call)

    def _return(self, number: int, line: Line) -> None:
        name = line.event[len(RETURN) :]
        result = perf.returned(line)
        if result is None or line.tid <= 0:
            self.ledger.ignore(reason_of(result, line))
            return
        sight = self.touch(number, line, line.tid, user=True)
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
        sight = self.touch(number, line, region.tid)
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


def reason_of(found: object, line: Line) -> str:
    """Why an event of nobody is passed over."""
    if found is None:
        return "unreadable"
    return "idle-task" if line.tid == 0 else "no-task"
