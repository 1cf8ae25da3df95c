"""A pen for made-up recordings, and the real ones."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from cluster.intake.compile_perf import compile_recording
from cluster.intake.mappings import Mapping, MappingTable
from protocol.workload import Step, Workload

RECORDINGS = Path(__file__).parents[3] / "configs" / "recordings"
NAMES = tuple(f"{program}{form}" for program in ("gcc-compile", "redis-bgsave", "mprotect-storm") for form in ("", ".rich"))
NO_FD = 0xFFFFFFFF
ENOMEM, EINVAL = 0xFFFFFFFFFFFFFFF4, 0xFFFFFFFFFFFFFFEA


class Pen:
    """Writes lines as perf script prints them, 10 us apart, and compiles them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "made-up.perf.txt"
        self.lines: list[str] = []
        self.time_ns = 1_000_000_000
        self.end = "\n"

    def line(self, tid: int, event: str, fields: str, *, pid: int = 0, cpu: int = 0, comm: str = "prog", after_ns: int = 10_000) -> int:
        """Returns the number of the line."""
        self.time_ns += after_ns
        seconds, rest = divmod(self.time_ns, 1_000_000_000)
        head = f"{comm:>16} {pid or tid:5}/{tid:<5} [{cpu:03}] {seconds:5}.{rest:09}: "
        self.lines.append(f"{head}{event:>30} {fields}")
        return len(self.lines)

    def raw(self, text: str) -> int:
        self.lines.append(text)
        return len(self.lines)

    def fault(self, tid: int, address: int, code: int = 6, ip: str = "0x401000", **place: object) -> int:
        kind = "user" if code & 4 else "kernel"
        return self.line(tid, f"exceptions:page_fault_{kind}:", f"address={address:#x} ip={ip} error_code={code:#x}", **place)

    def enter(self, tid: int, call: str, *arguments: int, **place: object) -> int:
        names = {
            "mmap": ("addr", "len", "prot", "flags", "fd", "off"),
            "munmap": ("addr", "len"),
            "mprotect": ("start", "len", "prot"),
            "madvise": ("start", "len_in", "behavior"),
            "mremap": ("addr", "old_len", "new_len", "flags", "new_addr"),
            "brk": ("brk",),
        }[call]
        fields = ", ".join(f"{name}: 0x{value:08x}" for name, value in zip(names, arguments, strict=True))
        return self.line(tid, f"syscalls:sys_enter_{call}:", fields, **place)

    def leave(self, tid: int, call: str, result: int = 0, **place: object) -> int:
        return self.line(tid, f"syscalls:sys_exit_{call}:", f"{result:#x}", **place)

    def call(self, tid: int, call: str, *arguments: int, result: int = 0, **place: object) -> int:
        number = self.enter(tid, call, *arguments, **place)
        self.leave(tid, call, result, **place)
        return number

    def mmap(
        self, tid: int, address: int, length: int = 0x4000, flags: int = 0x22, fd: int = 0xFFFFFFFF, offset: int = 0, **place: object
    ) -> int:
        return self.call(tid, "mmap", 0, length, 3, flags, fd, offset, result=address, **place)

    def switch(self, tid: int, state: str = "S", **place: object) -> int:
        fields = f"prev_comm=prog prev_pid={tid} prev_prio=120 prev_state={state} ==> next_comm=swapper/0 next_pid=0 next_prio=120"
        return self.line(tid, "sched:sched_switch:", fields, **place)

    def fork(self, tid: int, child: int, flags: int | None = None, **place: object) -> int:
        if flags is not None:
            self.line(tid, "task:task_newtask:", f"pid={child} comm=prog clone_flags={flags:x} oom_score_adj=0", **place)
        return self.line(tid, "sched:sched_process_fork:", f"comm=prog pid={tid} child_comm=prog child_pid={child}", **place)

    def exec(self, tid: int, comm: str = "other", old: int = 0, **place: object) -> int:
        fields = f"filename=/bin/{comm} pid={tid} old_pid={old or tid}"
        return self.line(tid, "sched:sched_process_exec:", fields, comm=comm, **place)

    def exit(self, tid: int, group_dead: bool = True, **place: object) -> int:
        fields = f"comm=prog pid={tid} prio=120 group_dead={str(group_dead).lower()}"
        return self.line(tid, "sched:sched_process_exit:", fields, **place)

    def region(
        self, tid: int, address: int, length: int, name: str, *, inode: int = 7, offset: int = 0, prot: str = "r-xp", **place: object
    ) -> int:
        fields = f"{tid}/{tid}: [{address:#x}({length:#x}) @ {offset:#x} fe:00 {inode} 0]: {prot} {name}"
        return self.line(tid, "PERF_RECORD_MMAP2", fields, **place)

    def write(self) -> Path:
        self.path.write_bytes(("\n".join(self.lines) + self.end).encode("utf-8", "surrogateescape"))
        return self.path

    def compile(self, lines_max: int = 0) -> Workload:
        workload = compile_recording(self.write(), lines_max)
        account = workload.account
        assert account.lines == (min(len(self.lines), lines_max) if lines_max else len(self.lines))
        assert account.replayed + sum(account.ignored.values()) == account.lines
        return workload


@pytest.fixture
def pen(tmp_path):
    return Pen(tmp_path)


@pytest.fixture(scope="session")
def recordings():
    """The six recordings compiled, by name."""
    return {name: compile_recording(RECORDINGS / f"{name}.perf.txt.xz") for name in NAMES}


@pytest.fixture(scope="session")
def texts():
    """Their lines, read without the product's help."""
    return {name: lzma.decompress((RECORDINGS / f"{name}.perf.txt.xz").read_bytes()).decode().splitlines() for name in NAMES}


@pytest.fixture
def words():
    """The words of a task's steps, without those the compiler made up unless they are asked for."""

    def words(workload: Workload, task: int = 0, made_up: bool = False) -> list[str]:
        steps: list[Step] = list(workload.tasks[task].steps)
        return [step.word for step in steps if made_up or step.line or step.word == "exit"]

    return words


def replay(workload: Workload, favour: int) -> list[Step]:
    """Run the steps in an unfair legal schedule, the first (1) or last (-1) task always first. Returns accesses to what is unmapped."""
    tasks, done, missed = workload.tasks, [0] * len(workload.tasks), []
    tables = {}
    for number, task in enumerate(tasks):
        if task.parent == -1:
            tables[number] = next((tables[other] for other in tables if tasks[other].space == task.space), MappingTable())
    waiting = {}
    order = list(range(len(tasks)))[::favour]
    moved = True
    while moved:
        moved = False
        for number in order:
            while number in tables and done[number] < len(tasks[number].steps):
                step = tasks[number].steps[done[number]]
                if number in waiting.values() or any(done[other] <= index for other, index in step.after):
                    break
                assert all(tasks[other].steps[index].announced for other, index in step.after)
                step_in_table(step, number, tables, missed)
                if step.word == "fork" and step.how == "vfork":
                    waiting[step.child] = number
                if step.word in ("exec", "exit"):
                    waiting.pop(number, None)
                done[number] += 1
                moved = True
    assert done == [len(task.steps) for task in tasks], "nothing waits for ever"
    return missed


def step_in_table(step, number: int, tables: dict[int, MappingTable], missed: list[Step]) -> None:
    table = tables[number]
    match step.word:
        case "access":
            if table.find(step.vpn) is None:
                missed.append(step)
        case "mmap":
            table.add(Mapping(step.start, step.end))
        case "munmap":
            table.cut(step.start, step.end)
        case "brk" if step.new_end > step.old_end:
            assert table.cut(step.old_end, step.new_end) == [], "a heap grows into free space"
            table.add(Mapping(step.old_end, step.new_end))
        case "brk":
            table.cut(step.new_end, step.old_end)
        case "fork":
            tables[step.child] = table.copy() if step.how == "fork" else table
        case "exec":
            tables[number] = MappingTable([Mapping(row[0], row[1]) for row in step.mappings])


@pytest.fixture(scope="session")
def replayed():
    """Runs a workload on a model of address spaces only; fails if anything waits for ever."""
    return replay
