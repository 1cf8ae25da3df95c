"""One digest per (scenario, seed): workers, backend, hash seed and trace in a pairwise covering set, in real processes (law 1).

The shortened recording and the generators share a covering set in which they are a factor too, since a run of several workers costs half a
second of processor time per worker before its first event. `make promises` runs a covering set on each.
"""

from __future__ import annotations

from itertools import combinations, product

import pytest

from cluster.promises.children import all_carried_out
from cluster.promises.covering import covering, uncovered
from cluster.promises.job import Job, carry_out, differences, differing_chains
from cluster.promises.sizes import NO_DRAWS, ONLY_LOCKS_DRAW, SHORTENED, SHORTENED_SCARCE, SMALL, Size
from cluster.scenario import load

WORKERS, BACKENDS, HASH_SEEDS, TRACES = (1, 2, 3, 4), ("trio", "asyncio"), (0, 1, 2), (True, False)
HOW = (WORKERS, BACKENDS, HASH_SEEDS, TRACES)


def jobs(rows):
    """Rows of (size, workers, backend, hash seed, trace), each with a run to be compared with: plain, one worker, no trace, untold seed."""
    return [
        Job(label=name, scenario=size.scenario, sets=size.sets, workers=workers, backend=backend, hash_seed=hash_seed, trace=trace)
        for (name, size), workers, backend, hash_seed, trace in rows
    ]


def compared(rows):
    """What differs from the same scenario's run in this very process, whose hash seed is anybody's."""
    here = {name: carry_out(Job(label=name, scenario=size.scenario, sets=size.sets)) for (name, size), *_ in rows}
    ways = [(job, differences(here[job.label], found)) for job, found in all_carried_out(jobs(rows))]
    assert all(found.ended == "finished" and found.events > 1000 for found in here.values())
    return [f"{job.label}, {job.workers} workers, {job.backend}, hash seed {job.hash_seed}: {found}" for job, found in ways if found]


def test_the_shortened_recording_and_every_small_generator_have_one_digest():
    sizes = {"gcc-compile": SHORTENED, **SMALL}
    assert compared(covering((tuple(sizes.items()), *HOW))) == []


# The covering set ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [HOW, (tuple(SMALL), *HOW), ((1,), (2,)), ((1, 2, 3), (4, 5))])
def test_a_covering_set_has_every_pair(factors):
    rows = covering(factors)
    wanted = {pair for row in product(*factors) for pair in combinations(enumerate(row), 2)}
    assert {pair for row in rows for pair in combinations(enumerate(row), 2)} == wanted
    assert uncovered(rows, factors) == []
    assert rows == covering(factors) == sorted(rows, key=list(product(*factors)).index)


def test_a_covering_set_is_small_and_a_row_less_covers_less():
    rows = covering(HOW)
    assert len(rows) == 12 == len(WORKERS) * len(HASH_SEEDS), "the least there can be"
    assert all(uncovered(rows[:at] + rows[at + 1 :], HOW) for at in range(len(rows)))
    assert {row[:2] for row in rows} == set(product(WORKERS, BACKENDS)), "two factors are always met in full"


# Seeds ---------------------------------------------------------------------------------------------------------------------
# The machine draws for two purposes only: who of several waiters gets a spin lock, and what is touched again (workload.retouch).
# A generator draws its workload; a recording and a script draw nothing.


def by_seed(size: Size, *sets: str):
    return [carry_out(Job(label="seed", scenario=size.scenario, sets=(*size.sets, *sets), seed=seed)) for seed in (1, 2)]


@pytest.mark.parametrize("name", SMALL)
def test_another_seed_gives_a_generator_other_chains(name):
    """Not only another digest, which the seed in its header alone would give: every CPU that has a task does something else."""
    one, other = by_seed(SMALL[name])
    busy = {f"cpu.{task.cpu}" for task in load(SMALL[name].scenario, SMALL[name].sets).compile(1).tasks}
    assert one.digest != other.digest
    assert busy <= set(differing_chains(one, other))


@pytest.mark.parametrize("size", [SHORTENED, SHORTENED_SCARCE, NO_DRAWS])
def test_without_anything_to_draw_another_seed_gives_the_same_chains(size):
    """Recordings, also short of memory, and a generator of fixed sizes, on two CPUs: a spin lock never has two waiters."""
    one, other = by_seed(size)
    assert differing_chains(one, other) == []
    assert one.digest != other.digest, "the seed is part of what a digest is about"


def test_touching_again_is_drawn():
    one, other = by_seed(SHORTENED, "workload.retouch=2")
    assert {"cpu.0", "cpu.1"} <= set(differing_chains(one, other))


def test_the_next_owner_of_a_spin_lock_is_drawn():
    """Nothing in this workload is: both seeds compile to the same tasks."""
    scenario = load(ONLY_LOCKS_DRAW.scenario, ONLY_LOCKS_DRAW.sets)
    one, other = by_seed(ONLY_LOCKS_DRAW)
    assert scenario.compile(1).tasks == scenario.compile(2).tasks
    assert "fq" in differing_chains(one, other)
