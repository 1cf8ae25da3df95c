"""What all generators share: parameters with their bounds, and a builder of tasks.

A generator is a pure function of its parameters and the seed: every draw comes from a keyed stream named after the task that it is for, so
changing the number of tasks changes no other task's work. Its steps carry no times: each starts when the task's previous one has ended (a
closed loop), after Think steps where the parameter ``think_ns`` asks for work in user mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from cluster.engine.streams import KeyedStream
from cluster.errors import InputError
from protocol.workload import Access, Account, AnyStep, Exit, File, Fork, Mmap, Munmap, Task, Think, Workload

STEPS_MAX = 4_000_000
"""More steps than this would not fit into memory beside the machine."""
HEAP_VPN = 0x10000
"""Where generated mappings begin (page 65,536: 256 MB)."""


class Parameter(NamedTuple):
    """One size of a generator; all are integers, names end in their unit where they have one."""

    name: str
    default: int
    min: int
    max: int
    meaning: str


Parameters = Mapping[str, int]
Build = Callable[["Builder", Parameters], None]


class Generator(NamedTuple):
    """A named family of workloads."""

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    build: Build

    def checked(self, parameters: Parameters) -> dict[str, int]:
        """All parameters, with defaults. Raises InputError for unknown names and impossible values."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in parameters.items():
            key = f"workload.parameters.{name}"
            if name not in known:
                raise InputError(f"{key}: found {name}, allowed: {', '.join(known)}", key=key, found=name, allowed=list(known))
            low, high = known[name].min, known[name].max
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                allowed = f"an integer from {low} to {high}"
                raise InputError(f"{key}: found {value!r}, allowed: {allowed}", key=key, found=value, allowed=allowed)
        return {name: parameters.get(name, parameter.default) for name, parameter in known.items()}

    def generate(self, parameters: Parameters, seed: int) -> Workload:
        """The workload of these parameters and this seed. Raises InputError."""
        checked = self.checked(parameters)
        builder = Builder(self.name, checked, seed)
        self.build(builder, checked)
        return builder.workload()


class Builder:
    """Collects tasks, steps and files of a generated workload."""

    def __init__(self, name: str, parameters: Parameters, seed: int) -> None:
        self.name = name
        self.parameters = parameters
        self.seed = seed
        self.tasks: list[Task] = []
        self.files: list[File] = []
        self._account = Account(forks={})
        self._spaces = 0
        self._steps = 0

    def stream(self, task: int) -> KeyedStream:
        """The stream of draws for a task."""
        return KeyedStream(self.seed, f"generate {self.name}", f"task.{task}")

    def file(self, name: str, pages: int, warm: bool) -> int:
        """A file; returns its index."""
        self.files.append(File(name, pages, warm))
        return len(self.files) - 1

    def task(self, name: str, cpu: int, parent: int = -1, how: str = "fork") -> int:
        """A task, forked by ``parent`` now if there is one; returns its number."""
        number = len(self.tasks)
        if parent >= 0 and how != "fork":
            space = self.tasks[parent].space
        else:
            space, self._spaces = self._spaces, self._spaces + 1
        self.tasks.append(Task(f"{name}/{number}", cpu % self.parameters["cpus"], parent, space, []))
        if parent >= 0:
            self.add(parent, Fork(child=number, how=how))
            self._account.forks[how] = self._account.forks.get(how, 0) + 1
        return number

    def add(self, task: int, step: AnyStep) -> None:
        """Append a step. Raises InputError when the workload becomes too large."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise InputError(
                f"workload.parameters: generator {self.name} would make more than {STEPS_MAX} steps",
                key="workload.parameters",
                found=dict(self.parameters),
                allowed="smaller sizes",
            )
        self.tasks[task].steps.append(step)

    def think(self, task: int, stream: KeyedStream) -> None:
        """Work in user mode, exponentially distributed around ``think_ns``."""
        mean_ns = self.parameters["think_ns"]
        if mean_ns:
            self.add(task, Think(for_ns=stream.exponential_ns(mean_ns) + 1))

    def mmap(self, task: int, start: int, pages: int, file: int = -1, shared: bool = False) -> None:
        """Map ``pages`` at ``start``."""
        self.add(task, Mmap(start=start, end=start + pages, file=file, shared=shared))
        self._account.mmaps += 1

    def munmap(self, task: int, start: int, pages: int) -> None:
        """Unmap them."""
        self.add(task, Munmap(start=start, end=start + pages))

    def access(self, task: int, vpn: int, write: bool, cold: bool = False) -> None:
        """Touch a page."""
        self.add(task, Access(vpn=vpn, write=write, cold=cold))

    def exit(self, task: int) -> None:
        """The task ends."""
        self.add(task, Exit())
        self._account.exits += 1

    def workload(self) -> Workload:
        """The whole. Its digest is over the generator's name and parameters."""
        source = "\0".join([self.name, *(f"{name}={value}" for name, value in sorted(self.parameters.items()))])
        return Workload(
            name=self.name,
            tasks=self.tasks,
            files=self.files,
            account=self._account,
            cpus=self.parameters["cpus"],
            digest=blake2b(source.encode(), digest_size=32).hexdigest(),
        )


def shuffled(stream: KeyedStream, count: int) -> list[int]:
    """0 to ``count`` - 1 in an order drawn from the stream (Fisher and Yates)."""
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = stream.below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def percent(stream: KeyedStream, chance: int) -> bool:
    """True in ``chance`` of 100 draws."""
    return stream.below(100) < chance


CPUS = Parameter("cpus", 2, 1, 4096, "CPUs that the tasks are spread over in turn")
THINK = Parameter("think_ns", 500, 0, 1_000_000_000, "mean work in user mode before each access, exponentially distributed (0: none)")
WRITES = Parameter("write_percent", 50, 0, 100, "share of accesses that store")
