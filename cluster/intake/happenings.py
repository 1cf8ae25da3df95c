"""What a recording says, line by line, before it is known what it means for an address space.

The reader (``sightings``) makes these in the order of the lines and fills in later what only later lines tell: a call's result, whether a
fault waited for a disk, whether a child shares its parent's memory. The compiler then takes them in one pass. Holding only these, not the
text, keeps memory proportional to the workload. Reading the file twice instead was rejected: a pipe cannot be, and a file may change in
between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.intake.perf_lines import Region


@dataclass(slots=True)
class Happening:
    """``line`` orders it, ``lines`` is how many lines it stands for."""

    line: int
    time_ns: int
    cpu: int
    pid: int
    tid: int
    lines: int = field(default=1, kw_only=True)


@dataclass(slots=True)
class Faulted(Happening):
    """A page fault; ``cold``: the task then slept as one does that waits for a disk."""

    address: int
    code: int
    symbol: str
    cold: bool = False

    @property
    def present(self) -> bool:
        """The page was there, its protection forbade the access."""
        return bool(self.code & 1)

    @property
    def write(self) -> bool:
        """The access was a store."""
        return bool(self.code & 2)

    @property
    def fetch(self) -> bool:
        """The access was an instruction fetch."""
        return bool(self.code & 16)


@dataclass(slots=True)
class Called(Happening):
    """A system call by name; ``result`` is None while, or if, its end was not seen; ``region`` names what an mmap mapped, ``begin_ns`` is
    its enter."""

    name: str
    arguments: list[int]
    result: int | None = None
    region: Region | None = None
    begin_ns: int = 0

    @property
    def failed(self) -> bool:
        """It returned an error."""
        return self.result is not None and self.result < 0


@dataclass(slots=True)
class Born(Happening):
    """A task makes ``child``. ``how`` is "" until it is known; ``certain``: from clone flags, not from behaviour."""

    child: int
    comm: str
    how: str = ""
    certain: bool = False
    in_process: bool = False
    """The child is of its parent's process: it has another tid, the same pid."""
    asleep: bool = False
    """The parent's own next line was a switch in state D: as a vfork's parent does."""


@dataclass(slots=True)
class Executing(Happening):
    """Here a task may have gone over to a new address space; ``line_exec`` is 0 until the line that says so.

    ``regions``: what exec itself mapped, with the line of each. ``replaces``: the tid before exec, if it was another.
    """

    line_exec: int = 0
    regions: list[tuple[int, Region]] = field(default_factory=list)
    replaces: int = 0


@dataclass(slots=True)
class Exited(Happening):
    """A task ends; ``group_dead``: it was the last of its process."""

    group_dead: bool


@dataclass(slots=True)
class Existed(Happening):
    """A mapping that was there before the recording began."""

    region: Region
