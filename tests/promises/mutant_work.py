"""Small work on small machines, in milliseconds each: the mutants of the machine are tried on it, and every check is exercised by it."""

from __future__ import annotations

from cluster.engine.inproc import InlineRun
from protocol.workload import Access, Exit, File, Fork, Madvise, Mmap, Munmap, Think
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
    """Two threads write to pages of an object that only theirs shadows: each page is moved up."""
    first = [
        Mmap(1000, 1040), *touches(1000, 1040), Fork(1, "fork"), Access(1000, write=True), Fork(2, "thread"),
        *touches(1001, 1020, at_ns=300_000), Exit(),
    ]  # fmt: skip
    child = [Exit()]
    thread = [Think(1, cpu=1), *touches(1020, 1039, at_ns=300_000), Exit()]
    return run(workload(first, child, thread, parents=(-1, 0, 0)))


def scarce() -> InlineRun:
    """More pages than there are frames, in places far apart, so that page-table pages are wanted when nothing is free."""
    steps = [Mmap(1000 + 512 * i, 1010 + 512 * i, file=0, prot=1, offset=i * 10) for i in range(9)]
    reads = [Access(1000 + 512 * (i % 9) + i // 9) for i in range(90)]
    anonymous = [Mmap(100_000, 200_000), *[Access(100_000 + 512 * i, write=True) for i in range(30)], Exit()]
    return run(workload([*steps, *reads, *anonymous], files=(File("data", 90),)), frames=110, until_ns=30_000_000)
