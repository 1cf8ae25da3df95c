"""Hypothesis strategies: any short sequences of the calls and accesses of one to three tasks, on two CPUs, in a few pages."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from protocol.faults import Fault, When
from protocol.workload import Access, AnyStep, Brk, Exec, Exit, File, Fork, Madvise, Mmap, Mprotect, Mremap, Munmap, Think, Workload
from tests.actors.machine_kit import workload

LOW, PAGES = 1000, 16
BALLAST = 1100
FILES = (File("lib", 12), File("data", 40, warm=False))
PROTS = st.sampled_from([0, 1, 3, 3])

ranges = st.tuples(st.integers(0, PAGES - 1), st.integers(1, 8)).map(lambda r: (LOW + r[0], LOW + min(PAGES, r[0] + r[1])))
"""(start, end) of a part of the pages."""


def mmaps() -> SearchStrategy[AnyStep]:
    return st.builds(
        lambda at, prot, file, offset, shared, populate: Mmap(*at, prot=prot, file=file, offset=offset, shared=shared, populate=populate),
        ranges, PROTS, st.sampled_from([-1, -1, 0, 1]), st.integers(0, 4), st.booleans(), st.booleans(),
    )  # fmt: skip


def mremaps() -> SearchStrategy[AnyStep]:
    """Grown, shrunk or moved to pages beyond the others, never onto itself."""
    return st.builds(
        lambda at, pages, moved: Mremap(*at, *((LOW + 90, LOW + 90 + pages) if moved else (at[0], at[0] + pages))),
        ranges, st.integers(1, 8), st.booleans(),
    )  # fmt: skip


def steps(ballast: int = 0) -> SearchStrategy[AnyStep]:
    """One step. ``ballast``: so many pages of the first task's are touched as often as the others."""
    vpns = st.integers(LOW - 1, LOW + PAGES) | st.integers(LOW + 90, LOW + 98)
    if ballast:
        vpns |= st.integers(BALLAST, BALLAST + ballast - 1)
    touch = st.builds(lambda vpn, write, cold: Access(vpn, write=write, cold=cold), vpns, st.booleans(), st.booleans())
    return st.one_of(
        touch, touch, touch, mmaps(),
        st.builds(lambda at: Munmap(*at), ranges),
        st.builds(lambda at, prot: Mprotect(*at, prot), ranges, PROTS),
        st.builds(lambda at, advice: Madvise(*at, advice), ranges, st.sampled_from(["drop", "drop", "populate-read", "populate-write"])),
        st.builds(lambda old, new: Brk(LOW + 50 + old, LOW + 50 + new), st.integers(0, 6), st.integers(0, 6)),
        mremaps(),
    )  # fmt: skip


images = st.just(Exec(((LOW, LOW + 4, 5, 0, 0, False), (LOW + 4, LOW + 10, 3, -1, 0, True))))


@st.composite
def works(draw: st.DrawFn, tasks_max: int = 3, steps_max: int = 8, ballast: int = 0) -> Workload:
    """Tasks with steps on either CPU; each later task is a child of an earlier one (fork, vfork or thread), and all exit in the end.

    With ``ballast`` the first task begins with so many pages, written, and comes back to some of them in the end: where frames are few,
    all that lies between is done under pressure.
    """
    heavy = [Mmap(BALLAST, BALLAST + ballast, populate=True)] if ballast else []
    tasks = [[*heavy, Mmap(LOW, LOW + PAGES), *draw(st.lists(steps(ballast), min_size=1, max_size=steps_max))]]
    parents = [-1]
    for child in range(1, draw(st.integers(1, tasks_max))):
        parent = draw(st.integers(0, child - 1))
        own = draw(st.lists(steps(ballast), max_size=steps_max))
        how = draw(st.sampled_from(["fork", "thread", "vfork"]))
        if how == "vfork" or draw(st.integers(0, 4)) == 0:
            own.insert(draw(st.integers(0, len(own))), draw(images))
        tasks[parent].insert(draw(st.integers(int(parent == 0), len(tasks[parent]))), Fork(child, how))
        tasks.append(own)
        parents.append(parent)
    tasks[0] += [Access(BALLAST + i, write=i % 8 == 0) for i in range(0, ballast, 4)]
    for own in tasks:
        own.append(Exit())
        place(draw, own)
    return workload(*tasks, parents=tuple(parents), files=FILES)


touches = st.lists(
    st.one_of(
        st.builds(lambda page, write: Access(LOW + page, write=write), st.integers(0, PAGES - 1), st.sampled_from([True, True, False])),
        st.builds(lambda page: Munmap(LOW + page, LOW + page + 2), st.integers(0, PAGES - 1)),
        st.builds(lambda page, prot: Mprotect(LOW + page, LOW + page + 3, prot), st.integers(0, PAGES - 1), st.sampled_from([1, 3])),
        st.just(Think(for_ns=20_000)),
    ),
    max_size=6,
)
"""What a process of a family does between its forks: write, read, unmap a part, wait."""


@st.composite
def families(draw: st.DrawFn, tasks_max: int = 6, ballast: int = 0) -> Workload:
    """Processes that fork and write to the memory they share, and go at any time: what makes chains of objects, and takes them apart."""
    heavy = [Mmap(BALLAST, BALLAST + ballast, populate=True)] if ballast else []
    filled = [Access(LOW + page, write=True) for page in range(0, PAGES, draw(st.integers(1, 4)))]
    tasks: list[list[AnyStep]] = [[*heavy, Mmap(LOW, LOW + PAGES, file=draw(st.sampled_from([-1, -1, 1])), offset=3), *filled]]
    parents = [-1]
    for child in range(1, draw(st.integers(3, tasks_max))):
        parent = draw(st.integers(max(0, child - 3), child - 1))
        tasks[parent] += [Fork(child, "fork"), *draw(touches)]
        tasks.append(draw(touches))
        parents.append(parent)
    for own in tasks:
        own += [Access(BALLAST + page) for page in range(0, ballast, 4)]
        own += [*draw(touches), Exit()]
        place(draw, own)
    return workload(*tasks, parents=tuple(parents), files=FILES)


def place(draw: st.DrawFn, own: list[AnyStep]) -> None:
    """Some steps on the other CPU, and some a little later."""
    cpu = draw(st.integers(0, 1))
    for number, step in enumerate(own):
        if draw(st.integers(0, 4)) == 0:
            cpu = 1 - cpu
        own[number] = type(step)(**{**{name: getattr(step, name) for name in step.__struct_fields__}, "cpu": cpu, "delay_ns": _pause(draw)})


def _pause(draw: st.DrawFn) -> int:
    return draw(st.sampled_from([0, 0, 0, 150, 700, 3_000, 90_000]))


KINDS = ["lock-request", "lock-grant", "unlock", "reply", "woken", "ipi", "ipi-ack", "object.*", "page.*", "pmap.*", "map.*", "pager.*"]

delays = st.lists(
    st.builds(
        lambda number, kind, every, delay_ns: Fault(f"late{number}", "delay", When(kind=kind, every=every), delay_ns=delay_ns),
        st.integers(0, 999), st.sampled_from(KINDS), st.integers(1, 7), st.sampled_from([500, 5_000, 50_000]),
    ),
    max_size=3, unique_by=lambda fault: fault.name,
)  # fmt: skip
"""Every so manyth message of a kind arrives late."""

stalls = st.lists(
    st.builds(
        lambda number, cpu, at_ns, duration_ns: Fault(f"still{number}", "stall", cpu=cpu, at_ns=at_ns, duration_ns=duration_ns),
        st.integers(0, 999), st.integers(0, 1), st.integers(1_000, 100_000), st.sampled_from([3_000, 30_000]),
    ),
    max_size=3, unique_by=lambda fault: fault.name,
)  # fmt: skip
"""A CPU does nothing for a while."""
