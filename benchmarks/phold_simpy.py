"""PHOLD on the bare engine against SimPy 4, side by side.

Method: 1,024 actors with one job each; each event schedules one after the lookahead (1,000 ns) plus an exponential whose mean is the
lookahead; 10 % go to another actor. Three programs: ours (bare engine: no entries, digest or trace), SimPy with a process and a Store per
actor, SimPy with bare callbacks. SimPy draws from ``random.Random``, the fastest it can have; ours draws from keyed streams, as the trace
demands. Every round runs all programs in the same seconds, for about EVENTS events each, start excluded; the ratio is taken within a
round, and the median over rounds is printed. Two workers run longer, since 2 x 512 actors are started in processes whose start is
excluded too. The cyclic garbage collector is off for all programs, as it is during our runs.

    python -m benchmarks.phold_simpy [rounds] [--workers]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import anyio
import simpy

from cluster.engine.garbage import CollectorPaused
from cluster.engine.inproc import run_inline
from cluster.engine.supervise import run_plan
from cluster.plan import Limits, Model, Plan

ACTORS, LOOKAHEAD_NS, REMOTE = 1024, 1000, 10
EVENTS = 150_000
PARAMETERS = {"actors": ACTORS, "lookahead_ns": LOOKAHEAD_NS, "remote_percent": REMOTE, "note_every": 0}
VIRTUAL_NS = EVENTS // ACTORS * 2 * LOOKAHEAD_NS
"""A job makes one event per 2 x lookahead."""
PROCESSES_FACTOR = 20
"""Runs of processes are so many times longer."""


def engine_rate() -> float:
    """Events/s of the bare engine in this process."""
    run = run_inline(Model("phold", parameters=PARAMETERS), 1, until_ns=20 * LOOKAHEAD_NS, record=False)
    with CollectorPaused():
        before, since = run.engine.events, perf_counter()
        run.engine.run_before(VIRTUAL_NS)
        return (run.engine.events - before) / (perf_counter() - since)


def simpy_process_rate() -> float:
    """Events/s of SimPy with a process and a Store per actor."""
    environment, draw = simpy.Environment(), random.Random(1)
    stores = [simpy.Store(environment) for _ in range(ACTORS)]
    handled = 0

    def deliver(store: simpy.Store, delay: float, hops: int) -> Iterator[Any]:
        yield environment.timeout(delay)
        yield store.put(hops)

    def actor(index: int) -> Iterator[Any]:
        nonlocal handled
        while True:
            hops = yield stores[index].get()
            handled += 1
            environment.process(deliver(stores[target(draw, index)], delay_of(draw), hops + 1))

    for index in range(ACTORS):
        environment.process(actor(index))
        environment.process(deliver(stores[index], delay_of(draw), 0))
    return timed(environment, lambda: handled)


def simpy_callback_rate() -> float:
    """Events/s of SimPy with timeouts and bare callbacks."""
    environment, draw = simpy.Environment(), random.Random(1)
    handled = 0

    def handler(index: int) -> Callable[[Any], None]:
        def handle(event: Any) -> None:
            nonlocal handled
            handled += 1
            later = environment.timeout(delay_of(draw), event.value + 1)
            later.callbacks.append(handlers[target(draw, index)])

        return handle

    handlers = [handler(index) for index in range(ACTORS)]
    for index in range(ACTORS):
        environment.timeout(delay_of(draw), 0).callbacks.append(handlers[index])
    return timed(environment, lambda: handled)


def delay_of(draw: random.Random) -> float:
    """The lookahead and an exponential."""
    return LOOKAHEAD_NS + draw.expovariate(1 / LOOKAHEAD_NS)


def target(draw: random.Random, index: int) -> int:
    """Oneself, or with 10 % another."""
    if draw.random() * 100 < REMOTE:
        return (index + 1 + int(draw.random() * (ACTORS - 1))) % ACTORS
    return index


def timed(environment: simpy.Environment, handled: Callable[[], int]) -> float:
    """Events/s after a warm-up as long as the engine's."""
    environment.run(until=20 * LOOKAHEAD_NS)
    with CollectorPaused():
        before, since = handled(), perf_counter()
        environment.run(until=VIRTUAL_NS)
        return (handled() - before) / (perf_counter() - since)


def workers_rate(workers: int) -> float:
    """Events/s of ``workers`` workers in processes of their own (one: in this process), from the first event on."""
    limits = Limits(virtual_ns=VIRTUAL_NS * PROCESSES_FACTOR)
    model = Model("phold", parameters=PARAMETERS, limits=limits)
    plan = Plan(model, 1, "phold", workers=workers, transport="socket")

    async def main() -> float:
        outcome = await run_plan(plan, bare=True)
        return outcome.events / outcome.wall_s

    return anyio.run(main, backend="trio")


def compare(rounds: int) -> None:
    """One process against SimPy."""
    rows = []
    for _ in range(rounds):
        rows.append((engine_rate(), simpy_process_rate(), simpy_callback_rate()))
        print("  engine {:9,.0f}/s   SimPy processes {:9,.0f}/s   SimPy callbacks {:9,.0f}/s".format(*rows[-1]))
    print(f"engine / SimPy processes  median {median(row[0] / row[1] for row in rows):5.2f}  (wanted: at least 5)")
    print(f"engine / SimPy callbacks  median {median(row[0] / row[2] for row in rows):5.2f}  (wanted: at least 0.5)")


def scale(rounds: int) -> None:
    """Two workers against one."""
    ratios = []
    for _ in range(rounds):
        one, two = workers_rate(1), workers_rate(2)
        ratios.append(two / one)
        print(f"  1 worker {one:9,.0f}/s   2 workers {two:9,.0f}/s")
    print(f"2 workers / 1 worker      median {median(ratios):5.2f}  (wanted: at least 1.5)")


def main() -> None:
    """Run the rounds asked for (default 5)."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    rounds = numbers[0] if numbers else 5
    compare(rounds)
    if "--workers" in sys.argv or not numbers:
        scale(rounds)


if __name__ == "__main__":
    main()
