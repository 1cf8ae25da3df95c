"""The reader: lines in, happenings out, and every line that is none of them goes to the ledger with its reason.

Order is the file's; nothing here knows what an address space is. Events are found by name in one table; a chain of tests cost twice as much
on recordings of which two thirds are context switches.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.intake import perf_lines as perf
from cluster.intake.happenings import Born, Exited, Happening
from cluster.intake.host import HostAnswer
from cluster.intake.ledger import Ledger
from cluster.intake.open_recording import ALLOWED, Recording
from cluster.intake.perf_lines import Line
from cluster.intake.task_sightings import AFTER, BEFORE, ENTER, RETURN, TaskSightings, reason_of

CPUS_MAX = 8192
"""Linux's largest NR_CPUS; a greater number is a damaged line."""

Handler = Callable[[int, Line], None]


class Sightings(TaskSightings):
    """Reads a recording. ``happenings``, ``host``, ``cpus``, ``first_ns``, ``last_ns`` and ``rich`` are its findings."""

    def __init__(self, recording: Recording, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.recording = recording
        self.host = HostAnswer()
        self.cpus = 1
        self.first_ns = self.last_ns = 0
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
            "PERF_RECORD_LOST_SAMPLES": self._lost,
        }
        table.update({ENTER + call: self._enter for call in BEFORE + AFTER})
        table.update({RETURN + call: self._return for call in BEFORE + AFTER})
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
        for tid in self.births.sights:
            self._close(tid)
        self.births.decide()
        if self.recording.cut:
            self.ledger.ignore("cut-line")

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
            self.touch(number, line, line.tid, own=False)

    def _lost(self, number: int, line: Line) -> None:
        self.ledger.account.lost += perf.lost_events(line)
        self.ledger.ignore("lost")

    def _switch(self, number: int, line: Line) -> None:
        found = perf.switched_out(line)
        self.ledger.ignore("scheduling" if found else "unreadable")
        if found and found[0] > 0:
            # State R: it was preempted, which is none of its doing.
            self.touch(number, line, found[0], own=not found[1].startswith("R"), slept=found[1].startswith("D"))

    def _newtask(self, number: int, line: Line) -> None:
        self.rich = True
        found = perf.new_task(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(reason_of(found, line))
            return
        sight = self.touch(number, line, line.tid, user=True)
        self._close(found[0])
        self._announced[found[0]] = self.births.born(number, line, sight, *found)

    def _fork(self, number: int, line: Line) -> None:
        found = perf.forked(line)
        if found is None or line.tid <= 0:
            self.ledger.ignore(reason_of(found, line))
            return
        announced = self._announced.pop(found[0], None)
        if announced is not None and announced.tid == line.tid:
            announced.lines += 1
            return
        sight = self.touch(number, line, line.tid, user=True)
        self._close(found[0])
        self.births.born(number, line, sight, found[0], None)

    def _exec(self, number: int, line: Line) -> None:
        found = perf.executed(line)
        if found is None:
            self.ledger.ignore("unreadable")
            return
        sight = self.touch(number, line, found[0])
        self.births.end_exec(number, line, sight, found[1])

    def _exit(self, number: int, line: Line) -> None:
        found = perf.exited(line)
        if found is None:
            self.ledger.ignore("unreadable")
            return
        tid, group_dead = found
        sight = self.touch(number, line, tid)
        if sight.exited:
            self.ledger.ignore("duplicate")
            return
        self._drop_exec(sight)
        self.births.leaves(sight)
        sight.exited = True
        sight.replaceable = group_dead is False and line.pid == tid
        pid = line.pid if line.tid == tid else tid
        self.happenings.append(Exited(number, line.time_ns, line.cpu, pid, tid, bool(group_dead)))

    def _exit_mmap(self, number: int, line: Line) -> None:
        self.rich = True
        self.ledger.ignore("space-end")
        if line.tid > 0:
            sight = self.touch(number, line, line.tid)
            if sight.executing is None and not sight.gone:
                self.births.begin_exec(number, line, sight, line.tid)


def _unread(text: str) -> str:
    """Why a line that is none of perf script's is passed over."""
    stripped = text.strip()
    if not stripped:
        return "blank"
    return "comment" if stripped.startswith("#") else "unreadable"
