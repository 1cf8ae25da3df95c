"""The one form into which recordings, generators and scripts are compiled (design 7).

A workload is a set of tasks, each a sequence of operations with the time at which the operation was recorded, the CPU, and what it must
follow. Actors hold only (task, index). It is plain MessagePack (``msgspec`` structs as arrays), so that other tracers can produce it.

Times are ns from the start of the run; a step whose time has passed starts when the task's previous one has ended (open replay).
Virtual addresses are given as virtual page numbers (vpn, address >> 12); ranges are [start, end). ``docs/workload-form.md`` tells
makers of other tracers what each field means and which rules a compiler keeps.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

FORMAT_VERSION = 1


class Hold(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A thread is held at a named point of a kernel routine (``protocol.points``), its CPU spinning with whatever it holds.

    ``nth``: the so manieth time that the step comes there (0: every time). It goes on when step ``index`` of task ``task`` is complete,
    or, with ``task`` -1, after ``for_ns``.
    """

    point: str
    nth: int = 1
    task: int = -1
    index: int = -1
    for_ns: int = 0


class Step(msgspec.Struct, array_like=True, tag_field="_", gc=False, kw_only=True):
    """One operation of a task.

    ``at_ns``: recorded start. ``cpu``: where it was recorded (-1: wherever the task is). ``after``: operations of other tasks, as (task,
    index) pairs, that must be complete before it starts. ``announced``: some other step names this one in its ``after``. ``line``: its
    first input line, for messages (0: made by the compiler, not by the input). ``expect``: a script's expectation of the outcome ("" for
    none). ``delay_ns``: it starts so long after it otherwise would, that is after ``at_ns``, the previous step and all of ``after``; the
    CPU is free meanwhile (a sleep, not work: work is Think). ``holds``: where inside the kernel a script stops it.
    """

    word: ClassVar[str] = "step"
    at_ns: int = 0
    cpu: int = -1
    after: tuple[tuple[int, int], ...] = ()
    announced: bool = False
    line: int = 0
    expect: str = ""
    delay_ns: int = 0
    holds: tuple[Hold, ...] = ()


EXPECTATIONS = ("soft", "zero-fill", "cow", "hard", "hit", "segv")
"""What a script may expect of an access: a fault of that kind, none ("hit"), or no mapping that allows it ("segv")."""

ADVICE = ("drop", "populate-read", "populate-write")
HOW = ("fork", "vfork", "thread")


class Access(Step, tag=1, gc=False):
    """The task reads, writes or fetches a word of page ``vpn``.

    ``recorded``: it stands for a recorded fault; ``present``: the recorded fault was on a present page (error code bit 0), so if the model
    has nothing there the page is first materialised below the entry ("prior"). ``cold``: the host waited for a disk: the page is not in
    the page cache. ``anonymous``: if nothing is mapped here, the unknown earlier mapping is anonymous (else private file-like).
    """

    word: ClassVar[str] = "access"
    vpn: int
    write: bool = False
    fetch: bool = False
    recorded: bool = False
    present: bool = False
    cold: bool = False
    anonymous: bool = True


class Mmap(Step, tag=2, gc=False):
    """Map [start, end); -1 for ``start`` lets the map choose (``end`` is then the length in pages).

    ``file``: index into Workload.files, -1 anonymous; ``offset`` in pages. ``fixed`` replaces what is there. ``populate``: pages are made
    present now.
    """

    word: ClassVar[str] = "mmap"
    start: int
    end: int
    prot: int = 3
    file: int = -1
    offset: int = 0
    shared: bool = False
    fixed: bool = True
    populate: bool = False
    stack: bool = False


class Munmap(Step, tag=3, gc=False):
    """Unmap [start, end)."""

    word: ClassVar[str] = "munmap"
    start: int
    end: int


class Mprotect(Step, tag=4, gc=False):
    """Set the protection (PROT_* bits) of [start, end)."""

    word: ClassVar[str] = "mprotect"
    start: int
    end: int
    prot: int


class Madvise(Step, tag=5, gc=False):
    """``advice``: "drop" (DONTNEED, FREE), "populate-read", "populate-write"; others are not compiled but counted."""

    word: ClassVar[str] = "madvise"
    start: int
    end: int
    advice: str


class Brk(Step, tag=6, gc=False):
    """The heap's end moves from ``old_end`` to ``new_end`` (vpns)."""

    word: ClassVar[str] = "brk"
    old_end: int
    new_end: int


class Mremap(Step, tag=7, gc=False):
    """Move or resize a mapping from [start, end) to [new_start, new_end)."""

    word: ClassVar[str] = "mremap"
    start: int
    end: int
    new_start: int
    new_end: int


class Fork(Step, tag=8, gc=False):
    """Make task ``child``; ``how`` is "fork" (copy on write), "vfork" (shares the space, parent waits for exec or exit), "thread"
    (shares)."""

    word: ClassVar[str] = "fork"
    child: int
    how: str


class Exec(Step, tag=9, gc=False):
    """Leave the address space and begin a new one with these mappings, each (start, end, prot, file, offset, stack)."""

    word: ClassVar[str] = "exec"
    mappings: tuple[tuple[int, int, int, int, int, bool], ...] = ()


class Exit(Step, tag=10, gc=False):
    """The task ends; the last task of a space tears it down."""

    word: ClassVar[str] = "exit"


class Think(Step, tag=11, gc=False):
    """Compute for ``for_ns`` in user mode."""

    word: ClassVar[str] = "think"
    for_ns: int


class Kernel(Step, tag=12, gc=False):
    """Run a kernel routine by name with arguments (scripts: a litmus step inside the kernel, such as ``vm_page_cowfault``)."""

    word: ClassVar[str] = "kernel"
    routine: str
    arguments: tuple[None | bool | int | str, ...] = ()


AnyStep = Access | Mmap | Munmap | Mprotect | Madvise | Brk | Mremap | Fork | Exec | Exit | Think | Kernel


class File(msgspec.Struct, array_like=True, gc=False):
    """A file that is mapped: its identity in words and its size in pages; ``warm``: its pages are in the page cache (valid, clean,
    resident)."""

    name: str
    pages: int
    warm: bool = True


class Task(msgspec.Struct, array_like=True, gc=False):
    """A task: name, first CPU, parent (-1: exists at the start), space it starts in (index; tasks of one space share it), steps.

    Tasks with parent -1 start at time 0 in a new space per distinct ``space`` number; others start by their parent's Fork step.
    """

    name: str
    cpu: int
    parent: int
    space: int
    steps: list[AnyStep]


class Account(msgspec.Struct):
    """What became of every input line: lines = replayed + sum(ignored).

    ``forks`` by how, ``execs``, ``exits`` (of tasks, threads included), ``mmaps`` (successful calls) and ``faults`` (page faults of tasks)
    count what is replayed; steps that the compiler adds (``line`` 0) and mappings that existed at the start are in none of them. ``lost``:
    events that the recorder says it dropped.
    """

    lines: int = 0
    replayed: int = 0
    ignored: dict[str, int] = {}
    forks: dict[str, int] = {}
    execs: int = 0
    exits: int = 0
    mmaps: int = 0
    faults: int = 0
    lost: int = 0


class Inject(msgspec.Struct, array_like=True, gc=False):
    """Initial state that a script puts into the machine before the first step: ``what`` it is, and its fields by name."""

    what: str
    fields: dict[str, bool | int | str]


class Workload(msgspec.Struct):
    """A compiled workload. ``host`` holds what the recorded kernel itself did (design 9, ``run --json`` host), null where not recorded."""

    name: str
    tasks: list[Task]
    files: list[File]
    account: Account
    cpus: int
    host: dict[str, int | None] = {}
    injected: list[Inject] = []
    digest: str = ""
    """BLAKE2b of the source (the recording's uncompressed bytes, or the generator's name and parameters)."""
    format_version: int = FORMAT_VERSION


def encode(workload: Workload) -> bytes:
    """The workload as MessagePack."""
    return msgspec.msgpack.encode(workload)


def decode(data: bytes) -> Workload:
    """A workload from :func:`encode`'s bytes. Raises msgspec.ValidationError if they are something else."""
    return msgspec.msgpack.decode(data, type=Workload)
