"""What the whole machine costs, step by step, on a real recording, and how its rate compares with SimPy's.

Method: the plain redis-bgsave recording on one worker, in four forms of one build: A the engine alone (no entries), B with entries, metrics
and digest, C with the trace written as well, D with every check on. Beside them SimPy's plain timeout loop. Each form runs in a process of
its own, so that none inherits another's memory; a round runs A, B, C, D and SimPy in the same seconds, and ratios are taken within a round.
Time is the CPU time of the process from the first event to the last (start-up, imports and the compiling of the recording excluded).
Medians over the rounds are printed.

    python -m benchmarks.machine_cost [rounds] [recording]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import process_time

import anyio
import msgspec
import simpy

FORMS = ("A", "B", "C", "D")
NAMES = {"A": "engine alone", "B": "with digest and metrics", "C": "with the trace", "D": "with all checks", "S": "SimPy, plain timeouts"}
TIMEOUTS = 400_000


def machine_rate(form: str, recording: str) -> tuple[float, int]:
    """(events per second, events) of one form."""
    import shootdown as sd
    from cluster.engine.share import Share
    from cluster.engine.transport_local import AloneTransport
    from protocol import workload as compiled_form

    with tempfile.TemporaryDirectory() as folder:
        scenario = sd.load(recording)
        workload = scenario.compile(1)
        path = Path(folder) / "workload.msgpack"
        path.write_bytes(compiled_form.encode(workload))
        plan = scenario.to_plan(seed=1, workload=workload, trace=form in "CD")
        checks = plan.checks if form == "D" else ()
        plan = msgspec.structs.replace(plan, checks=checks, workload_path=str(path), run_dir=folder)
        share = Share(plan, 0, AloneTransport(), bare=form == "A")
        since = process_time()
        anyio.run(share.run, backend="trio")
        return share.engine.events / (process_time() - since), share.engine.events


def simpy_rate() -> float:
    """Events per second of SimPy's timeout loop."""
    environment = simpy.Environment()

    def clock() -> Iterator[simpy.Event]:
        while True:
            yield environment.timeout(1)

    environment.process(clock())
    since = process_time()
    environment.run(until=TIMEOUTS)
    return TIMEOUTS / (process_time() - since)


def in_child(form: str, recording: str) -> tuple[float, int]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.machine_cost", "--one", form, recording]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rate, events = done.stdout.split()
    return float(rate), int(events)


def main(rounds: int, recording: str) -> None:
    """Measure and print."""
    rates: dict[str, list[float]] = {form: [] for form in (*FORMS, "S")}
    for _ in range(rounds):
        for form in (*FORMS, "S"):
            rate, events = in_child(form, recording)
            rates[form].append(rate)
            if form == "D":
                total = events
    for form, values in rates.items():
        print(f"{form}  {NAMES[form]:<24} {median(values):>10,.0f} events/s")
    cost = {form: [1 / value for value in values] for form, values in rates.items()}
    for over, under, most in (("B", "A", ""), ("C", "A", "at most 1.6"), ("D", "C", "at most 2.0")):
        ratio = median(o / u for o, u in zip(cost[over], cost[under], strict=True))
        print(f"{over}/{under} {ratio:.2f}  {most}")
    share = median(d / s for d, s in zip(rates["D"], rates["S"], strict=True))
    print(f"D against SimPy's timeouts {share:.3f}  at least 0.10   ({total:,} events)")


if __name__ == "__main__":
    if "--one" in sys.argv:
        which, what = sys.argv[-2:]
        print(*((simpy_rate(), TIMEOUTS) if which == "S" else machine_rate(which, what)))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2] if len(sys.argv) > 2 else "redis-bgsave")
