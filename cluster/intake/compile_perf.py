"""Recordings compiled to the workload form: ``perf script`` text in, ``protocol.workload.Workload`` out.

Two passes: ``sightings`` reads lines into happenings, each of which may be explained by later lines; this module takes them in order and
builds tasks, address spaces and steps. One pass was rejected: whether a child is a vfork, a call failed or a fault waited for the disk is
known only up to thousands of lines later, and every rule would carry its own waiting list.
"""

from __future__ import annotations

from pathlib import Path

from cluster.intake.calls import Calls
from cluster.intake.faults import Faults, in_user_space
from cluster.intake.files import is_anonymous, pages_of
from cluster.intake.happenings import Born, Called, Executing, Existed, Exited, Faulted, Happening
from cluster.intake.ledger import Ledger
from cluster.intake.mappings import Mapping
from cluster.intake.open_recording import Recording, readable_path
from cluster.intake.perf_lines import PAGE_SHIFT, Region
from cluster.intake.population import Population, Thread, mmap_step
from cluster.intake.sightings import Sightings
from protocol.workload import Exec, Fork, Workload


def compile_recording(path: str | Path, lines_max: int = 0) -> Workload:
    """The recording at ``path``, or its first ``lines_max`` lines, as a workload. Raises InputError for what is no recording."""
    return _Compiler(Path(path), lines_max).workload


def inspect(path: str | Path, lines_max: int = 0) -> dict[str, object]:
    """What a person wants to know of a recording: form, length, tasks, the account, the host's own counters. Raises InputError."""
    compiler = _Compiler(Path(path), lines_max)
    workload, sightings, population = compiler.workload, compiler.sightings, compiler.population
    account = workload.account
    return {
        "name": workload.name,
        "form": "rich" if sightings.rich else "plain",
        "digest": workload.digest,
        "cpus": workload.cpus,
        "duration_ns": sightings.last_ns - sightings.first_ns,
        "lines": account.lines,
        "replayed": account.replayed,
        "ignored": account.ignored,
        "lost": account.lost,
        "faults": account.faults,
        "faults_cold": compiler.faults.cold,
        "forks": account.forks,
        "execs": account.execs,
        "exits": account.exits,
        "mmaps": account.mmaps,
        "mappings_unknown": compiler.faults.unknown,
        "order_edges": population.order.edges,
        "address_spaces": population.spaces,
        "files": len(workload.files),
        "host": workload.host,
        "tasks": [{"name": task.name, "cpu": task.cpu, "parent": task.parent, "steps": len(task.steps)} for task in workload.tasks],
    }


class _Compiler:
    def __init__(self, path: Path, lines_max: int) -> None:
        recording = Recording(path, lines_max)
        self.ledger = Ledger()
        self.sightings = Sightings(recording, self.ledger)
        happenings = self.sightings.read()
        self.population = Population(self.sightings.first_ns)
        self.faults = Faults(self.population, self.ledger)
        self.calls = Calls(self.population, self.ledger)
        for happening in happenings:
            self._take(happening)
        comms = {tid: sight.name for tid, sight in self.sightings.births.roots.items()}
        self.workload = Workload(
            name=name_of(path),
            tasks=self.population.finish(comms),
            files=self.population.files.files,
            account=self.ledger.close(recording.lines),
            cpus=self.sightings.cpus,
            host=self.sightings.host.counters(),
            digest=recording.digest,
        )

    def _take(self, happening: Happening) -> None:
        match happening:
            case Faulted():
                self._faulted(happening)
            case Called():
                self.calls.compile(self._thread(happening), happening)
            case Born():
                self._born(happening)
            case Executing():
                if happening.line_exec:
                    self._executed(happening)
            case Exited():
                self._exited(happening)
            case Existed():
                self._existed(happening)

    def _thread(self, happening: Happening) -> Thread:
        """The task that does something now; if it should be waiting for a vfork child, that was none."""
        thread = self.population.thread(happening.tid, happening.pid, happening.cpu)
        if thread.waiting is not None:
            self._mistaken(thread)
        return thread

    def _mistaken(self, parent: Thread) -> None:
        """A vfork's parent acts before its child has left the space: the model's parent must not wait, or it might wait for ever."""
        child = parent.waiting
        assert child is not None and child.vfork is not None
        child.vfork[2].how = "thread"
        forks = self.ledger.account.forks
        forks["vfork"] -= 1
        forks["thread"] += 1
        parent.waiting = child.vfork = None

    def _faulted(self, fault: Faulted) -> None:
        if in_user_space(fault.address):
            self.faults.compile(self._thread(fault), fault)
        else:
            self.ledger.ignore("kernel-address")

    def _born(self, born: Born) -> None:
        parent = self._thread(born)
        pid = parent.process.pid if born.in_process else born.child
        child = self.population.child(parent, born.child, pid, born.cpu, born.how, born.comm)
        fork = Fork(child=child.number, how=born.how)
        if born.how == "fork":
            index = self.population.emit_change(parent, fork, born.time_ns, born.cpu, born.line)
        else:
            index = self.population.emit(parent, fork, born.time_ns, born.cpu, born.line)
        self.population.order.begins(parent.number, index, child.number)
        if born.how == "vfork":
            child.vfork, parent.waiting = (parent, index, fork), child
        self.ledger.account.forks[born.how] += 1
        self.ledger.replay(born.lines)

    def _released(self, child: Thread) -> None:
        """A vfork child has left its parent's space with the step it emits next."""
        if child.vfork is not None:
            parent = child.vfork[0]
            parent.waiting = child.vfork = None
            self.population.order.resumes(parent.number, child.number, len(child.steps))

    def _executed(self, executing: Executing) -> None:
        before = self.population.known(executing.replaces) if executing.replaces else None
        if before is not None:
            self.population.becomes(before, executing.tid)
        thread = self._thread(executing)
        self._released(thread)
        self._end_group(thread, executing)
        space = self.population.replace_space(thread)
        kept = 0
        for _, region in executing.regions:
            mapping = self._mapping(region)
            if mapping is not None:
                space.table.add(mapping)
                kept += 1
        rows = tuple((m.start, m.end, m.prot, m.file, m.offset, m.stack) for m in space.table.all())
        index = self.population.emit(thread, Exec(mappings=rows), executing.time_ns, executing.cpu, executing.line_exec)
        self.population.order.changes(space.order, thread.number, index)
        self.ledger.account.execs += 1
        self.ledger.replay(1 + kept)
        if len(executing.regions) > kept:
            self.ledger.ignore("kernel-address", len(executing.regions) - kept)

    def _exited(self, exited: Exited) -> None:
        thread = self._thread(exited)
        self._released(thread)
        thread.exited = exited
        if exited.group_dead:
            self._end_group(thread, exited)
        self.ledger.account.exits += 1
        self.ledger.replay()

    def _end_group(self, thread: Thread, cause: Executing | Exited) -> None:
        """exec, or the last exit: whoever else of the process still lives ends, although lines that say so may be missing."""
        for other in self.population.group(thread.process):
            if other is not thread:
                other.exited = Exited(0, cause.time_ns, cause.cpu, cause.pid, other.tid, True)

    def _existed(self, existed: Existed) -> None:
        mapping = self._mapping(existed.region)
        if mapping is None:
            self.ledger.ignore("kernel-address")
            return
        thread = self._thread(existed)
        thread.space.table.add(mapping)
        if existed.region.name == "[heap]":
            thread.space.brk = mapping.end << PAGE_SHIFT
        self.population.emit_change(thread, mmap_step(mapping), 0, existed.cpu, existed.line)
        self.ledger.replay()

    def _mapping(self, region: Region) -> Mapping | None:
        """The mapping a mapping line speaks of; None outside user space."""
        start, pages = region.address >> PAGE_SHIFT, pages_of(region.length)
        if not pages or not in_user_space(region.address + region.length - 1):
            return None
        file, offset = -1, 0
        if not is_anonymous(region):
            offset = region.offset >> PAGE_SHIFT if region.inode else 0
            file = self.population.files.named(region, offset + pages)
        return Mapping(start, start + pages, region.prot, file, offset, region.shared, region.name == "[stack]")


def name_of(path: Path) -> str:
    """A recording's name: its file's, without the endings that say how it is stored."""
    name = path.name
    for ending in (".xz", ".gz", ".zst", ".txt", ".perf"):
        name = name.removesuffix(ending)
    return readable_path(name)
