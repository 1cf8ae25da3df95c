"""What is promised of a recording's replay, with ample memory and with half of what it then needs, as sentences about what is not kept.

The recording's own counts come from its text (:mod:`~cluster.promises.recounting`), what became of each fault from the trace
(:mod:`~cluster.promises.joining`); the run's summary is held against both. A verdict is a list of sentences rather than a failed
assertion, so that a table of many runs shows all that is wrong at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from cluster.promises.job import Found, Job
from cluster.promises.joining import Outcome, joined
from cluster.promises.recounting import Recounted, recount
from cluster.recording.reader import trace_of
from cluster.scenario import load

Carry = Callable[[Job], Found]
RECORDINGS = Path(__file__).resolve().parents[2] / "configs" / "recordings"
PRESSED = ("pageouts", "faults.hard", "vm_waits", "lock.vm_page_queue.contended")
"""Metrics that memory pressure must move."""
COW_PROGRAM, COW_PERCENT = "redis-server", 70
"""A server that writes while its child saves: at least so many of its write faults on present pages are copy on write in the model."""


class Replay(NamedTuple):
    """A replay and what it did not keep (nothing: all is well). ``copied``: of ``present_writes``, how many went through copy on write."""

    name: str
    frames: int
    found: Found
    broken: list[str]
    present_writes: int = 0
    copied: int = 0


def ample(job: Job, directory: Path, carry: Carry) -> Replay:
    """Replay with the scenario's memory; ``directory`` keeps the trace. Raises InputError, RunError."""
    found = carry(msgspec.structs.replace(job, trace=True, directory=str(directory)))
    scenario = load(job.scenario, job.sets, job.kernel)
    outcomes = joined(scenario.compile(job.seed), trace_of(directory).entries())
    text = recount(RECORDINGS / f"{job.scenario}.perf.txt.xz", scenario.work.lines_max)
    copied = _copied(text, outcomes)
    broken = ended_well(found) + as_recorded(found, text) + accounted(found, text, outcomes) + copies(*copied)
    return Replay(job.scenario, scenario.machine.frames, found, broken, *copied)


def scarce(job: Job, resident_max: int, carry: Carry) -> Replay:
    """Replay with half of what the ample run held at most. Raises InputError, RunError."""
    frames = resident_max // 2
    found = carry(msgspec.structs.replace(job, sets=(*job.sets, f"machine.frames={frames}")))
    idle = [f"{name} is 0 with {frames} frames" for name in PRESSED if not found.metrics[name]]
    return Replay(job.scenario, frames, found, ended_well(found) + idle)


def ended_well(found: Found) -> list[str]:
    """Finished, with no violation."""
    broken = [] if found.ended == "finished" else [f"ended {found.ended}: {found.why}"]
    checks = sorted({violation.check for violation in found.violations})
    return broken + ([f"{len(found.violations)} violations: {', '.join(checks)}"] if checks else [])


def as_recorded(found: Found, text: Recounted) -> list[str]:
    """Calls and tasks as many as the text has, and every line replayed or ignored."""
    mine = found.workload
    broken = [f"{name}: {mine[name]}, the text has {count}" for name, count in text.counts().items() if mine[name] != count]
    if mine["lines"] != mine["replayed"] + mine["ignored"]:
        broken.append(f"{mine['lines']} lines, of which {mine['replayed']} replayed and {mine['ignored']} ignored")
    return broken


def accounted(found: Found, text: Recounted, outcomes: Sequence[Outcome]) -> list[str]:
    """Every recorded fault is a fault in the model or a hit; by the summary, and fault by fault."""
    metrics = found.metrics
    hits = sum(outcome.how == "hit" for outcome in outcomes)
    figures = {
        "faults.recorded": (metrics["faults.recorded"], text.faults),
        "faults.modelled + accesses.hit": (metrics["faults.modelled"] + metrics["accesses.hit"], text.faults),
        "accesses.hit": (metrics["accesses.hit"], hits),
        "faults.modelled": (metrics["faults.modelled"], len(outcomes) - hits),
        "faults without an outcome": (sum(not outcome.how for outcome in outcomes), 0),
    }
    return [f"{name}: {mine}, not {other}" for name, (mine, other) in figures.items() if mine != other]


def copies(present_writes: int, copied: int) -> list[str]:
    """Enough of the server's write faults on present pages are copy on write."""
    if copied * 100 >= present_writes * COW_PERCENT:
        return []
    return [f"{copied} of {present_writes} write faults of {COW_PROGRAM} on present pages are copy on write, fewer than {COW_PERCENT} %"]


def _copied(text: Recounted, outcomes: Sequence[Outcome]) -> tuple[int, int]:
    lines = {line for line, comm in text.present_writes if comm == COW_PROGRAM}
    return len(lines), sum(outcome.cow for outcome in outcomes if outcome.line in lines)


def unexercised(evaluated: Sequence[Mapping[str, tuple[int, int]]]) -> list[str]:
    """The checks that were evaluated in none of several runs."""
    names = sorted({name for run in evaluated for name in run})
    return [name for name in names if not any(run.get(name, (0, 0))[0] for run in evaluated)]
