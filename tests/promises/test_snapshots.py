"""State is data (law 2): a run of the machine, snapshotted at drawn edges, ends as it would have, on other workers in new processes.

Equal is everything of ``Found.promised``: digest, chains, ending, metrics, faults fired, violations, how often each check looked. Each
of these was left out of the snapshot once, and a test below failed:

- a thread's last answer, or its pending request: the run is refused, since the routine waits on something else than before;
- draws made so far (``Cell.streams``), the counters of sends, the open slice's entries (``journal``): other digests;
- turns of faults and messages held back by them (``Cell.watch``): another digest, other violations;
- the checks' state: the digest is the same, violations and counts are not; the metrics' tally: only the metrics are not.

Not noticed here was leaving out the last deliveries on a pair (``Cell.last_ns``). Links of the machine have constant latencies, so it
takes a burst of sends at one instant and another within as many ns of the edge; ``tests/cluster/engine/test_snapshot.py`` looks at the
field itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.promises.children import Child
from cluster.promises.job import Job, carry_out
from cluster.promises.restoring import drawn, restored
from cluster.promises.sizes import ONLY_LOCKS_DRAW, SHORTENED_SCARCE, SMALL, Size

BROKEN = """# Every fourth entry of a page in a page table is unknown to the page: I-PV-PTE speaks, all over the run.
# Every other release is late, so that there are messages held back at every edge.
[machine]
preset = "socket-8"
cpus = 4
[workload]
generator = "map_churn"
parameters = { cpus = 4, threads = 4, pages = 2, rounds = 2 }
cpus = 4
[[faults]]
name = "forgotten-mapping"
kind = "lose"
when = { kind = "page.pv-add", every = 4 }
[[faults]]
name = "late-release"
kind = "delay"
delay_ns = 1500
when = { kind = "unlock", every = 2 }
[expect]
violations = ["I-PV-PTE"]
"""


@pytest.fixture(scope="module")
def carry():
    """Runs and the runs that continue them in different processes, told by their hash seeds."""
    with Child(0) as first, Child(1) as other:
        yield lambda job: (other if job.states else first).ask(job)


def continued(size, before, afters, draw, directory, carry):
    job = Job(label=size.scenario, scenario=str(size.scenario), sets=size.sets)
    found = list(restored(job, before, afters, draw, directory, carry))
    assert all(0 < run.window <= run.windows for run in found)
    assert [(run.window, run.after, run.differs) for run in found if run.differs] == []
    return found


@pytest.mark.parametrize(
    ("name", "before", "afters"),
    [("fork-cow", 2, (3, 1)), ("map-churn", 3, (2, 4)), ("file-read", 2, (1,)), ("fault-storm", 1, (2,)), ("memory-pressure", 2, (3,))],
)
def test_a_small_generator_continues_as_if_nothing_had_happened(name, before, afters, tmp_path, carry):
    found = continued(SMALL[name], before, afters, 7, tmp_path, carry)
    made_at_run_time = {actor for run in found for actor in run.found.chains if actor.count(".") == 3}
    assert bool(made_at_run_time) == (name != "file-read")


def test_a_recording_short_of_memory_continues(tmp_path, carry):
    """From the edges of one worker's run, where each window is a slice, to two workers."""
    found = continued(SHORTENED_SCARCE, 1, (2,), 3, tmp_path, carry)
    assert all(found[0].found.metrics[name] > 0 for name in ("pageouts", "vm_waits", "faults.hard"))


@pytest.mark.parametrize("size", [ONLY_LOCKS_DRAW, Size("map-churn", (*SMALL["map-churn"].sets, "workload.retouch=2"))])
def test_draws_continue_where_they_were(size, tmp_path, carry):
    """The machine draws who gets a spin lock next, and what is touched again."""
    continued(size, 2, (1, 3, 1), 4, tmp_path, carry)


def test_verdicts_and_the_turns_of_faults_continue_too(tmp_path, carry):
    """A run with violations: those before the snapshot are kept, those after it are still found, none twice."""
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    found = continued(Size(str(path)), 3, (2, 1, 4), 11, tmp_path, carry)
    assert {violation.check for violation in found[0].found.violations} == {"I-PV-PTE"}
    times = [violation.key[0] for violation in found[0].found.violations]
    assert all(found[0].found.fired[name] > 4 for name in ("forgotten-mapping", "late-release"))
    assert len(times) == len(set(times)) >= 5
    assert max(times) > 3 * min(times), "all over the run, or no edge lies between two of them"


def test_a_stuck_run_sticks_again(tmp_path, carry):
    """The one promise about waiting: since when, and for whom, is state."""
    job = Job(label="lost-ipi", scenario="lost-ipi")
    for run in restored(job, 2, (3, 1), 5, tmp_path, carry):
        assert (run.found.ended, run.differs) == ("stuck", [])


def test_a_difference_is_told():
    """Without this a comparison of nothing would pass."""
    whole = carry_out(Job(label="x", scenario="lost-ipi"))
    runs = iter([whole, whole, carry_out(Job(label="x", scenario="lost-ipi", seed=2))])
    (run,) = restored(Job(label="x", scenario="lost-ipi"), 1, (1,), 1, Path(), lambda job: next(runs))
    assert {"digest", "events"} <= set(run.differs)


def test_edges_are_drawn_over_the_whole_run():
    assert drawn(1000, 5, 1) == drawn(1000, 5, 1) != drawn(1000, 5, 2)
    assert len(set(drawn(1000, 900, 1))) == 900
    assert set(drawn(2, 5, 1)) == {1, 2}
    assert {min(drawn(10, 1, draw)) for draw in range(200)} == set(range(1, 11))
