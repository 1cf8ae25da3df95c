"""Thread, vfork or fork? And where in a recording does exec change the address space?

Neither is said on the line that announces it. Clone flags (rich recordings) tell the first; without them a child whose first line has pid
!= tid is a thread, and one whose parent next switches out in state D and does nothing until the child's exec or exit is a vfork. Taking
every child for a fork was tried and rejected: it invents write protection and copies that the host never made.

exec's own line comes last: after the old space ended (``exit_mmap``), the comm changed, exec's mappings were made and the loader faulted
in the *new* space. So the first such sign since the task last was in user mode begins an :class:`Executing`, which counts only if the exec
line follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.intake.happenings import Born, Called, Executing, Faulted, Happening
from cluster.intake.perf_lines import Line

CLONE_VM, CLONE_VFORK, CLONE_THREAD = 0x100, 0x4000, 0x10000
LOADER_SYMBOLS = ("elf_load", "load_elf_binary", "padzero", "create_elf_tables")
"""Kernel functions that fault only in a space that exec has just made."""


@dataclass(slots=True)
class Sight:
    """What was last seen of a task. ``comm`` is that of its last line in user mode, ``name`` that of its last line."""

    tid: int
    comm: str
    name: str
    birth: Born | None = None
    watched: Born | None = None
    """The child whose birth this task's next lines explain."""
    call: Called | None = None
    fault: Faulted | None = None
    executing: Executing | None = None
    seen: bool = False
    exited: bool = False
    replaceable: bool = False
    """It was the first thread and has exited, its process lives on: exec by another thread may take over its tid."""

    @property
    def gone(self) -> bool:
        """Does its tid show nothing of an address space any more?"""
        return self.exited and not self.replaceable


def how_of(flags: int) -> str:
    """What clone flags make. A child that shares memory without being of the same process is a thread to the VM system."""
    if flags & CLONE_THREAD or (flags & CLONE_VM and not flags & CLONE_VFORK):
        return "thread"
    return "vfork" if flags & CLONE_VM else "fork"


class Births:
    """Follows parents and children, and tasks on their way through exec."""

    def __init__(self, happenings: list[Happening]) -> None:
        self.happenings = happenings
        self.sights: dict[int, Sight] = {}
        self.roots: dict[int, Sight] = {}
        """The tasks whose birth was not seen."""
        self._born: list[tuple[Born, Sight]] = []

    def sight(self, line: Line, tid: int) -> Sight:
        """The task ``tid``, which ``line`` shows."""
        sight = self.sights.get(tid)
        if sight is None:
            sight = self.sights[tid] = self.roots[tid] = Sight(tid, line.comm.strip(), line.comm.strip())
        return sight

    def born(self, number: int, line: Line, parent: Sight, child: int, flags: int | None) -> Born:
        """A birth is announced; ``flags`` is None if only behaviour can tell what it is."""
        how = "" if flags is None else how_of(flags)
        comm = line.comm.strip()
        inside = flags is not None and bool(flags & CLONE_THREAD)
        born = Born(number, line.time_ns, line.cpu, line.pid, line.tid, child, comm, how, certain=flags is not None, in_process=inside)
        self.happenings.append(born)
        if not born.certain or how == "vfork":
            parent.watched = born
        sight = self.sights[child] = Sight(child, comm, comm, birth=born)
        self._born.append((born, sight))
        return born

    def parent_seen(self, number: int, line: Line, parent: Sight, slept: bool) -> None:
        """A line of a parent's own doing: either it falls asleep, or it is back."""
        born = parent.watched
        assert born is not None
        if slept and not born.asleep:
            born.asleep = True
            return
        parent.watched = None
        if not born.how:
            born.how = "fork"
        if born.how == "vfork":
            self._released(number, line, born)

    def _released(self, number: int, line: Line, born: Born) -> None:
        """A vfork's parent runs again, so the child must have left its space by now."""
        child = self.sights.get(born.child)
        if child is not None and child.birth is born and child.executing is None and not child.exited:
            self.begin_exec(number, line, child, born.child)

    def child_seen(self, line: Line, child: Sight) -> None:
        """The first line of a child of its own: pid and tid tell a thread."""
        child.seen = True
        born = child.birth
        if born is not None and not born.certain and line.pid != line.tid:
            born.how, born.in_process = "thread", True
            child.birth = None

    def leaves(self, child: Sight) -> None:
        """A child leaves its parent's space, by exec or exit: if the parent slept until now, it was a vfork."""
        born = child.birth
        if born is not None and born.asleep and not born.how:
            born.how = "vfork"

    def begin_exec(self, number: int, line: Line, sight: Sight, tid: int) -> None:
        """A sign of a new address space."""
        pid = line.pid if line.tid == tid else tid
        sight.executing = Executing(number, line.time_ns, line.cpu, pid, tid)
        self.happenings.append(sight.executing)
        self.leaves(sight)

    def end_exec(self, number: int, line: Line, sight: Sight, before: int) -> None:
        """The line that says so."""
        if sight.executing is None:
            self.begin_exec(number, line, sight, sight.tid)
        executing = sight.executing
        assert executing is not None
        executing.line_exec = number
        sight.executing = None
        if before != sight.tid:
            executing.replaces = before
            sight = self._takes_over(sight, before)
        sight.birth = None
        sight.comm = sight.name = line.comm.strip()

    def _takes_over(self, first: Sight, before: int) -> Sight:
        """exec by another thread than the first: the first is gone, if its exit was not seen, and its tid means the other from now on."""
        other = self.sights.pop(before, None)
        if other is None:
            first.exited = first.replaceable = False
            return first
        self.sights[first.tid] = other
        other.tid, other.executing = first.tid, None
        return other

    def decide(self) -> None:
        """At the end: a parent that never woke up has called vfork; the rest are forks. A task's name is its last."""
        for born, sight in self._born:
            born.comm = sight.name
            if not born.how:
                born.how = "vfork" if born.asleep else "fork"
