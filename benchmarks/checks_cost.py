"""What the checks cost: microseconds of CPU per event and per record, all together and each alone.

Method: one run of the full machine is recorded in memory (a bundled recording, cut to LINES lines), and its entries are fed to fresh
suites in slices of 2^20 ns as a worker does, the global stage included. Only the feeding is timed, in process time. Every round measures
all choices of checks once; the median over rounds is printed. "routed" is what SHARDS workers
together spend, routing, encoding and decoding included. The target is 2.5 us per event for all checks.

    python -m benchmarks.checks_cost [rounds] [recording]
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import median
from time import process_time

from cluster.engine.inproc import run_inline
from cluster.intake.compile_perf import compile_recording
from cluster.plan import Model
from protocol.checks import CHECKS, Suite, decode_routed, encode_routed, merge
from protocol.event import SLICE_BITS
from protocol.kernels import kernel
from protocol.machine import Machine, thresholds
from protocol.records import Entry

RECORDINGS = Path(__file__).parents[1] / "configs" / "recordings"
LINES = 4000
FRAMES = 60_000
SHARDS = 2
TARGET_US = 2.5


def machine() -> Machine:
    """The recordings' two CPUs."""
    links = tuple(((ns,),) for ns in (20, 300, 1000))
    return Machine(cpus=2, cpu_domains=(0, 0), frames=FRAMES, thresholds=thresholds(FRAMES), latency_ns=links)


def recorded(name: str) -> list[list[Entry]]:
    """The entries of a run, by slice."""
    work = compile_recording(RECORDINGS / f"{name}.perf.txt.xz", LINES)
    end_ns = max(step.at_ns for task in work.tasks for step in task.steps) + 5_000_000
    run = run_inline(Model("machine", machine=machine(), kernel=kernel()), 1, work, until_ns=end_ns)
    return [list(group) for _, group in groupby(run.entries, key=lambda entry: entry[0][0] >> SLICE_BITS)]


def alone(names: tuple[str, ...]) -> Callable[[list[list[Entry]]], float]:
    """Seconds that a single worker spends on these checks."""

    def measure(slices: list[list[Entry]]) -> float:
        suite = Suite(names, machine(), kernel())
        since = process_time()
        for entries in slices:
            suite.step(entries)
        return process_time() - since

    return measure


def routed(slices: list[list[Entry]]) -> float:
    """Seconds that all of SHARDS workers together spend on all checks."""
    suites = [Suite((), machine(), kernel(), shard, SHARDS) for shard in range(SHARDS)]
    since = process_time()
    for entries in slices:
        batches = [[encode_routed(part) for part in suite.route(entries[rank::SHARDS])] for rank, suite in enumerate(suites)]
        for shard, suite in enumerate(suites):
            suite.feed(merge(decode_routed(batch[shard]) for batch in batches))
        facts = [fact for suite in suites for fact in suite.derived()]
        for suite in suites:
            suite.feed_global(facts)
    return process_time() - since


def main(rounds: int, name: str) -> None:
    """Measure and print."""
    slices = recorded(name)
    gc.collect()
    gc.freeze()  # The recorded entries stand for what a worker has long handed on: the collector must not walk them.
    events = sum(len(entries) for entries in slices)
    records = sum(len(entry[2]) for entries in slices for entry in entries)
    print(f"{name}: {events} events, {records} records ({records / events:.2f} per event), {len(slices)} slices; median of {rounds} rounds")
    choices = {"all": alone(()), f"all, routed to {SHARDS}": routed, **{check: alone((check,)) for check in CHECKS}}
    times: dict[str, list[float]] = {choice: [] for choice in choices}
    for _ in range(rounds):
        for choice, measure in choices.items():
            times[choice].append(measure(slices))
    for choice, found in times.items():
        seconds = median(found)
        print(f"  {choice:20} {seconds / events * 1e6:6.2f} us/event {seconds / records * 1e6:6.2f} us/record")
    verdict = "met" if median(times["all"]) / events * 1e6 <= TARGET_US else "missed"
    print(f"target of {TARGET_US} us per event for all checks: {verdict}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else "redis-bgsave")
