"""A small machine for tests: one line to run a workload, and its records as the words a kernel engineer would use."""

from __future__ import annotations

from typing import NamedTuple

from actors.kernel.context import Tables
from actors.machine import Parts, boot, contracts
from cluster.engine.inproc import InlineRun, run_inline
from cluster.plan import Model
from protocol.checks import Suite, Violation
from protocol.faults import Fault
from protocol.kernels import kernel
from protocol.locks import class_of
from protocol.machine import Machine, thresholds
from protocol.records import (
    ENTER,
    FAULT_DONE,
    KINDS,
    LEAVE,
    LOCK_ACQUIRE,
    LOCK_RELEASE,
    TASK_STEP,
    Entry,
    Record,
)
from protocol.workload import Account, AnyStep, File, Inject, Task, Workload

SHORT = {
    "map": "map", "object": "obj", "pq": "pq", "pmap": "pmap", "fq": "fq", "smp": "smp", "giant": "giant", "window": "window",
    "zone": "zone", "vnode": "vi", "vnlock": "vn", "isa": "isa",
}  # fmt: skip


def machine(cpus: int = 2, frames: int = 1024, latency_ns: int = 20, ipi_ns: int = 300, **options: object) -> Machine:
    def link(ns: int) -> tuple[tuple[int, ...], ...]:
        return ((ns,),)

    return Machine(
        cpus=cpus,
        cpu_domains=(0,) * cpus,
        frames=frames,
        thresholds=thresholds(frames),
        latency_ns=(link(latency_ns), link(ipi_ns), link(1000)),
        **options,  # type: ignore[arg-type]
    )


def workload(
    *tasks: list[AnyStep], parents: tuple[int, ...] = (), files: tuple[File, ...] = (), inject: tuple[Inject, ...] = ()
) -> Workload:
    """Tasks given by their steps; ``parents`` says whose child each is (-1 for none, the default)."""
    made = []
    for number, steps in enumerate(tasks):
        parent = parents[number] if number < len(parents) else -1
        made.append(Task(f"task{number}", 0, parent, number, steps))
    return Workload(name="test", tasks=made, files=list(files), account=Account(), cpus=2, injected=list(inject))


def run(
    work: Workload,
    preset: str = "repaired",
    until_ns: int = 3_000_000,
    seed: int = 1,
    options: dict[str, int | str] | None = None,
    revert: tuple[str, ...] = (),
    forms: dict[str, str] | None = None,
    faults: tuple[Fault, ...] = (),
    **of: object,
) -> InlineRun:
    """``revert``: switches of the preset that are put back to their oldest form; ``forms``: switches outright. Other names are those of
    :func:`machine`."""
    made = of.pop("on", None) or machine(**of)  # type: ignore[arg-type]
    chosen = kernel(preset, revert, forms=forms, pmap=made.pmap)  # type: ignore[attr-defined]
    model = Model("machine", machine=made, kernel=chosen, workload_options=options or {}, faults=faults)  # type: ignore[arg-type]
    return run_inline(model, seed, work, until_ns=until_ns)


class Verdict(NamedTuple):
    """What all checks say of a run: violations, ascending, and (evaluations, violations) of each check."""

    violations: list[Violation]
    counts: dict[str, tuple[int, int]]

    @property
    def names(self) -> set[str]:
        """Checks that spoke."""
        return {violation.check for violation in self.violations}


def judged(done: InlineRun) -> Verdict:
    """Every check over the whole run. A run whose tasks are not all done is judged as stuck."""
    suite = Suite((), machine_of(done), dict(shared(done).kernel), contracts=contracts())
    found = suite.step(done.entries)
    found += suite.finish(done.now_ns, "finished" if all_done(done) else "stuck")
    return Verdict(sorted(found, key=lambda violation: violation.rank), suite.evaluated())


def machine_of(done: InlineRun) -> Machine:
    return done.actors["cpu.0"].machine  # type: ignore[attr-defined,no-any-return]


def parts(work: Workload, preset: str = "repaired", on: Machine | None = None) -> Parts:
    return boot(on or machine(), kernel(preset), work, {})


def shared_tables(made: Parts) -> Tables:
    cpu = made.actors[0]
    return cpu.tables  # type: ignore[attr-defined,no-any-return]


def outcomes(done: InlineRun) -> list[str]:
    """How each fault was resolved, in order."""
    return [str(record[3]) for record in done.records(FAULT_DONE)]


def all_done(done: InlineRun) -> bool:
    """Every task has ended, nobody waits for anything, and nothing has panicked."""
    reports = [done.actors[f"cpu.{n}"].report() for n in range(machine_of(done).cpus)]  # type: ignore[attr-defined]
    tasks = sum(report[0] for report in reports)
    return tasks == len(shared(done).workload.tasks) and all(report[1] == -1 and not report[2] for report in reports)


def shared(done: InlineRun) -> Tables:
    return done.actors["cpu.0"].tables  # type: ignore[attr-defined,no-any-return]


def between(done: InlineRun, first: int, last: int, thread: int, skip: int = 0) -> list[tuple[str, Record]]:
    """(actor, record) from the ``skip``-th step of ``thread`` on that begins with a ``first`` record to its ``last`` one."""
    found: list[tuple[str, Record]] = []
    inside = False
    for head, _, records in done.entries:
        for record in records:
            if record[0] == first and record[1] == thread:
                skip -= 1
                inside = skip < 0
            if inside:
                found.append((head[3], record))
            if inside and record[0] == last and record[1] == thread:
                return found
    raise AssertionError(f"no stretch from {KINDS[first].name} to {KINDS[last].name} of thread {thread}")


ANNOTATIONS = ("loop", "page.transition", "believes", "cache.busy", "page.array", "map.clip")
"""Kinds that only say what a routine means by its steps; no sequence of steps shows them."""


def words(pairs: list[tuple[str, Record]], drop: tuple[str, ...] = ()) -> list[str]:
    """Records as short words: ``+pq`` and ``-pq`` for locks, the kind's name for the rest."""
    out = []
    for _, record in pairs:
        kind = KINDS[int(record[0])]  # type: ignore[call-overload]
        if kind.name in drop or kind.name in ANNOTATIONS:
            continue
        if record[0] == LOCK_ACQUIRE:
            out.append("+" + SHORT[_kind(record)])
        elif record[0] == LOCK_RELEASE:
            out.append("-" + SHORT[_kind(record)])
        else:
            out.append(kind.name)
    return out


def _kind(record: Record) -> str:
    lock = str(record[2])
    assert class_of(lock)
    return lock.split(".")[0]


def step_words(done: InlineRun, index: int, task: int = 0, drop: tuple[str, ...] = ()) -> list[str]:
    """The words of one step of a task, up to the beginning of the next."""
    out: list[tuple[str, Record]] = []
    inside = False
    for head, _, records in done.entries:
        for record in records:
            if record[0] == TASK_STEP and record[1] == task:
                inside = record[2] == index
            if inside:
                out.append((head[3], record))
    return words(out, drop)


def entries_of(done: InlineRun, kind: int) -> list[Entry]:
    """The entries that hold a record of this kind."""
    return [entry for entry in done.entries if any(record[0] == kind for record in entry[2])]


FAULT = (ENTER, LEAVE)
