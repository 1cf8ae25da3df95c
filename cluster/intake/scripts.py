"""Scripts: litmus tests as TOML tables, compiled to the same form as recordings.

::

    [[file]]
    name = "lib"
    pages = 4

    [[task]]
    name = "writer"
    cpu = 0
    space = "shared"
    steps = [
        { do = "mmap", vpn = 0x100, pages = 1 },
        { do = "access", vpn = 0x100, write = true, expect = "zero-fill", name = "fill" },
    ]

    [[task]]
    name = "reader"
    cpu = 1
    space = "shared"
    steps = [{ do = "access", vpn = 0x100, when = "writer.fill", delay_ns = 500, expect = "soft" }]

    [[inject]]
    what = "file-page"
    file = "lib"
    pindex = 0

Tasks that give the same ``space`` share an address space; without the key each has its own. A task that is the ``child`` of a fork step
starts there. ``when`` names steps of other tasks that must be complete, as ``task.step``; a step without ``name`` is called by its number
from 0. ``hold = [{ at = "vm_page_alloc.popped", until = "reader.scan" }]`` stops a step inside the kernel, at a named point, until a step
of another task is complete (or ``for_ns``). ``[[inject]]`` tables are passed through to the machine.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import msgspec

from cluster.intake.script_inject import injection
from cluster.intake.script_kernel import point
from cluster.intake.script_steps import Names, make_step
from cluster.intake.tables import Table
from cluster.scenario.read import parse, read_text
from protocol.workload import Account, AnyStep, Exec, Exit, File, Fork, Hold, Mmap, Task, Workload


def load_script(path: str | Path) -> Workload:
    """The script in a TOML file of its own. Raises InputError."""
    path = Path(path)
    tables = parse(read_text(path, "script", "[[task]]"), str(path), "script")
    return compile_script(tables, path.stem, file=str(path))


def compile_script(tables: object, name: str, key: str = "", file: str | None = None) -> Workload:
    """The workload of a script's tables. ``key`` is the path that leads to them in ``file``, for messages. Raises InputError."""
    return _Script(Table(tables, key, file), name).workload


class _Script:
    def __init__(self, table: Table, name: str) -> None:
        self.table = table
        self.task_tables = table.tables("task")
        if not self.task_tables:
            raise table.error("task", [], "at least one [[task]] table")
        self.files = self._files(table.tables("file"))
        injected = [injection(item, self.files) for item in table.tables("inject")]
        table.finish()
        self.tasks: list[Task] = []
        self.spaces: list[str] = []
        self.placed: list[bool] = []
        """Which tasks say on which CPU they begin; a child that does not begins on its parent's."""
        self.task_numbers = self._number_tasks()
        self.step_tables = [item.tables("steps") for item in self.task_tables]
        self.step_names: list[dict[str, int]] = []
        self._compile()
        self.workload = Workload(
            name=name,
            tasks=self.tasks,
            files=self.files,
            account=self._account(),
            cpus=1 + max(max(task.cpu, *(step.cpu for step in task.steps), 0) for task in self.tasks),
            injected=injected,
        )
        self.workload.digest = blake2b(msgspec.msgpack.encode([self.tasks, self.files, injected]), digest_size=32).hexdigest()

    def _files(self, tables: list[Table]) -> list[File]:
        files: list[File] = []
        for table in tables:
            name = table.text("name")
            if any(file.name == name for file in files):
                raise table.error("name", name, "a name that no other file has")
            files.append(File(name, table.integer("pages", low=1, high=1 << 35), table.boolean("warm", True)))
            table.finish()
        return files

    def _number_tasks(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for number, table in enumerate(self.task_tables):
            name = table.text("name")
            if name in numbers or not name or "." in name:
                raise table.error("name", name, "a name without a dot that no other task has")
            numbers[name] = number
            space = table.take("space", f"\0{number}")
            if isinstance(space, bool) or not isinstance(space, int | str):
                raise table.error("space", space, "text or an integer")
            self.spaces.append(str(space))
            self.placed.append(table.has("cpu"))
            self.tasks.append(Task(name, table.integer("cpu", 0, high=4095), -1, -1, []))
        return numbers

    def _compile(self) -> None:
        names = Names(self.task_numbers, self.files)
        for number, tables in enumerate(self.step_tables):
            self.step_names.append({})
            for index, table in enumerate(tables):
                self._step(number, index, table, names)
            self.task_tables[number].finish()
        for number, tables in enumerate(self.step_tables):
            for index, table in enumerate(tables):
                self._when(number, index, table)
                table.finish()
        self._refuse_circles()
        self._number_spaces()

    def _step(self, number: int, index: int, table: Table, names: Names) -> None:
        step = make_step(table, names)
        if index == 0 and step.cpu < 0 and self.placed[number]:
            step.cpu = self.tasks[number].cpu
        label = table.text("name", str(index))
        if label in self.step_names[number] or not label:
            raise table.error("name", label, "a name that no other step of the task has")
        self.step_names[number][label] = index
        self.tasks[number].steps.append(step)
        if isinstance(step, Fork):
            child = self.tasks[step.child]
            if child.parent != -1 or step.child == number:
                raise table.error("child", child.name, "a task that is forked once, and by another")
            child.parent = number

    def _number_spaces(self) -> None:
        """Spaces in the order of tasks; a thread or vfork child is in its parent's, a forked child in one of its own."""
        how = {step.child: step.how for task in self.tasks for step in task.steps if isinstance(step, Fork)}
        numbers: dict[str, int] = {}
        for number, task in enumerate(self.tasks):
            top = number
            while how.get(top, "fork") != "fork" and self.tasks[top].parent not in (-1, number):
                top = self.tasks[top].parent
            label = self.spaces[top] if top not in how else f"\0{top}"
            task.space = numbers.setdefault(label, len(numbers))

    def _when(self, number: int, index: int, table: Table) -> None:
        after = [self._other_step(number, table, "when", name) for name in table.texts("when")]
        self.tasks[number].steps[index].after = tuple(sorted(set(after)))
        self.tasks[number].steps[index].holds = tuple(self._hold(number, hold) for hold in table.tables("hold"))

    def _other_step(self, number: int, table: Table, key: str, name: str) -> tuple[int, int]:
        """(task, index) of a step of another task, called ``task.step``."""
        task_name, _, label = name.partition(".")
        other = self.task_numbers.get(task_name, -1)
        if other in (-1, number):
            raise table.error(key, name, [f"{task.name}.STEP" for task in self.tasks if task is not self.tasks[number]])
        found = self.step_names[other].get(label)
        if found is None:
            raise table.error(key, name, [f"{task_name}.{step}" for step in self.step_names[other]] or f"a step of {task_name}")
        self.tasks[other].steps[found].announced = True
        return other, found

    def _hold(self, number: int, table: Table) -> Hold:
        """Where inside the kernel the step is held, and until when: until another task's step is complete, or for a time."""
        at, nth = point(table), table.integer("nth", 1)
        if table.has("until"):
            other, index = self._other_step(number, table, "until", table.text("until"))
            hold = Hold(at, nth, other, index)
        else:
            hold = Hold(at, nth, for_ns=table.nanoseconds("for_ns"))
        table.finish()
        return hold

    def _refuse_circles(self) -> None:
        """Every step must be able to run: tasks step by step, a child from its fork on, a vfork's parent after the child's exec or exit."""
        done = [0] * len(self.tasks)
        started = [task.parent == -1 for task in self.tasks]
        moved = True
        while moved:
            moved = False
            for number, task in enumerate(self.tasks):
                while started[number] and done[number] < len(task.steps):
                    step = task.steps[done[number]]
                    if any(done[other] <= index for other, index in step.after):
                        break
                    if isinstance(step, Fork):
                        moved |= not started[step.child]
                        started[step.child] = True
                        if step.how == "vfork" and not _has_left(self.tasks[step.child], done[step.child]):
                            break
                    done[number] += 1
                    moved = True
        stuck = [f"{task.name}.{done[n]}" for n, task in enumerate(self.tasks) if done[n] < len(task.steps) or not started[n]]
        if stuck:
            raise self.table.error("task", ", ".join(stuck), "steps that do not wait for each other in a circle")

    def _account(self) -> Account:
        steps: list[AnyStep] = [step for task in self.tasks for step in task.steps]
        forks: dict[str, int] = {}
        for step in steps:
            if isinstance(step, Fork):
                forks[step.how] = forks.get(step.how, 0) + 1
        return Account(
            forks=forks,
            execs=sum(isinstance(step, Exec) for step in steps),
            exits=sum(isinstance(step, Exit) for step in steps),
            mmaps=sum(isinstance(step, Mmap) for step in steps),
        )


def _has_left(child: Task, done: int) -> bool:
    """Has a vfork child, of whose steps ``done`` are complete, left its parent's space?"""
    return any(isinstance(step, Exec | Exit) for step in child.steps[:done])
