"""Small work on small machines, in milliseconds each: the mutants of the machine are tried on it, and every check is exercised by it."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.step import SCRIPTED
from actors.kernel.vm_page_alloc import vm_page_alloc
from cluster.engine.inproc import InlineRun
from protocol.identity import PAGE_QUEUES
from protocol.messages.pages import SetFlags, Unwire, Wire
from protocol.pages import ALLOC_NOOBJ, ALLOC_WIRED, FICTITIOUS
from protocol.workload import Access, AnyStep, Exit, File, Fork, Kernel, Madvise, Mmap, Mprotect, Munmap, Think
from tests.actors.machine_kit import run, workload

LIB = File("lib", 64)


def touches(first: int, last: int, **of: object) -> list[Access]:
    return [Access(vpn, write=True, **of) for vpn in range(first, last)]  # type: ignore[arg-type]


def map_and_unmap() -> InlineRun:
    """One task: map, touch, unmap the lower half, touch the upper half again by way of new pages, exit."""
    steps = [
        Mmap(1000, 1020),
        *touches(1000, 1010),
        Munmap(1000, 1005),
        *touches(1010, 1015),
        Mmap(1000, 1005),
        *touches(1000, 1005),
        Exit(),
    ]
    return run(workload(steps))


def two_cpus() -> InlineRun:
    """Two threads use one page from two CPUs; then one of them unmaps it."""
    first = [Mmap(1000, 1100), *touches(1000, 1004, cpu=0), Fork(1, "thread"), Munmap(1000, 1002, cpu=0, at_ns=200_000), Exit()]
    second = [Access(1000, cpu=1), Access(1001, cpu=1), Think(1_000_000), Exit()]
    return run(workload(first, second, parents=(-1, 0)))


def same_page() -> InlineRun:
    """Two threads touch the same fresh pages in step."""
    first = [
        Mmap(1000, 1100),
        *touches(1000, 1002),
        Fork(1, "thread"),
        *[Access(1010 + i, write=True, at_ns=50_000 * i) for i in range(1, 6)],
        Exit(),
    ]
    second = [Think(1, cpu=1), *[Access(1010 + i, write=True, at_ns=50_000 * i) for i in range(1, 6)], Exit()]
    return run(workload(first, second, parents=(-1, 0)))


def one_file_page() -> InlineRun:
    """Two threads fault on one page of a file that must be read from the disk."""
    first = [Mmap(1000, 1010, file=0), Fork(1, "thread"), Access(1003, cold=True, at_ns=50_000), Access(1004, write=True), Exit()]
    second = [Think(1, cpu=1), Access(1003, cold=True, at_ns=51_000), Exit()]
    return run(workload(first, second, parents=(-1, 0), files=(LIB,)), until_ns=400_000)


def unmap_while_paging() -> InlineRun:
    """A thread waits for the disk with a place-holder in the entry's own object; another unmaps that part."""
    first = [
        Mmap(1000, 1010, file=0), Access(1008, write=True), Fork(1, "thread"), Access(1003, write=True, cold=True, at_ns=50_000), Exit(),
    ]  # fmt: skip
    second = [Think(1, cpu=1), Munmap(1000, 1005, at_ns=90_000), Exit()]
    return run(workload(first, second, parents=(-1, 0), files=(LIB,)))


def two_drops() -> InlineRun:
    """Two threads give one page back while a third CPU has it in its TLB; pmap_remove's early exit looks without a lock (R04 open)."""
    first = [
        Mmap(1000, 1010),
        Access(1000, write=True, cpu=0),
        Fork(1, "thread"),
        Fork(2, "thread"),
        Madvise(1000, 1001, "drop", at_ns=200_000),
    ]
    second = [Think(1, cpu=1), Madvise(1000, 1001, "drop", at_ns=200_600)]
    third = [Access(1000, cpu=2), Think(1_000_000)]
    forms = {"R04": "unlocked", "R02": "after-shootdown"}
    return run(workload(first, second, third, parents=(-1, 0, 0)), forms=forms, cpus=3, ipi_ns=3_000)


def shadowed() -> InlineRun:
    """Two threads write to pages of an object that only theirs shadows: each page is moved up.

    That nothing is collapsed is due to the other child: it has copied everything and went round the object when the parent had gone.
    """
    parent = [Mmap(1000, 1040), *touches(1000, 1040), Fork(1, "fork"), Fork(2, "fork"), Exit()]
    other = [*touches(1000, 1040, cpu=1), Fork(3, "fork", at_ns=600_000), Exit()]
    first = [Access(1000, write=True), Fork(4, "thread"), *touches(1001, 1020, at_ns=900_000), Exit()]
    thread = [Think(1, cpu=1), *touches(1020, 1039, at_ns=900_000), Exit()]
    return run(workload(parent, other, first, [Exit()], thread, parents=(-1, 0, 0, 1, 2)))


def scarce() -> InlineRun:
    """More pages than there are frames, in places far apart, so that page-table pages are wanted when nothing is free."""
    steps = [Mmap(1000 + 512 * i, 1010 + 512 * i, file=0, prot=1, offset=i * 10) for i in range(9)]
    reads = [Access(1000 + 512 * (i % 9) + i // 9) for i in range(90)]
    anonymous = [Mmap(100_000, 200_000), *[Access(100_000 + 512 * i, write=True) for i in range(30)], Exit()]
    return run(workload([*steps, *reads, *anonymous], files=(File("data", 90),)), frames=110, until_ns=30_000_000)


def tables_go_and_come() -> InlineRun:
    """Page-table pages are freed as zero, and taken again for pages that must be zero; one colour, so that the next one is taken."""
    rounds = [[Mmap(base, base + 4), *touches(base, base + 4), Munmap(base, base + 4)] for base in (1000, 600_000, 1000, 900_000)]
    return run(workload([*[step for steps in rounds for step in steps], Exit()]), colours=1)


def three_cpus() -> InlineRun:
    """Three threads use one page from three CPUs; then one of them unmaps it, twice over."""
    first = [
        Mmap(1000, 1100), *touches(1000, 1004, cpu=0), Fork(1, "thread"), Fork(2, "thread"), Munmap(1000, 1001, cpu=0, at_ns=200_000),
        Munmap(1001, 1002, cpu=0, at_ns=300_000), Exit(),
    ]  # fmt: skip
    others = [[Access(1000, cpu=n), Access(1001, cpu=n), Think(1_000_000), Exit()] for n in (1, 2)]
    return run(workload(first, *others, parents=(-1, 0, 0)), cpus=3)


def written_after_reading() -> InlineRun:
    """Pages of a file, read before they are written and then unmapped: the modified bit is all that tells of the write. Then memory is
    short."""
    pages = [Access(1000 + i, write=write) for i in range(40) for write in (False, True)]
    late = [Mmap(2000, 2100), *touches(2000, 2090), Exit()]
    steps = [Mmap(1000, 1040, file=0, shared=True), *pages, Munmap(1000, 1040), *late]
    return run(workload(steps, files=(File("data", 40),)), frames=110, until_ns=30_000_000)


def sent() -> InlineRun:
    """A page is sent without copying while its owner writes to it; another is sent and left alone."""
    sends = [Kernel(routine="zero_copy_send", arguments=(vpn, 100_000)) for vpn in (1000, 1001)]
    return run(workload([Mmap(1000, 1004), *touches(1000, 1002), *sends, Access(1000, write=True), Think(300_000), Exit()]))


def written_out_and_waited_for() -> InlineRun:
    """A write-out of a file's page is under way; two threads wait for its end."""
    begin = [Kernel(routine=name, arguments=(0, 3)) for name in ("page_alloc", "page_io_done", "page_io_start")]
    steps = [*begin, Kernel(routine="page_io_finish", arguments=(0, 3), at_ns=200_000), Think(100_000), *touches_a_file()]
    waiters = [[Kernel(routine="page_wait", arguments=(0, 3), at_ns=100_000, cpu=n), Exit()] for n in (1, 2)]
    return run(workload(steps, *waiters, parents=(-1, -1, -1), files=(LIB,)), cpus=3, until_ns=8_000_000)


def touches_a_file() -> list[AnyStep]:
    return [Mmap(1000, 1010, file=0), Access(1004), Access(1005, write=True), Exit()]


def freed_under_a_sleeper() -> InlineRun:
    """I/O on a file's page fails, and the page is freed while another thread sleeps on it."""
    first = [
        Kernel(routine="page_alloc", arguments=(0, 3)), *touches_a_file()[:-1],
        Kernel(routine="page_io_done", arguments=(0, 3, True), at_ns=200_000), Exit(),
    ]  # fmt: skip
    return run(workload(first, [Kernel(routine="page_wait", arguments=(0, 3), at_ns=100_000, cpu=1), Exit()], files=(LIB,)))


def two_files() -> InlineRun:
    """One file is read until memory is full, then another: pages of the first must go."""
    maps = [Mmap(1000, 1100, file=0, prot=1), Mmap(2000, 2100, file=1, prot=1)]
    reads = [Access(base + i) for base in (1000, 2000) for i in range(90)]
    return run(workload([*maps, *reads, Exit()], files=(File("a", 100), File("b", 100))), frames=110, until_ns=30_000_000)


def moved_and_split() -> InlineRun:
    """Mappings that are put where there is room, and split in their middle."""
    maps = [Mmap(1000, 1010), Mmap(1005, 1015, fixed=False), Munmap(1002, 1004), Mprotect(1006, 1008, 1)]
    return run(workload([*maps, *touches(1000, 1002), Exit()]))


def file_written_privately() -> InlineRun:
    """A private mapping of a file is forked and written to on both sides."""
    first = [Mmap(1000, 1010, file=0), *touches(1000, 1004), Fork(1, "fork"), *touches(1000, 1006), Exit()]
    return run(workload(first, [*touches(1002, 1008), Exit()], parents=(-1, 0), files=(LIB,)), until_ns=8_000_000)


async def device_page(k: Context) -> str:
    """A driver's page without memory behind it is wired and unwired (vm_fault_wire of a device mapping)."""
    frame, _ = await vm_page_alloc(k, "", 0, ALLOC_NOOBJ | ALLOC_WIRED)
    await k.acquire(PAGE_QUEUES)
    await k.post(PAGE_QUEUES, SetFlags(frame, FICTITIOUS))
    await k.post(PAGE_QUEUES, Wire(frame))
    await k.post(PAGE_QUEUES, Unwire(frame))
    await k.release(PAGE_QUEUES)
    return "ok"


def device_memory() -> InlineRun:
    """A device's page is wired."""
    SCRIPTED["device_page"] = device_page
    try:
        return run(workload([Kernel(routine="device_page"), Exit()]))
    finally:
        del SCRIPTED["device_page"]


def generations() -> InlineRun:
    """A parent forks and writes; the child writes and goes, and what it has left behind is collapsed. Behind it all is a file."""
    parent = [Mmap(1000, 1008, file=0, offset=5), *touches(1000, 1004), Fork(1, "fork"), *touches(1000, 1002), Think(300_000)]
    child = [*touches(1001, 1003, cpu=1), Exit(cpu=1)]
    return run(workload([*parent, *touches(1000, 1006), Exit()], child, parents=(-1, 0), files=(LIB,)))


def goes_round() -> InlineRun:
    """A parent forks twice. Before the second time it has written all that the object has through which its first child still reads."""
    parent = [Mmap(1000, 1004), *touches(1000, 1004), Fork(1, "fork"), *touches(1000, 1004), Fork(2, "fork"), Think(500_000), Exit()]
    reader = [Access(1001, cpu=1), Think(400_000, cpu=1), Access(1002, cpu=1), Exit(cpu=1)]
    return run(workload(parent, reader, [Exit(cpu=1)], parents=(-1, 0, 0)))
